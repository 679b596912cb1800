"""The two kinds of module functions: those that read the node and those that act on it.

Planning a state may only read. The mark is enforced where it matters: an acting function refuses to run unless its
caller opened a permit, and only the engine (for a step's `do`) and the job runner (for a function that a user named)
do that. This module is on every start-up path, so it imports next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import ParamSpec, TypeVar

from saltern.kept import current

P = ParamSpec("P")
R = TypeVar("R")

_acting_permitted: ContextVar[bool] = ContextVar("saltern_acting_permitted", default=False)


class ActedWhilePlanning(RuntimeError):
    """An acting function was called where only reading is allowed: a bug of the caller, never of the user."""


def reading(function: Callable[P, R]) -> Callable[P, R]:
    """Mark FUNCTION as one that leaves the node as it is. Such functions may be called while planning."""
    function.__saltern_kind__ = "reading"  # type: ignore[attr-defined]
    return function


def acting(function: Callable[P, R]) -> Callable[P, R]:
    """Mark FUNCTION as one that changes the node. It raises ActedWhilePlanning outside `permit_acting`."""

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        if not _acting_permitted.get():
            raise ActedWhilePlanning(
                f"{function.__module__}.{function.__name__} acts, so only a step's `do` may call it"
            )
        if scope := current():
            scope.acts += 1
        return function(*args, **kwargs)

    guarded.__saltern_kind__ = "acting"  # type: ignore[attr-defined]
    return guarded


def makes(kind: str, names: int = 1) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Marks an acting function that makes something of KIND ("link") by the NAMES that are its first arguments."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        function.__saltern_makes__ = (kind, names)  # type: ignore[attr-defined]
        return function

    return mark


@contextmanager
def permit_acting() -> Iterator[None]:
    """Let acting functions run inside this block (and in no other thread or task)."""
    token = _acting_permitted.set(True)
    try:
        yield
    finally:
        _acting_permitted.reset(token)


def may_act() -> bool:
    """Whether acting functions may run here: the code is part of one, or of a function that a user called."""
    return _acting_permitted.get()


@contextmanager
def forbid_acting() -> Iterator[None]:
    """Take the permit away inside this block: a state run plans in it, whoever asked for the run."""
    token = _acting_permitted.set(False)
    try:
        yield
    finally:
        _acting_permitted.reset(token)


def kind_of(function: object) -> str | None:
    """'reading', 'acting', or None for a function that is not offered to users at all."""
    kind = getattr(function, "__saltern_kind__", None)
    return kind if isinstance(kind, str) else None
