"""The master's own schedule: runners that it calls by itself (the option `schedule`).

    schedule:
      report: {function: drift.report, days: 1}
      nightly:
        function: state.orchestrate
        args: [orch.platform]
        kwargs: {pillar: {release: 5}}
        cron: 30 2 * * *

The words for when are those of a minion's schedule (`saltern.schedule`). What was decided is on disk before a run
begins, so no run is begun twice. Each run is a job of the history, by the user `schedule`. An item that can't be
understood, or that fails, is named in the log; the others go on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from datetime import tzinfo
from pathlib import Path
from typing import Any

from master import own_jobs
from master.caller import Caller
from master.dispatch import Dispatch
from master.orchestration.doing import ORCHESTRATE
from master.orchestration.parts import Parts
from saltern import remembered
from saltern.errors import SalternError
from saltern.schedule.due import run_due
from saltern.schedule.item import Item, parse
from saltern.schedule.scheduler import Scheduler
from saltern.schedule.zone import shown
from saltern.wire.private import write_file

logger = logging.getLogger(__name__)

USER = "schedule"


class Schedule:
    """The items CONFIGURED, by name. What has to survive a restart is in FILE. ZONE: of the times of day."""

    def __init__(self, master: Dispatch, parts: Parts, configured: Mapping[str, Any], file: Path, zone: tzinfo) -> None:
        self._master, self._parts, self._configured, self._file = master, parts, configured, file
        self._tasks: dict[str, set[asyncio.Task[None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self.problems: dict[str, str] = {}  # by item: why it does not run
        self._scheduler = Scheduler(
            own_jobs.NAME, zone, self._running, remembered.read(file, "schedule") if configured else {}
        )

    def start(self) -> None:
        """Begin: what is to run on start does."""
        if self._configured:
            self._scheduler.set_items(self._items(), time.time(), starting=True)
            self._wake()

    def close(self) -> None:
        """Begin nothing any more."""
        if self._timer:
            self._timer.cancel()
        for task in [task for tasks in self._tasks.values() for task in tasks]:
            task.cancel()

    def listing(self) -> dict[str, Any]:
        """The items as they were given, each with the next time, how many of it run now, or what is wrong with it."""
        now, found = time.time(), {}
        for name, data in self._configured.items():
            given = dict(data) if isinstance(data, Mapping) else {}
            if name in self.problems:
                found[name] = {**given, "problem": self.problems[name]}
                continue
            due = self._scheduler.next_of(name, now)
            found[name] = {**given, "next": shown(due) if due else None, "running": self._running(name)}
        return found

    def _items(self) -> list[Item]:
        items = []
        for name, data in self._configured.items():
            try:
                item = parse(name, data)
                self._parts.check(item.function, item.args, item.kwargs)
                items.append(item)
            except SalternError as error:
                text = str(error) if str(error).startswith("schedule:") else f"schedule: the item {name!r}: {error}"
                self.problems[name] = text
                logger.error("%s; it does not run", text)
        return items

    def _wake(self) -> None:
        sleep = run_due(self._scheduler, time.time, self._save, self._begin)
        self._timer = asyncio.get_running_loop().call_later(sleep, self._wake)

    def _begin(self, item: Item) -> None:
        logger.info("schedule: %s begins", item.name)
        task = asyncio.get_running_loop().create_task(self._run(item))
        tasks = self._tasks.setdefault(item.name, set())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _run(self, item: Item) -> None:
        """One run, whatever becomes of it. One that is cut off when the master ends is said to be lost by the next."""
        own = item.function not in ORCHESTRATE  # an orchestration is a job by itself
        ok, value, jid, begin = False, "the master failed on this: see its log", "", time.monotonic()
        try:
            if own:
                jid = await own_jobs.begin(self._master, item.function, item.args, item.kwargs, USER)
            answer = await self._parts.run(item.function, item.args, item.kwargs, Caller(USER))
            ok, value = answer.ok, answer.data
        except SalternError as error:
            value = str(error)
            logger.error("schedule: %s failed: %s", item.name, error)
        except Exception:  # the outermost loop of a run
            logger.exception("schedule: %s failed", item.name)
        if jid:
            passed = (time.monotonic() - begin) * 1000
            await own_jobs.end(self._master, jid, item.function, ok=ok, value=value, duration_ms=passed)

    def _running(self, name: str) -> int:
        return len(self._tasks.get(name, ()))

    def _save(self) -> bool:
        try:
            write_file(self._file, json.dumps(self._scheduler.memory()).encode())
        except OSError as error:
            logger.error("schedule: %s can't be written, so nothing is run now: %s", self._file, error)
            return False
        return True
