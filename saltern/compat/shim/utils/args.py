"""`salt.utils.args`: the arguments of functions."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def clean_kwargs(**kwargs: Any) -> dict[str, Any]:
    """KWARGS without those that Salt itself adds (`__pub_jid`)."""
    return {key: value for key, value in kwargs.items() if not key.startswith("__")}


def get_function_argspec(func: Callable[..., Any], *_: Any, **__: Any) -> inspect.FullArgSpec:
    """The arguments of FUNC."""
    return inspect.getfullargspec(inspect.unwrap(func))


def invalid_kwargs(invalid: Mapping[str, Any], raise_exc: bool = True) -> str:
    """Say that the arguments INVALID are not taken. SaltInvocationError."""
    from saltern.compat.shim.exceptions import SaltInvocationError

    told = "The following keyword arguments are not valid: " + ", ".join(f"{k}={v}" for k, v in invalid.items())
    if raise_exc:
        raise SaltInvocationError(told)
    return told
