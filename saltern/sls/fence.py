"""The last limit of a rendering: what no count of turns or characters sees, such as a regular expression that goes back
and forth for years, a macro that calls itself twice, or a width of a billion columns, ends at a bound of processor time
and memory.

Both bounds belong to the process, so they are set while its main thread renders; a state that runs in parallel has
its templates rendered there (`desk`). Time that others take (a command that a template runs, another thread) does not
count.
"""

from __future__ import annotations

import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from saltern.errors import PermanentError

CPU_S = 5.0  # of one rendering, more than a hundred times of what a large SLS takes
MEMORY_BYTES = 1 << 30  # beside what the process holds already
TOO_BIG = f"the template takes more than {MEMORY_BYTES >> 20} MiB of memory: is there an end?"
_AGAIN_S = 0.5  # for what catches the first notice, and for time that was another thread's

_inside = False
_until = 0.0  # by the clock of the main thread's own processor time


class TooLong(PermanentError):
    """A rendering took more processor time than it may."""


@contextmanager
def fence() -> Iterator[None]:
    """Inside, TooLong is raised after CPU_S of processor time, and MemoryError beyond MEMORY_BYTES. The fence of the
    outermost rendering counts."""
    global _inside, _until
    if _inside or threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = resource.getrlimit(resource.RLIMIT_DATA)
    before = signal.signal(signal.SIGVTALRM, _end)
    try:
        _inside, _until = True, time.thread_time() + CPU_S
        _limit(_held() + MEMORY_BYTES, kept)
        signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S, _AGAIN_S)
        yield
    finally:
        _inside = False
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        resource.setrlimit(resource.RLIMIT_DATA, kept)
        signal.signal(signal.SIGVTALRM, before or signal.SIG_DFL)


@contextmanager
def open_for_programs() -> Iterator[None]:
    """Inside, a program that is started is not bound by the memory of the rendering that it serves."""
    if not _inside or threading.current_thread() is not threading.main_thread():
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def _end(_number: int, _frame: object) -> None:
    if _inside and time.thread_time() >= _until:
        raise TooLong(f"the template takes more than {CPU_S:g} s of processor time: is there an end?")


def _held() -> int:
    """What RLIMIT_DATA counts now, in bytes (proc_pid_statm(5), field 6); about as much where /proc is not mounted."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[5]) * resource.getpagesize()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _limit(most: int, kept: tuple[int, int]) -> None:
    bounds = [most, *(bound for bound in kept if bound != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), kept[1]))
