"""`salt.utils.decorators.path`: the programs that a function needs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from saltern.compat.shim.exceptions import CommandNotFoundError
from saltern.compat.shim.utils import path


def which(exe: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The function may be called only where there is the program EXE. CommandNotFoundError."""
    return which_bin([exe])


def which_bin(exes: list[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """As `which`, for any of EXES."""

    def guard(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if path.which_bin(exes) is None:
                raise CommandNotFoundError(f"none of these programs is installed: {', '.join(exes)}")
            return function(*args, **kwargs)

        return guarded

    return guard
