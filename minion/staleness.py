"""When a node has gone without its master for too long: what it converges to is old, and that has to be said.

The agent goes on from what the master gave last, which is right for an hour and dangerous for a month: a master that
was taken off the network, or is kept from this node, would hold it at an old state without anybody seeing it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from minion.master_clock import boottime

logger = logging.getLogger(__name__)


def warning(given_at: float, now: float, limit_h: float) -> str:
    """What a run has to say that uses what the master gave at GIVEN_AT (seconds since the epoch); '' where that is
    younger than LIMIT_H hours, or LIMIT_H is 0."""
    age_h = (now - given_at) / 3600
    if not limit_h or age_h < limit_h:
        return ""
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(given_at))
    return (
        f"old: these states and this pillar came {age_h:.0f} hours ago, at {at}, and the master has given none since "
        f"(stale_after_hours: {limit_h:g})"
    )


class Absence:
    """Tells in the log when the master has not been here for LIMIT_H hours (0: never), and when it is back."""

    def __init__(self, limit_h: float, clock: Callable[[], float] = boottime) -> None:
        self._limit_s, self._clock = limit_h * 3600, clock
        self._seen = clock()
        self._told = False

    def look(self, here: bool) -> None:
        """HERE: the master is connected."""
        now = self._clock()
        away_s = now - self._seen
        if here:
            self._seen = now
            if self._told:
                self._told = False
                logger.warning("the master is back after %.0f hours", away_s / 3600)
        elif self._limit_s and away_s >= self._limit_s and not self._told:
            self._told = True
            logger.error(
                "the master has not been here for %.0f hours: what runs here by itself goes by old states and pillar",
                away_s / 3600,
            )
