"""The schedule of a running minion: keeps the items of all sources, wakes up when one is due, has it run, and answers
`schedule.*`.

Items come from the minion's configuration, from its pillar, and from `schedule.add`; by name, the latter win. What was
decided is on disk before a run begins, so no run is begun twice.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any, Protocol

from minion.schedule.ahead import Ahead
from minion.schedule.clock import Clock
from minion.sources import Sources
from saltern import remembered
from saltern.errors import UsageError, nearest
from saltern.schedule.due import run_due
from saltern.schedule.item import Item, ScheduleError, parse
from saltern.schedule.scheduler import Scheduler
from saltern.schedule.zone import shown
from saltern.wire.private import write_file

logger = logging.getLogger(__name__)

MINE = "__mine_interval"  # the item that Salt has under that name
_FROM_PILLAR = ("schedule", "mine_functions", "mine_interval", "beacons")
_PILLAR_SPREAD_S = 60.0  # a fleet that comes back does not ask for its pillar at once


class Host(Protocol):
    """What runs the jobs."""

    def begin(self, function: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, report: bool) -> str:
        """Begin a job of this minion's own and return its jid. REPORT: the master gets to know how it ended."""

    def look_up(self, function: str, args: Sequence[Any], then: Callable[[Any], None]) -> None:
        """Call a reading function in a worker, and THEN with what it returned (None where it failed)."""

    def runs(self, jid: str) -> bool:
        """Whether the job runs or waits to."""

    def is_connected(self) -> bool:
        """Whether the master is there."""

    def pillar_says(self, pillar: Mapping[str, Any]) -> None:
        """The pillar's values that are about the agent, for its other parts."""


