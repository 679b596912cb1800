"""`salt.utils.decorators`: what a function depends on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def depends(*needed: Any, **_: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that leaves the function as it is: where something of NEEDED is missing, calling it says so."""

    def same(function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    return same


def memoize(function: Callable[..., Any]) -> Callable[..., Any]:
    """FUNCTION, called once for the same arguments."""
    import functools

    return functools.cache(function)
