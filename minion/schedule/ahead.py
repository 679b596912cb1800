"""Has what the state runs of the schedule need brought while the master is there, so that they also run without it.

The agent's side: it knows when to look. A look costs one `lstat` where nothing is new; a worker does the work
(`minion.schedule.bring`), after a delay by chance, so that a fleet does not come at once.
"""

from __future__ import annotations

import json
import logging
import os
import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from minion.schedule.clock import Clock
    from saltern.schedule.item import Item

logger = logging.getLogger(__name__)

BRING = "*bring"  # what a worker knows it by; no function that a user calls has such a name
STATE_RUNS = frozenset({"state.apply", "state.highstate", "state.sls", "state.sls_id", "state.test"})
SPREAD_S = 30.0
_AGAIN_S = 600.0  # after a failure, with a master that is there all the time


class Host(Protocol):
    """What runs the work."""

    def look_up(self, function: str, args: Sequence[Any], then: Callable[[Any], None]) -> None:
        """Call FUNCTION in a worker, and THEN with what it returned (None where it failed)."""

    def is_connected(self) -> bool:
        """Whether the master is there."""


class Ahead:
    """Looks after the state runs among ITEMS. BUNDLE is where the last bundle is kept."""

    def __init__(self, host: Host, items: Callable[[], Iterable[Item]], bundle: Path, clock: Clock) -> None:
        self._host, self._items, self._bundle, self._clock = host, items, bundle, clock
        self._timer: Any = None
        self._at_work = False
        self._seen: object = None  # the bundle and the runs for which all is here
        self._key = ""  # of the trees, the pillar and the runs, as a worker told it

    def look(self) -> None:
        """Something may be new: a connection, an item, a bundle that a job brought."""
        if self._timer is None and not self._at_work and self._is_new():
            self._after(random.uniform(0, SPREAD_S))  # noqa: S311 - spreads load

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _is_new(self) -> bool:
        return self._host.is_connected() and bool(self._runs()) and self._now() != self._seen

    def _after(self, delay_s: float) -> None:
        self._timer = self._clock.call_later(delay_s, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if self._at_work or not self._is_new():
            return
        self._at_work = True
        now = self._now()
        self._host.look_up(BRING, [self._key, self._runs()], lambda answer: self._done(now, answer))

    def _done(self, now: object, answer: Any) -> None:
        self._at_work = False
        if answer is None or answer.get("failed"):
            logger.warning(
                "what the schedule's states need is not all here, so they may fail while the master is away: %s",
                "the process that brings it ended" if answer is None else answer["failed"],
            )
            if self._timer is None:
                self._after(_AGAIN_S)
            return
        self._seen, self._key = now, answer["key"]
        for problem in answer["problems"]:
            logger.warning("the schedule's states: %s", problem)
        self.look()  # what came meanwhile

    def _runs(self) -> list[list[Any]]:
        return [
            [item.function, list(item.args), dict(item.kwargs)]
            for item in self._items()
            if item.enabled and item.function in STATE_RUNS
        ]

    def _now(self) -> object:
        try:
            status = os.lstat(self._bundle)
        except OSError:
            return None, ""
        return (status.st_ino, status.st_mtime_ns), json.dumps(self._runs(), sort_keys=True, default=str)
