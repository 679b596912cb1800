"""What both ends do when a time has come: begin what is due, never twice, and sleep until the next."""

from __future__ import annotations

import logging
from collections.abc import Callable

from saltern.schedule.item import Item
from saltern.schedule.scheduler import Left, Scheduler, Start
from saltern.schedule.zone import shown

logger = logging.getLogger(__name__)

_LONGEST_SLEEP_S = 30.0  # a clock that jumps is noticed within this time


def run_due(
    scheduler: Scheduler, now: Callable[[], float], save: Callable[[], bool], begin: Callable[[Item], object]
) -> float:
    """BEGIN the items of SCHEDULER that are due, after SAVE has kept what it remembers; where that failed nothing is
    begun. The seconds to sleep until the next look. NOW: the time, in seconds since the epoch."""
    at = now()
    decided = list(scheduler.decide(at))
    if decided and not save():
        decided = [one for one in decided if isinstance(one, Left)]  # it could be begun twice: see the log
    for one in decided:
        if isinstance(one, Start):
            begin(one.item)
        else:
            logger.warning("schedule: %s of %s is left out: %s", one.item.name, shown(one.due), one.why)
    due = scheduler.wake_at(at)
    return _LONGEST_SLEEP_S if due is None else min(max(due - now(), 0.0) + 0.001, _LONGEST_SLEEP_S)
