"""Whose turn it is in a job that goes to its minions bit by bit. Pure: time comes in, decisions go out."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from saltern.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """At most SIZE minions at a time; WAIT_S seconds pass between a minion's end and the next one's turn. When more
    than the share MOST_FAILED (0 to 1; None: never) of all minions has failed, no other gets its turn; the failure of
    those that are EXCUSED does not count."""

    size: int
    wait_s: float = 0.0
    most_failed: float | None = None
    excused: frozenset[bytes] = frozenset()


def size_of(text: str, total: int) -> int:
    """How many of TOTAL minions a batch of "10" or "25%" is, at least one. UsageError."""
    found = re.fullmatch(r"(\d{1,6})(%?)", text.strip())
    if not found or not int(found[1]) or (found[2] and int(found[1]) > 100):
        raise UsageError(f"a batch is a number of minions or a percentage, like 10 or 25%, not {text!r}")
    if not found[2]:
        return int(found[1])
    return max(1, math.ceil(total * int(found[1]) / 100))


def share_of(text: str) -> float:
    """The share that "20%" or "20" is. UsageError."""
    found = re.fullmatch(r"(\d{1,3})%?", text.strip())
    if not found or int(found[1]) > 100:
        raise UsageError(f"a share of failed minions is a percentage from 0 to 100, not {text!r}")
    return int(found[1]) / 100


class Turns:
    """The turns of MINIONS (their public keys, in order) at a PACE; TOTAL counts those too that never get one."""

    def __init__(self, minions: Sequence[bytes], pace: Pace, total: int) -> None:
        self._pace, self._total = pace, total
        self._waiting = deque(minions)
        self._running: set[bytes] = set()
        self._free_at: list[float] = []  # when slots of minions that ended are free again
        self.failed = 0

    @property
    def stopped(self) -> bool:
        """Whether too many have failed."""
        most = self._pace.most_failed
        return most is not None and self.failed > most * self._total

    def take(self, now: float) -> list[bytes]:
        """Whose turn it is at NOW."""
        self._free_at = [time for time in self._free_at if time > now]
        if self.stopped:
            return []
        room = self._pace.size - len(self._running) - len(self._free_at)
        taken = [self._waiting.popleft() for _ in range(min(room, len(self._waiting)))]
        self._running.update(taken)
        return taken

    def ended(self, minion: bytes, well: bool, now: float) -> None:
        """The job ended on MINION."""
        if minion in self._running:
            self._running.discard(minion)
            if self._pace.wait_s:
                self._free_at.append(now + self._pace.wait_s)
        self.failed += not well and minion not in self._pace.excused

    def next_at(self) -> float | None:
        """When `take` is to be asked again although nothing ends; None: then only."""
        return min(self._free_at) if self._free_at and self._waiting and not self.stopped else None

    def rest(self) -> list[bytes]:
        """Those who had no turn yet; they get none any more."""
        rest = list(self._waiting)
        self._waiting.clear()
        return rest
