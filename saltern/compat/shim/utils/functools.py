"""`salt.utils.functools`: functions from functions."""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import Any


def alias_function(fun: FunctionType, name: str, doc: str | None = None) -> Callable[..., Any]:
    """FUN under the NAME."""
    alias = FunctionType(fun.__code__, fun.__globals__, name, fun.__defaults__, fun.__closure__)
    alias.__dict__.update(fun.__dict__)
    alias.__module__ = fun.__module__
    alias.__kwdefaults__ = fun.__kwdefaults__
    alias.__doc__ = doc or f"As `{fun.__name__}`."
    return alias
