"""Decides what is to run now. Time comes in, decisions go out; what must survive a restart is one small mapping."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from saltern.schedule.item import Item
from saltern.schedule.slots import following

LATE_S = 60.0  # a run that begins later than this was missed


@dataclass(slots=True)
class Memory:
    """What is remembered of an item: all runs due up to LAST (seconds since the epoch) have been decided. SKIPS: times
    that are not to run. POSTPONED: {due: later}."""

    last: float
    skips: list[float] = field(default_factory=list)
    postponed: dict[float, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Start:
    """ITEM is to run now, for the time DUE. REASON: "due", "catch_up" or "run_on_start"."""

    item: Item
    due: float
    reason: str = "due"


@dataclass(frozen=True, slots=True)
class Left:
    """A run of ITEM that was due is left out, and why."""

    item: Item
    due: float
    why: str


class Scheduler:
    """The items of one minion, and what is remembered of them.

    RUNNING(name) tells how many runs of an item are under way.
    """

    def __init__(
        self, minion: str, zone: tzinfo, running: Callable[[str], int], memory: Mapping[str, Any] | None = None
    ) -> None:
        self._minion, self._zone, self._running = minion, zone, running
        self.items: dict[str, Item] = {}
        self.enabled = True
        self._memory = _loaded(memory or {})
        self._next: dict[str, float | None] = {}
        self._start: list[str] = []

    def set_items(self, items: Collection[Item], now: float, *, starting: bool = False) -> None:
        """The items are these from NOW on. One that is new, or whose times changed, has nothing to make up for.
        STARTING: the minion has just begun, so what is to run on start does."""
        old = self.items
        self.items = {item.name: item for item in items}
        for name, item in self.items.items():
            memory = self._memory.get(name)
            if memory is None or (name in old and _times(old[name]) != _times(item)):
                self._memory[name] = Memory(now)
            if starting and item.run_on_start and item.enabled:
                self._start.append(name)
        if not starting:  # at the start, an item that comes later (from pillar) keeps its memory
            for name in set(self._memory) - set(self.items):
                del self._memory[name]
        self._next.clear()

    def decide(self, now: float) -> Iterator[Start | Left]:
        """What is to run at NOW and what is left out. What was decided is not decided again."""
        starts, self._start = self._start, []
        for name in starts:
            if self.enabled and (item := self.items.get(name)) is not None:
                yield Start(item, now, "run_on_start")
        for name, item in self.items.items():
            memory = self._memory[name]
            self._mind_the_clock(item, memory, now)
            yield from self._postponed(item, memory, now)
            due = self._due(item, memory)
            if due is None or due > now:
                continue
            newest = self._newest(item, due, now)
            memory.last = max(now, newest)
            self._next.pop(name, None)
            if not (item.enabled and self.enabled):
                continue
            yield self._decided(item, memory, newest, now)
            memory.skips = [skip for skip in memory.skips if skip > newest]

    def wake_at(self, now: float) -> float | None:
        """When `decide` is to be asked next; None where nothing is due ever."""
        if self._start:
            return now
        times = [self._due(item, self._memory[name]) for name, item in self.items.items() if item.enabled]
        later = [time for memory in self._memory.values() for time in memory.postponed.values()]
        return min((time for time in (*times, *later) if time is not None), default=None)

    def next_of(self, name: str, now: float) -> float | None:
        """When the item NAME runs next, without those that are to be skipped."""
        item, memory = self.items[name], self._memory[name]
        time = self._due(item, memory)
        while time is not None and time in memory.skips:
            time = following(item, time, minion=self._minion, zone=self._zone)
        return time

    def skip(self, name: str, due: float) -> None:
        """Leave the run of NAME at the time DUE out."""
        self._memory[name].skips.append(due)

    def postpone(self, name: str, due: float, later: float) -> None:
        """Run NAME at LATER instead of at DUE."""
        self._memory[name].skips.append(due)
        self._memory[name].postponed[due] = later

    def memory(self) -> dict[str, Any]:
        """What must survive a restart, as plain data."""
        return {
            name: {"last": one.last, "skips": one.skips, "postponed": list(one.postponed.items())}
            for name, one in self._memory.items()
        }

    def _due(self, item: Item, memory: Memory) -> float | None:
        if item.name not in self._next:
            self._next[item.name] = following(item, memory.last, minion=self._minion, zone=self._zone)
        return self._next[item.name]

    def _newest(self, item: Item, due: float, now: float) -> float:
        """The last time up to NOW at which ITEM was due, from DUE on."""
        near = following(item, max(due, now - LATE_S) - 1e-3, minion=self._minion, zone=self._zone)
        newest = due
        while near is not None and near <= now:
            newest, near = near, following(item, near, minion=self._minion, zone=self._zone)
        return newest

    def _decided(self, item: Item, memory: Memory, due: float, now: float) -> Start | Left:
        if due in memory.skips:
            return Left(item, due, "it was to be skipped")
        missed = now - due > LATE_S
        if missed and item.catch_up == "skip":
            return Left(item, due, "it was due while nothing ran here")
        if self._running(item.name) >= item.maxrunning:
            return Left(item, due, f"{item.maxrunning} of it still run")
        return Start(item, due, "catch_up" if missed else "due")

    def _postponed(self, item: Item, memory: Memory, now: float) -> Iterator[Start | Left]:
        for due, later in list(memory.postponed.items()):
            if later <= now:
                del memory.postponed[due]
                if item.enabled and self.enabled:
                    yield Start(item, later)

    def _mind_the_clock(self, item: Item, memory: Memory, now: float) -> None:
        """A clock that went back by less than one period repeats nothing; by more, counting begins anew."""
        if memory.last <= now:
            return
        after = following(item, memory.last, minion=self._minion, zone=self._zone)
        if after is not None and memory.last - now < after - memory.last:
            return
        memory.last = now
        self._next.pop(item.name, None)


def _times(item: Item) -> tuple[Any, ...]:
    return item.interval_s, item.cron, item.moments, item.once, item.splay


def _loaded(data: Mapping[str, Any]) -> dict[str, Memory]:
    """MEMORY from plain data; what can't be understood is forgotten."""
    found: dict[str, Memory] = {}
    for name, one in data.items():
        try:
            found[str(name)] = Memory(
                float(one["last"]),
                [float(skip) for skip in one["skips"]],
                {float(due): float(later) for due, later in one["postponed"]},
            )
        except (KeyError, TypeError, ValueError):
            continue
    return found
