"""Why a call went wrong when it did: an argument of another type than its function declares. Asked only after an error,
so that a call that is right pays nothing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def misfit(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    """What to say of the first of ARGS and KWARGS that is not what FUNCTION declares, or None where all are."""
    from saltern.sls.check import types_of
    from saltern.sls.coerce import Mismatch, converter

    plain = inspect.unwrap(function)
    types = types_of(plain)
    for name, value in _given(plain, args, kwargs):
        wanted = types.get(name, Any)
        if value is None and _takes_none(wanted):
            continue
        try:
            fitted = converter(wanted)(value)
        except Mismatch as words:
            return f"the argument {name!r} wants {words}, not {_short(value)}"
        if isinstance(fitted, str) and not isinstance(value, str):
            return f"the argument {name!r} wants a text, not {_short(value)}"
        if isinstance(fitted, list | tuple) and (not isinstance(value, list | tuple) or [*fitted] != [*value]):
            return f"the argument {name!r} wants another kind of list, not {_short(value)}"
    return None


def _given(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Each given value with the name of its parameter; FUNCTION may have a first `ctx`."""
    parameters = [one for one in inspect.signature(function).parameters.values() if one.name != "ctx"]
    by_place = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    rest = next((one.name for one in parameters if one.kind is one.VAR_POSITIONAL), None)
    found = [(one.name, value) for one, value in zip(by_place, args, strict=False)]
    if rest is not None:
        found += [(rest, value) for value in args[len(by_place) :]]
    named = {one.name for one in parameters if one.kind is not one.VAR_KEYWORD}
    return found + [(name, value) for name, value in kwargs.items() if name in named]


def _takes_none(wanted: Any) -> bool:
    import typing

    return wanted is Any or wanted is None or type(None) in typing.get_args(wanted)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
