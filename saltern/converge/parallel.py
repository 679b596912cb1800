"""States that say `parallel: True` run beside the ones after them, each in a thread of its own, MOST at once.

A thread has no permit to act but what its own steps get, and a scope of its own for what modules keep; the way to the
master and the files of the tree take one caller at a time. Templates are rendered by the main thread, where they can be
ended (`saltern.sls.desk`): while a thread is at work, it does nothing else.
"""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from saltern.context import Context, FileSource
from saltern.converge.plan import Step
from saltern.converge.result import StateResult
from saltern.converge.transaction import STATES, is_network
from saltern.errors import PermanentError
from saltern.kept import current, scope
from saltern.marks import forbid_acting
from saltern.sls.desk import Desk
from saltern.sls.low import Low

T = TypeVar("T")
MOST = min(8, 2 + (os.cpu_count() or 1))  # states mostly wait, for a disk, a mirror or a daemon


class NotBeside(PermanentError):
    """A state that runs in parallel wants to do what only a state by itself may."""


def objection(low: Low) -> str | None:
    """Why LOW does not run beside others though it says `parallel: True`, or None."""
    if low.module in STATES:
        return "it may change the network, and such a change is one transaction"
    if "umask" in low.options:
        return "its umask holds for the whole process"
    return None


class _Done(NamedTuple):
    result: StateResult
    acts: int
    counts: dict[str, int]


class Lanes:
    """The states of a run that are at work now, by their positions."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(MOST, "saltern-state")
        self._serial = ThreadPoolExecutor(1, "saltern-serial")
        self._going: dict[int, Future[_Done]] = {}
        self._desk = Desk() if threading.current_thread() is threading.main_thread() else None

    def start(self, position: int, do: Callable[[], StateResult]) -> None:
        """Let DO, the state at POSITION, run beside what comes next (or as soon as there is room)."""
        self._going[position] = self._pool.submit(contextvars.Context().run, _alone, do)

    def ended(self, positions: Iterable[int] | None = None) -> list[tuple[int, StateResult]]:
        """Wait for those of POSITIONS that are at work (None: for all): their results, in their order."""
        wanted = sorted(self._going if positions is None else self._going.keys() & set(positions))
        found = []
        for position in wanted:
            done = self._result(self._going[position])
            del self._going[position]
            found.append((position, done.result))
            if kept := current():
                kept.acts += done.acts
                for what, number in done.counts.items():
                    kept.count(what, number)
        return found

    def turn(self, do: Callable[[], T]) -> T:
        """What DO gives, a state that does not run beside others: in a thread too while others are at work, so that the
        main one can render for them."""
        if self._desk is None or all(one.done() for one in self._going.values()):
            return do()
        return self._result(self._serial.submit(contextvars.copy_context().run, do))

    def _result(self, future: Future[T]) -> T:
        if self._desk is not None:
            self._desk.serve(future)
        return future.result()

    def close(self) -> None:
        """Wait for what is at work, and start nothing more. Who waits to have a template rendered waits no longer."""
        if self._desk is not None:
            self._desk.close()
        self._serial.shutdown(wait=True, cancel_futures=True)
        self._pool.shutdown(wait=True, cancel_futures=True)


def _alone(do: Callable[[], StateResult]) -> _Done:
    with forbid_acting(), scope() as own:
        result = do()
    return _Done(result, own.acts, own.counts)


def shared(ctx: Context) -> Context:
    """CTX for a run with threads."""
    lock = threading.RLock()
    ask = ctx.ask

    def one_at_a_time(what: str, args: Any, /) -> Any:
        assert ask is not None
        with lock:
            return ask(what, args)

    return replace(ctx, files=_OneAtATime(ctx.files, lock), ask=None if ask is None else one_at_a_time)


def own(ctx: Context) -> Context:
    """CTX for one state in a thread: with templates of its own, since a Jinja environment counts its loops."""
    from saltern.runner import Caller, with_calls

    ctx = replace(ctx, extra={key: value for key, value in ctx.extra.items() if key != "renderer"})
    return with_calls(ctx) if isinstance(ctx.call, Caller) else ctx


class Beside:
    """In place of the network transaction's gate: a state in a thread has no part in one."""

    def told(self, steps: Sequence[Step]) -> str | None:
        """Nothing to say."""
        return None

    def before(self, steps: Sequence[Step]) -> None:
        """NotBeside where one of STEPS changes the network."""
        for step in steps:
            if is_network(step):
                raise NotBeside(f"a state with `parallel: True` must not change the network: {step.sentence}")

    def run(self, step: Step) -> Any:
        """Run STEP."""
        return step.do()


class _OneAtATime:
    """FILES, asked by one thread at a time."""

    def __init__(self, files: FileSource, lock: threading.RLock) -> None:
        self._files, self._lock = files, lock

    def environments(self) -> tuple[str, ...]:
        """See `FileSource`."""
        with self._lock:
            return self._files.environments()

    def list(self, saltenv: str = "base") -> tuple[str, ...]:
        """See `FileSource`."""
        with self._lock:
            return self._files.list(saltenv)

    def digest(self, path: str, saltenv: str = "base") -> str | None:
        """See `FileSource`."""
        with self._lock:
            return self._files.digest(path, saltenv)

    def fetch(self, paths: tuple[str, ...], saltenv: str = "base") -> None:
        """See `FileSource`."""
        with self._lock:
            self._files.fetch(paths, saltenv)

    def local(self, path: str, saltenv: str = "base") -> Path:
        """See `FileSource`."""
        with self._lock:
            return self._files.local(path, saltenv)

    def mode(self, path: str, saltenv: str = "base") -> int:
        """See `FileSource`."""
        with self._lock:
            return self._files.mode(path, saltenv)

    def hand_over(self, path: str, saltenv: str = "base") -> Path | None:
        """See `FileSource`."""
        with self._lock:
            return self._files.hand_over(path, saltenv)
