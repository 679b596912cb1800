"""Ends a regular expression that goes back and forth for years, such as `(a+)+$`.

Python's engine holds the interpreter while it searches, so nothing else of the process goes on. But it looks for
signals on its way, and a timer of processor time (setitimer(2), ITIMER_PROF) sends one.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TypeVar

LIMIT_S = 1.0  # processor time that one target may take over what is slow
_TICK_S = 0.02  # what takes no longer at one minion is not slow, however many minions there are

A = TypeVar("A")


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
        self._is_slow = False

    def spend(self, test: Callable[[A], bool], subject: A) -> bool:
        """What TEST, which matches regular expressions, says of SUBJECT. Spent where that takes too long."""
        if threading.current_thread() is not threading.main_thread():
            return test(subject)
        if self._left_s <= 0:
            raise Spent
        began = time.thread_time()
        self._until, self._is_slow = began + self._left_s, False
        before = signal.signal(signal.SIGPROF, self._tick)
        try:
            signal.setitimer(signal.ITIMER_PROF, _TICK_S, _TICK_S)
            return test(subject)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before or signal.SIG_DFL)
            if self._is_slow:
                self._left_s -= time.thread_time() - began

    def _tick(self, _number: int, _frame: FrameType | None) -> None:
        self._is_slow = True
        if time.thread_time() >= self._until:
            raise Spent
