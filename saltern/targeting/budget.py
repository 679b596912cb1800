"""Ends a regular expression that goes back and forth for years, such as `(a+)+$`.

Python's engine holds the interpreter while it searches, so nothing else of the process goes on. But it looks for
signals on its way, and a timer of processor time (setitimer(2), ITIMER_PROF) sends one.
"""

from __future__ import annotations

import re
import signal
import threading
import time
from types import FrameType

LIMIT_S = 1.0  # processor time that all regular expressions of one target may take together; a fleet takes milliseconds
_TICK_S = 0.05


class Spent(Exception):
    """The regular expressions of a target have taken all the time that they may."""


class Budget:
    """What is left of LIMIT_S for the regular expressions of one target.

    Signals reach the main thread alone. In another thread nothing is bounded, so nothing that serves others may match
    there.
    """

    def __init__(self) -> None:
        self._left_s = LIMIT_S
        self._until = 0.0  # by the clock of the main thread's own processor time

    def matches(self, pattern: re.Pattern[str], text: str) -> bool:
        """Whether PATTERN matches at the start of TEXT. Spent where that takes too long."""
        if threading.current_thread() is not threading.main_thread():
            return pattern.match(text) is not None
        if self._left_s <= 0:
            raise Spent
        began = time.thread_time()
        self._until = began + self._left_s
        before = signal.signal(signal.SIGPROF, self._tick)
        try:
            signal.setitimer(signal.ITIMER_PROF, _TICK_S, _TICK_S)
            return pattern.match(text) is not None
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before or signal.SIG_DFL)
            self._left_s -= time.thread_time() - began

    def _tick(self, _number: int, _frame: FrameType | None) -> None:
        if time.thread_time() >= self._until:
            raise Spent
