"""The fields of a request, each taken with its type. UsageError names the one that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saltern.errors import UsageError


def text(request: Mapping[str, Any], name: str, default: str | None = None) -> str:
    """The text NAME (DEFAULT where it is not given)."""
    value = request.get(name, default)
    if not isinstance(value, str):
        raise UsageError(f"{name} wants a text")
    return value


def optional(request: Mapping[str, Any], name: str) -> str | None:
    """The text NAME, or None."""
    return None if request.get(name) is None else text(request, name)


def number(request: Mapping[str, Any], name: str) -> float:
    """The number of seconds NAME; 0 where it is not given."""
    value = request.get(name) or 0
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise UsageError(f"{name} wants a number of seconds")
    return float(value)
