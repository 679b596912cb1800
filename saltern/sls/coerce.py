"""Fits values of YAML to the types that a state function's signature names, as far as Salt's users may expect it.

A number or a text is taken for the other where nothing is lost (`mode: 644`, or `mtu: '1500'` for a number), one
text for a list of texts, a list of one-key mappings for a mapping. True and false are never taken for anything else.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Literal, Union

from saltern.converge.plan import Unset
from saltern.secret import Secret


class Mismatch(Exception):
    """A value is not what was wanted; `str()` says what is."""


Converter = Callable[[Any], Any]


def converter(wanted: Any) -> Converter:
    """The function that fits a value to the type WANTED or raises Mismatch."""
    if wanted in _SCALARS:
        return _SCALARS[wanted]
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Union or origin is types.UnionType:
        return _union([arg for arg in args if arg is not Unset])
    if origin is Literal:
        return _one_of(args)
    if origin is typing.Annotated:
        return converter(args[0])
    kind = origin or wanted
    if isinstance(kind, type):
        if issubclass(kind, Enum):
            return _member(kind)
        if issubclass(kind, Mapping):
            return _mapping(converter(args[1]) if len(args) == 2 else _anything)
        if issubclass(kind, tuple) and args and args[-1] is not Ellipsis:
            return _anything  # a pair or the like: the function knows its shape
        if issubclass(kind, Iterable) and not issubclass(kind, str | bytes):
            return _sequence(converter(args[0]) if args else _anything, _MAKERS.get(kind, list))
    return _anything


def words(wanted: Any) -> str:
    """The type WANTED in words: "a text", "a list of whole numbers"."""
    if wanted in _WORDS:
        return _WORDS[wanted]
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is Union or origin is types.UnionType:
        return " or ".join(dict.fromkeys(words(arg) for arg in args if arg not in (Unset, type(None))))
    if origin is Literal:
        return "one of " + ", ".join(str(arg) for arg in args)
    kind = origin or wanted
    if isinstance(kind, type):
        if issubclass(kind, Enum):
            return "one of " + ", ".join(str(member.value) for member in kind)
        if issubclass(kind, Mapping):
            return "a mapping"
        if issubclass(kind, Iterable):
            inner = _PLURALS.get(args[0], "") if args else ""
            return f"a list of {inner}" if inner else "a list"
    return "another value"


def _anything(value: Any) -> Any:
    return value


def _text(value: Any) -> str:
    if value.__class__ is str:
        return str(value)
    if isinstance(value, bool):
        raise Mismatch("a text; quote it if the word itself is meant")
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return value
    raise Mismatch("a text")


def _whole(value: Any) -> int:
    if value.__class__ is int:
        return int(value)
    if isinstance(value, str):
        digits = value.strip().removeprefix("-")
        if digits.isascii() and digits.isdigit():
            return int(value)
    raise Mismatch("a whole number")


def _number(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
    raise Mismatch("a number")


_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _truth(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    if isinstance(value, str) and value.lower() in _TRUTHS:
        return _TRUTHS[value.lower()]
    raise Mismatch("true or false")


def _secret(value: Any) -> Secret:
    return value if isinstance(value, Secret) else Secret(_text(value))


def _bytes(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return _text(value).encode()


def _nothing(value: Any) -> None:
    if value is not None:
        raise Mismatch("nothing")


def _union(options: list[Any]) -> Converter:
    """Fits to the first option whose own type the value has, else to the first that it can be fitted to."""
    if len(options) == 1:
        return converter(options[0])
    plain = frozenset(option for option in options if option in (str, int, float, bool, type(None), bytes))
    others = [(option, converter(option)) for option in options if option is not type(None)]
    kinds = [(typing.get_origin(option) or option, convert) for option, convert in others]

    def fit(value: Any) -> Any:
        if value.__class__ in plain:
            return value
        for kind, convert in kinds:
            if isinstance(kind, type) and isinstance(value, kind) and not isinstance(value, str):
                return convert(value)
        for _, convert in others:
            try:
                return convert(value)
            except Mismatch:
                continue
        raise Mismatch(" or ".join(dict.fromkeys(words(option) for option, _ in others)))

    return fit


def _one_of(values: tuple[Any, ...]) -> Converter:
    texts = {str(value).lower(): value for value in values if isinstance(value, str)}
    booleans = {True: ("true", "yes", "on"), False: ("false", "no", "off")}

    def fit(value: Any) -> Any:
        for known in values:
            if value == known and value.__class__ is known.__class__:
                return known
        if isinstance(value, bool):  # `mode: on` is read as true; the word may be one of the choices
            for word in booleans[value]:
                if word in texts:
                    return texts[word]
        elif isinstance(value, int | float) and str(value) in texts:
            return texts[str(value)]
        raise Mismatch("one of " + ", ".join(str(known) for known in values))

    return fit


def _member(kind: type[Enum]) -> Converter:
    fit = _one_of(tuple(member.value for member in kind))
    return lambda value: value if isinstance(value, kind) else kind(fit(value))


def _sequence(convert: Converter, make: Callable[[Iterable[Any]], Any]) -> Converter:
    def fit(value: Any) -> Any:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            value = [value]
        elif not isinstance(value, list | tuple | set | frozenset):
            raise Mismatch("a list")
        fitted = []
        for item in value:
            try:
                fitted.append(convert(item))
            except Mismatch as wanted:
                raise Mismatch(f"a list, each item {wanted}") from None
        return make(fitted)

    return fit


def _mapping(convert: Converter) -> Converter:
    def fit(value: Any) -> dict[Any, Any]:
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            value = {key: inner for item in value for key, inner in item.items()}
        if not isinstance(value, Mapping):
            raise Mismatch("a mapping")
        fitted = {}
        for key, item in value.items():
            try:
                fitted[key] = convert(item)
            except Mismatch as wanted:
                raise Mismatch(f"a mapping, and for {key!r} {wanted}") from None
        return fitted

    return fit


_SCALARS: dict[Any, Converter] = {
    str: _text,
    int: _whole,
    float: _number,
    bool: _truth,
    bytes: _bytes,
    Secret: _secret,
    type(None): _nothing,
    Any: _anything,
    object: _anything,
    Unset: _nothing,
}
_MAKERS: dict[Any, Callable[[Iterable[Any]], Any]] = {tuple: tuple, set: set, frozenset: frozenset}
_WORDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    bytes: "a text",
    Secret: "a text",
}
_PLURALS = {str: "texts", int: "whole numbers", float: "numbers", bool: "true and false"}
