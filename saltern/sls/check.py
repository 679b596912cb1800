"""Checks the arguments of each state against the signature of its function, before anything runs."""

from __future__ import annotations

import builtins
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from saltern.converge.state import check_of, is_state, together_of
from saltern.errors import UsageError, nearest
from saltern.loader import find
from saltern.secret import Secret
from saltern.sls.coerce import Converter, Mismatch, converter
from saltern.sls.keywords import KEYWORDS

_OWN = ("ctx", "name")  # what the engine gives


class Signature:
    """What a state function takes: how to fit each argument, and which must be there."""

    __slots__ = ("check", "converters", "nullable", "open", "required", "together")

    def __init__(self, function: Callable[..., Any]) -> None:
        types = types_of(function)
        self.check = check_of(function)  # of the values, once they fit
        self.together = together_of(function)  # asked of all states of the run
        self.converters: dict[str, Converter] = {}
        self.required: list[str] = []
        self.nullable: set[str] = set()
        self.open = False  # whether it takes any other argument too
        for parameter in inspect.signature(function).parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD:
                self.open = True
            elif parameter.name not in _OWN and parameter.kind is not parameter.VAR_POSITIONAL:
                wanted = types.get(parameter.name, Any)
                self.converters[parameter.name] = converter(wanted)
                if wanted is Any or type(None) in typing.get_args(wanted):
                    self.nullable.add(parameter.name)
                if parameter.default is parameter.empty:
                    self.required.append(parameter.name)

    def fit(self, name: str, value: Any) -> Any:
        """VALUE as the argument NAME wants it; Mismatch where it can't be, KeyError where there is no such argument."""
        if self.open and name not in self.converters:
            return value
        return self.converters[name](value)


def _state(name: str) -> Callable[..., Any]:
    return find(name, "states", is_state)


class Signatures:
    """The signatures of the state functions that a run names, each looked up once by LOOK_UP, which raises UsageError
    where there is none."""

    def __init__(self, look_up: Callable[[str], Callable[..., Any]] = _state) -> None:
        self._look_up = look_up
        self._known: dict[str, Signature | UsageError] = {}

    def get(self, name: str) -> Signature:
        """The signature of the state NAME ("file.managed"). UsageError with the nearest name where there is none."""
        found = self._known.get(name)
        if found is None:
            try:
                found = Signature(self._look_up(name))
            except UsageError as error:
                found = error
            except (TypeError, NameError, AttributeError, SyntaxError) as error:  # a type that can't be
                found = UsageError(f"the parameters of {name} can't be read: {error}")
            self._known[name] = found
        if isinstance(found, UsageError):
            raise found
        return found


def unknown_argument(name: str, function: str, signature: Signature) -> tuple[str, str]:
    """What to say of an argument that FUNCTION does not take, and the hint."""
    known = sorted(signature.converters)
    near = nearest(name, [*known, *KEYWORDS])
    takes = f"It takes {', '.join(known)}." if known else "It takes no arguments but those of every state."
    return f"{function} takes no argument {name!r}.{near}", "" if near else takes


def mismatch(name: str, function: str, value: Any, wanted: Mismatch) -> str:
    """What to say of an argument with a wrong VALUE."""
    shown = "a secret" if isinstance(value, Secret) else _short(value)
    return f"the argument {name!r} of {function} wants {wanted}, not {shown}"


def _short(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


class _Names(Mapping[str, Any]):
    """The names that an annotation may use; one that is imported for type checkers only counts as Any."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._globals = function.__globals__

    def __getitem__(self, name: str) -> Any:
        if name in self._globals:
            return self._globals[name]
        return getattr(builtins, name, Any)

    def __iter__(self) -> Iterator[str]:
        return iter(self._globals)

    def __len__(self) -> int:
        return len(self._globals)


def types_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The types of the parameters of FUNCTION by name."""
    function = inspect.unwrap(function)
    return typing.get_type_hints(function, localns=_Names(function))
