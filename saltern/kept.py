"""What a module keeps for the length of one run: a connection, or what it has read through it.

A run opens a scope; a module puts into it what it would otherwise make again for each state, and the scope closes it at
the end. Outside of a run there is no scope, and a module makes what it needs each time. The scope also counts: the
acting functions that ran, by which a module knows that what it has read may be true no longer, and whatever else a
module tells it (requests to the kernel, files written), so that "nothing was written" can be shown. This module is on
every start-up path, so it imports next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar


class Closable(Protocol):
    """What can be kept."""

    def close(self) -> None:
        """Give back what it holds; called once."""
        ...


K = TypeVar("K", bound=Closable)


class Scope:
    """One run. `acts` is the number of acting functions that were called in it, `counts` what modules counted, by what
    it is; a run inside it adds to both when it ends. `promised`: what a run in test mode would have made by now, as
    (kind, name), so that a later state can be previewed that needs it."""

    __slots__ = ("_kept", "acts", "counts", "promised")

    def __init__(self) -> None:
        self._kept: dict[Any, Closable] = {}
        self.acts = 0
        self.counts: dict[str, int] = {}
        self.promised: set[tuple[str, str]] = set()

    def count(self, what: str, number: int = 1) -> None:
        """NUMBER more of WHAT happened."""
        self.counts[what] = self.counts.get(what, 0) + number

    def keep(self, make: Callable[[Scope], K]) -> K:
        """What MAKE makes, the same for the whole run; its errors are the caller's."""
        found = self._kept.get(make)
        if found is None:
            found = self._kept[make] = make(self)
        return found  # type: ignore[return-value]  # MAKE is the key, so it is what that returned

    def find(self, make: Callable[[Scope], K]) -> K | None:
        """What MAKE made before, if it did."""
        return self._kept.get(make)  # type: ignore[return-value]

    def drop(self, make: Callable[[Scope], Any]) -> None:
        """Close what MAKE made: it is broken, or no longer true. The next `keep` makes it again."""
        found = self._kept.pop(make, None)
        if found is not None:
            found.close()

    def close(self) -> None:
        """Close everything, the last first."""
        while self._kept:
            self._kept.popitem()[1].close()


_current: ContextVar[Scope | None] = ContextVar("saltern_run_scope", default=None)


def current() -> Scope | None:
    """The scope of the run that is at work in this thread or task, None outside of one."""
    return _current.get()


def promised(kind: str, name: str) -> bool:
    """Whether an earlier state of this run in test mode would have made the NAME of this KIND ("link")."""
    found = _current.get()
    return found is not None and (kind, name) in found.promised


@contextmanager
def scope() -> Iterator[Scope]:
    """A run of its own for the block."""
    made, outer = Scope(), _current.get()
    token = _current.set(made)
    try:
        yield made
    finally:
        _current.reset(token)
        made.close()
        if outer is not None:
            outer.acts += made.acts
            for what, number in made.counts.items():
                outer.count(what, number)


def count(what: str, number: int = 1) -> None:
    """Tell the run, where there is one, that NUMBER more of WHAT happened."""
    if found := _current.get():
        found.count(what, number)
