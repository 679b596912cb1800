"""Where threads hand in their templates, for the main thread to render.

What ends a template that has no end belongs to the main thread (`fence`): signals reach it alone, and a regular
expression holds the interpreter until one does. So while states run beside each other, the main thread waits at the
desk, and a thread that has to render waits for its turn there.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from saltern.errors import TemporaryError

if TYPE_CHECKING:
    from concurrent.futures import Future

P = ParamSpec("P")
T = TypeVar("T")


class BrokenOff(TemporaryError):
    """The run ended in the middle, so nobody renders any more."""


class Desk:
    """The desk of the main thread, which must be the one that makes it. It is the one of the process until `close`."""

    def __init__(self) -> None:
        global _desk
        from queue import SimpleQueue  # late: few runs have parallel states

        self._handed_in: SimpleQueue[_Task | None] = SimpleQueue()
        self._lock, self._open = threading.Lock(), True
        self._before, _desk = _desk, self

    def serve(self, end: Future[Any]) -> None:
        """Render what is handed in until END is done."""
        end.add_done_callback(lambda _: self._handed_in.put(None))
        while not end.done():
            if task := self._handed_in.get():
                task.do()

    def hand_in(self, work: Callable[[], T]) -> T:
        """Have WORK done by the main thread, with the context variables of this one: what it returns or raises.
        BrokenOff where the desk is closed."""
        task = _Task(work)
        with self._lock:
            if not self._open:
                raise BrokenOff("the run was broken off")
            self._handed_in.put(task)
        return task.result.result()  # type: ignore[no-any-return]

    def close(self) -> None:
        """Turn away who waits, and whoever comes."""
        global _desk
        with self._lock:
            self._open = False
            while not self._handed_in.empty():
                if task := self._handed_in.get():
                    task.result.set_exception(BrokenOff("the run was broken off"))
        if _desk is self:
            _desk = self._before


class _Task:
    """WORK of a thread, and what became of it."""

    def __init__(self, work: Callable[[], Any]) -> None:
        from concurrent.futures import Future

        self._work, self._context = work, contextvars.copy_context()
        self.result: Future[Any] = Future()

    def do(self) -> None:
        try:
            self.result.set_result(self._context.run(self._work))
        except Exception as error:
            self.result.set_exception(error)
        except BaseException:  # the process is to end, and the thread with it
            self.result.set_exception(BrokenOff("the run was broken off"))
            raise


_desk: Desk | None = None


def by_main_thread(work: Callable[[], T]) -> T:
    """What WORK returns or raises, done by the main thread where that waits at a desk, else here."""
    if _desk is None or threading.current_thread() is threading.main_thread():
        return work()
    return _desk.hand_in(work)


def rendering(function: Callable[P, T]) -> Callable[P, T]:
    """FUNCTION, which renders, done `by_main_thread`."""

    @wraps(function)
    def done(*args: P.args, **kwargs: P.kwargs) -> T:
        return by_main_thread(lambda: function(*args, **kwargs))

    return done
