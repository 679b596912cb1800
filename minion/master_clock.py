"""The master's time, as far as this node knows it: what runs here by itself has its place in the master's history.

The node's own clock may be wrong by a day, or be set while the agent runs, so time since the last connection is counted
by a clock that nobody sets (clock_gettime(2), CLOCK_BOOTTIME).
"""

from __future__ import annotations

import time
from collections.abc import Callable

NEAR_S = 60.0  # clocks that differ by less are called right


def boottime() -> float:
    """Seconds since this node was started, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class MasterClock:
    """Gives the master's time, in seconds since the epoch; the node's own where the master never told."""

    def __init__(self, wall: Callable[[], float] = time.time, up: Callable[[], float] = boottime) -> None:
        self._wall, self._up = wall, up
        self._told: tuple[float, float] | None = None

    def says(self, now: float) -> None:
        """The master says that it is NOW; 0 says nothing."""
        if now > 0:
            self._told = now, self._up()

    def __call__(self) -> float:
        """The time now."""
        if self._told is None:
            return self._wall()
        now, at = self._told
        return now + self._up() - at

    def ahead_s(self) -> float:
        """By how much the node's clock is ahead, 0 where that is nothing to speak of."""
        ahead = self._wall() - self()
        return ahead if abs(ahead) >= NEAR_S else 0.0


def apart(ahead_s: float) -> str:
    """AHEAD_S, of a clock against another, in words."""
    size = abs(ahead_s)
    amount = f"{size / 3600:.1f} hours" if size >= 3600 else f"{size / 60:.1f} minutes"
    return f"{amount} {'ahead of' if ahead_s > 0 else 'behind'}"