class Keeper:
    """Keeps the schedule in FILE. CONFIGURED are the items of the configuration, by name. MINE_FUNCTIONS of the
    configuration are told every MINE_INTERVAL minutes. CLOCK: the node's where none is given."""

    def __init__(
        self,
        host: Host,
        minion: str,
        configured: Mapping[str, Any],
        file: Path,
        zone: tzinfo,
        mine_functions: Mapping[str, Any] | None = None,
        mine_interval: float = 60.0,
        clock: Clock | None = None,
    ) -> None:
        self._host, self._file = host, file
        self._clock = clock or Clock()
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.TimerHandle | None = None
        self._jids: dict[str, list[str]] = {}
        kept = remembered.read(file, "schedule")
        self._sources = Sources(configured, kept)
        self._asked = "pillar" in kept
        self._own_mine, self._mine_interval = bool(mine_functions), mine_interval
        self._mine: list[Any] = kept.get("mine") or []  # what the pillar adds to be told, and how often in minutes
        self.problems: list[str] = []
        self.scheduler = Scheduler(minion, zone, self._running, kept.get("memory"))
        self.scheduler.enabled = bool(kept.get("enabled", True))
        self.ahead = Ahead(host, lambda: self.scheduler.items.values(), file.parent / "cache" / "bundle", self._clock)
        self.functions: dict[str, Callable[..., Any]] = {
            "schedule.list": self.list,
            "schedule.add": self.add,
            "schedule.modify": self.modify,
            "schedule.delete": self.delete,
            "schedule.enable": lambda: self._switch(True),
            "schedule.disable": lambda: self._switch(False),
            "schedule.enable_job": lambda name: self.modify(name, enabled=True),
            "schedule.disable_job": lambda name: self.modify(name, enabled=False),
            "schedule.is_enabled": self.is_enabled,
            "schedule.run_job": self.run_job,
            "schedule.skip_job": self.skip_job,
            "schedule.postpone_job": self.postpone_job,
            "schedule.show_next_fire_time": self.next_time,
            "schedule.reload": self.reload,
        }

    def start(self) -> None:
        """Begin: what is to run on start does."""
        self.scheduler.set_items(self._items(), self._clock.now(), starting=True)
        self._wake()

    def close(self) -> None:
        """Stop waking up."""
        for timer in (self._timer, self._asking):
            if timer:
                timer.cancel()
        self.ahead.close()

    # --- where items come from -----------------------------------------------------------------------------------

    def connected(self) -> None:
        """The master is there: have a look at the pillar, at once where it was never seen."""
        if self._asking is None:
            delay = random.uniform(0, _PILLAR_SPREAD_S) if self._asked else 0.0  # noqa: S311 - spreads load
            self._asking = self._clock.call_later(delay, self.reload)

    def reload(self) -> bool:
        """Look at the pillar anew."""
        self._asking = None
        self._host.look_up("pillar.item", list(_FROM_PILLAR), self._pillar_is)
        return True

    def _pillar_is(self, pillar: Any) -> None:
        if pillar is None:
            return  # it did not render; the log of the worker says why
        self._host.pillar_says(pillar)
        self._mine_is(pillar.get("mine_functions"), pillar.get("mine_interval"))
        found = pillar.get("schedule") or {}
        if not isinstance(found, dict):
            self.problems = [f"schedule: the pillar `schedule` is a mapping of items, not {found!r}"]
            logger.error("%s", self.problems[0])
            return
        self._asked = True
        if found != self._sources.pillar:
            self._sources.pillar = found
            self._changed()
        self.ahead.look()

    def _mine_is(self, functions: Any, interval: Any) -> None:
        """The pillar says that FUNCTIONS are to be told every INTERVAL minutes: begin with that at once."""
        mine: list[Any] = []
        if self._own_mine or functions:
            known = isinstance(interval, int | float) and not isinstance(interval, bool) and interval >= 0
            mine = [functions or {}, float(interval) if known else self._mine_interval]
        if mine != self._mine:
            self._mine = mine
            self._changed()
            if mine:
                self._host.begin("mine.update", (), {}, report=False)

    def _items(self) -> list[Item]:
        self.problems = []
        items = []
        for name, data in self._data().items():
            try:
                items.append(parse(name, data))
            except ScheduleError as error:
                self.problems.append(str(error))
                logger.error("%s; it does not run", error)
        return items

    def _data(self) -> dict[str, Any]:
        minutes = self._mine[1] if self._mine else 0
        mine = {"function": "mine.update", "seconds": max(1, round(minutes * 60)), "return_job": False}
        return self._sources.all({MINE: mine} if minutes else None)

    def _changed(self) -> None:
        self.scheduler.set_items(self._items(), self._clock.now())
        self._save()
        self._wake()
        self.ahead.look()

    # --- what is due ---------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if self._timer:
            self._timer.cancel()
        sleep = run_due(self.scheduler, self._clock.now, self._save, self._begin)
        self._timer = self._clock.call_later(sleep, self._wake)

    def _begin(self, item: Item) -> str:
        report = item.return_job and item.jid_include
        jid = self._host.begin(item.function, item.args, item.kwargs, report=report)
        self._jids.setdefault(item.name, []).append(jid)
        logger.info("schedule: %s begins as job %s", item.name, jid)
        return jid

    def _running(self, name: str) -> int:
        jids = [jid for jid in self._jids.get(name, ()) if self._host.runs(jid)]
        self._jids[name] = jids
        return len(jids)

    def _save(self) -> bool:
        data = {**self._sources.kept(), "memory": self.scheduler.memory(), "enabled": self.scheduler.enabled}
        if self._asked:
            data["mine"] = self._mine
        else:
            del data["pillar"]  # so that it is asked for at once after a restart
        try:
            write_file(self._file, json.dumps(data).encode())
        except (OSError, TypeError) as error:
            logger.error("schedule: %s can't be written, so nothing is run now: %s", self._file, error)
            return False
        return True

    # --- schedule.* ----------------------------------------------------------------------------------------------

    def list(self, show_all: bool = True, show_disabled: bool = True) -> dict[str, Any]:
        """The items as they were given, with the next time of each."""
        found: dict[str, Any] = {}
        now = self._clock.now()
        for name, data in self._data().items():
            item = self.scheduler.items.get(name)
            if item is None:
                found[name] = {**(data if isinstance(data, dict) else {}), "problem": self._problem(name)}
            elif item.enabled or show_disabled:
                due = self.scheduler.next_of(name, now)
                found[name] = {**data, "enabled": item.enabled, "next": shown(due) if due else None}
        return {"enabled": self.scheduler.enabled, "schedule": found}

    def add(self, name: str, **item: Any) -> dict[str, Any]:
        """Add the item NAME: schedule.add NAME function=state.apply hours=1 splay=300."""
        if name in self._data():
            raise UsageError(f"the item {name!r} is there already: schedule.modify changes it")
        parse(name, item)
        return self._put(name, item, f"Added {name} to the schedule")

    def modify(self, name: str, **item: Any) -> dict[str, Any]:
        """Change what ITEM names of the item NAME; None takes an option away."""
        data = {**self._known(name), **item}
        data = {key: value for key, value in data.items() if value is not None}
        parse(name, data)
        return self._put(name, data, f"Modified {name}")

    def delete(self, name: str) -> dict[str, Any]:
        """Take the item NAME away; one of the configuration or the pillar stays away until it is added again."""
        self._known(name)
        self._sources.delete(name)
        self._changed()
        return {"result": True, "comment": f"Deleted {name} from the schedule"}

    def is_enabled(self, name: str | None = None) -> bool:
        """Whether the schedule runs, or its item NAME does."""
        if name is None:
            return self.scheduler.enabled
        self._known(name)
        item = self.scheduler.items.get(name)
        return item is not None and item.enabled and self.scheduler.enabled

    def run_job(self, name: str) -> dict[str, Any]:
        """Run the item NAME now; that changes nothing of when it is due."""
        return {"result": True, "comment": f"{name} begins", "jid": self._begin(self._parsed(name))}

    def skip_job(self, name: str, time: str | None = None) -> dict[str, Any]:
        """Leave the next run of the item NAME out, or the one at the local TIME."""
        due = self._due(name, time)
        self.scheduler.skip(name, due)
        self._saved()
        return {"result": True, "comment": f"{name} is left out at {shown(due)}"}

    def postpone_job(self, name: str, new_time: str, time: str | None = None) -> dict[str, Any]:
        """Run the item NAME at the local NEW_TIME instead of its next time, or of TIME."""
        due, later = self._due(name, time), _epoch(new_time)
        if later <= due:
            raise UsageError(f"{new_time} does not come after {shown(due)}")
        self.scheduler.postpone(name, due, later)
        self._saved()
        return {"result": True, "comment": f"{name} runs at {shown(later)} instead of {shown(due)}"}

    def next_time(self, name: str) -> str | None:
        """When the item NAME runs next, local time."""
        self._parsed(name)
        due = self.scheduler.next_of(name, self._clock.now())
        return shown(due) if due else None

    def _switch(self, enabled: bool) -> dict[str, Any]:
        self.scheduler.enabled = enabled
        self._saved()
        return {"result": True, "comment": f"{'Enabled' if enabled else 'Disabled'} the schedule"}

    def _put(self, name: str, data: dict[str, Any], comment: str) -> dict[str, Any]:
        self._sources.put(name, data)
        self._changed()
        return {"result": True, "comment": comment}

    def _saved(self) -> None:
        self._save()
        self._wake()

    def _known(self, name: str) -> dict[str, Any]:
        data = self._data().get(name)
        if data is None:
            raise UsageError(f"the schedule has no item {name!r}.{nearest(str(name), self._data())}")
        return data if isinstance(data, dict) else {}

    def _parsed(self, name: str) -> Item:
        self._known(name)
        if name not in self.scheduler.items:
            raise UsageError(self._problem(name))
        return self.scheduler.items[name]

    def _problem(self, name: str) -> str:
        return next((text for text in self.problems if repr(name) in text), f"{name} can't be understood")

    def _due(self, name: str, at: str | None) -> float:
        self._parsed(name)
        due = self.scheduler.next_of(name, self._clock.now()) if at is None else _epoch(at)
        if due is None:
            raise UsageError(f"{name} is never due")
        return due


def _epoch(text: str) -> float:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        raise UsageError(f"a time is written like 2026-11-21T05:00:00, not {text!r}") from None
