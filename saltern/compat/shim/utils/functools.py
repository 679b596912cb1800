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


def namespaced_function(function: FunctionType, global_dict: dict[str, Any], *_: Any, **__: Any) -> FunctionType:
    """FUNCTION with GLOBAL_DICT around it, so that it finds what is put in there."""
    return FunctionType(function.__code__, global_dict, function.__name__, function.__defaults__, function.__closure__)
