"""Events that an orchestration waits for.

It listens from its beginning, since an event may come while the state that brings it about still runs: a minion that
was told to restart is often back before that job has ended. What counts is what came since the states began that the
waiting one requires; where it requires none, what comes while it waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from master.events import Bus
from master.reactor import Rule
from saltern.converge.result import Verdict
from saltern.orchestration.asked import AwaitEvent
from saltern.traverse import traverse


class Awaited:
    """Hears on BUS what ASKED waits for, until `close`."""

    def __init__(self, bus: Bus, asked: AwaitEvent, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus, self._asked, self._clock = bus, asked, clock
        self._rule = Rule(asked.pattern, ())
        self._last: dict[str, float] = {}  # by the value of event_id: when it was last heard
        self._came = asyncio.Event()
        bus.listeners.append(self._hear)

    def close(self) -> None:
        """Hear no more."""
        if self._hear in self._bus.listeners:
            self._bus.listeners.remove(self._hear)

    async def wait(self, since: float) -> Verdict:
        """Wait until all came that is waited for, after SINCE (of the clock), or the time is over."""
        asked, begin = self._asked, self._clock()
        try:
            async with asyncio.timeout(asked.timeout_s):
                while self._missing(since):
                    self._came.clear()
                    await self._came.wait()
        except TimeoutError:
            missing = [id for id in self._missing(since) if id]
            of = f" of {', '.join(missing)}" if missing else ""
            return Verdict(False, f"No event {asked.pattern}{of} came within {asked.timeout_s:g} s")
        of = f" of {', '.join(asked.ids)}" if asked.ids else ""
        return Verdict(True, f"The event {asked.pattern}{of} came, after {max(self._clock() - begin, 0.0):.1f} s")

    def _missing(self, since: float) -> list[str]:
        """What has not come after SINCE; '' stands for any event."""
        if not self._asked.ids:
            return [] if any(at >= since for at in self._last.values()) else [""]
        return [id for id in self._asked.ids if self._last.get(id, float("-inf")) < since]

    def _hear(self, tag: str, data: Callable[[], Mapping[str, Any]]) -> None:
        if not self._rule.matches(tag):
            return
        id = str(traverse(data(), self._asked.event_id, "")) if self._asked.ids else ""
        if id in self._asked.ids or not self._asked.ids:
            self._last[id] = self._clock()
            self._came.set()
