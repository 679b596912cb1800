"""How jobs end: a return is stored, then confirmed and shown; and so is an end that the master itself knows of.

What arrives together is stored as one transaction. Where that fails (a full disk), nothing is confirmed: a minion sends
its return again, and the master keeps its own ends and tries again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from master import jobs, runs
from master.events import Bus
from master.jobs import End, Job, Target
from master.presence import Minion, Presence
from master.router import Router
from master.store import Store, StoreError
from master.tasks import Tasks
from saltern.wire import messages as m

logger = logging.getLogger(__name__)

RETRY_S = 5.0  # what the master itself ended and could not store is stored later
OUTCOMES = ("done", "failed", "refused", "killed", "lost")  # what a minion may say

Stored = Callable[[], None]  # called when an end was stored


class Ends:
    """The ends of the jobs that are ACTIVE, and of those that nobody waits for. NEXT gives others their turn."""

    def __init__(self, presence: Presence, store: Store, router: Router, bus: Bus, active: dict[str, Job]) -> None:
        self._presence, self._store, self._router, self._bus, self._active = presence, store, router, bus, active
        self.tasks = Tasks()
        self.next: Callable[[Job], Awaitable[None]] = _nobody
        self.on_stored: list[Stored] = []
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[End, Minion | None]] = []

    # --- from the minions ----------------------------------------------------------------------------------------

    def returned(self, minion: Minion, message: m.Return) -> None:
        """Store the return, then confirm it and show it."""
        if message.outcome not in OUTCOMES or not _is_json(message.value):
            logger.warning("%s: a malformed return of job %s was dropped", minion.id, message.jid)
            return
        self.add(_end_of(message, minion), minion)

    def called(self, minion: Minion, message: m.Called) -> None:
        """Store what the minion ran by itself."""
        if not (_is_json(message.value) and _is_json(message.args)):
            logger.warning("%s: a malformed return of its own job %s was dropped", minion.id, message.jid)
            return
        public = minion.record.public
        job = Job(
            message.jid,
            message.function,
            message.args,
            b"{}",
            minion.id,
            "list",
            f"minion/{minion.id}",
            time.time(),
            {public: Target(public, minion.id, "received")},
        )
        end = _end_of(message, minion)
        if end.outcome not in OUTCOMES:
            end = replace(end, outcome="failed", success=False)
        self.tasks.start(self._store_called(minion, job, end))

    async def _store_called(self, minion: Minion, job: Job, end: End) -> None:
        grains = minion.grains

        def work(connection: Any) -> tuple[str, End]:
            verdict, stored = jobs.create_called(connection, job, end)
            if verdict == "stored":
                runs.note(connection, stored, job.function, minion.id, grains)
            return verdict, stored

        try:
            verdict, stored = await self._store.do(work)
        except StoreError as error:
            logger.error("%s", error)
            return
        if verdict == "stored":
            self._fire(stored, minion.id, job.function)
        if verdict == "unknown":
            logger.warning("%s told of a job of its own, and no id from %s on is free: dropped", minion.id, job.jid)
        self._router.send(minion, m.encode(m.Stored([job.jid])))

    # --- storing -------------------------------------------------------------------------------------------------

    def add(self, end: End, minion: Minion | None) -> None:
        """Store END with what else comes now. MINION: whose it is, while its key is accepted."""
        if not self._waiting:
            self._loop.call_soon(lambda: self.tasks.start(self._store_all()))
        self._waiting.append((end, minion))

    def refuse(self, job: Job, public: bytes, why: str, outcome: str = "refused") -> None:
        """End the job for a minion that it was not sent to."""
        self.add(
            End(job.jid, public, outcome, False, 1, json.dumps(why).encode(), 0.0, of_minion=False),
            self._presence.minions.get(public),
        )

    async def _store_all(self) -> None:
        batch, self._waiting = self._waiting, []
        now = time.time()
        grains = {minion.record.public: minion.grains for _, minion in batch if minion is not None}

        def work(connection: Any) -> tuple[list[str], dict[str, str]]:
            verdicts = jobs.store(connection, [end for end, _ in batch], now)
            functions: dict[str, str] = {}
            for (end, minion), verdict in zip(batch, verdicts, strict=True):
                if verdict == "stored":
                    functions[end.jid] = functions.get(end.jid) or jobs.function_of(connection, end.jid)
                    if minion is not None:
                        runs.note(connection, end, functions[end.jid], minion.id, grains[end.public])
            return verdicts, functions

        try:
            verdicts, functions = await self._store.do(work)
        except StoreError as error:
            logger.error("%d ends were not stored, and so not confirmed: %s", len(batch), error)
            for end, minion in batch:
                if not end.of_minion:
                    self._loop.call_later(RETRY_S, self.add, end, minion)
            return
        confirmed: dict[bytes, list[str]] = {}
        for (end, minion), verdict in zip(batch, verdicts, strict=True):
            if minion is not None and end.of_minion:
                confirmed.setdefault(minion.record.public, []).append(end.jid)
            if verdict == "unknown" and minion is not None:
                logger.warning("%s returned job %s, which it was not given: dropped", minion.id, end.jid)
            elif verdict == "stored":
                self._shown(end, minion, functions[end.jid])
        for public, jids in confirmed.items():
            found = self._presence.minions.get(public)
            if found:
                self._router.send(found, m.encode(m.Stored(jids)))

    # --- showing -------------------------------------------------------------------------------------------------

    def _shown(self, end: End, minion: Minion | None, function: str) -> None:
        job = self._active.get(end.jid)
        target = job.targets.get(end.public) if job else None
        if job and target:
            self.tell(job, end.public, end.outcome, end.success, end.retcode, end.value, end.duration_ms)
            self.ended(job)
        name = target.minion if target else minion.id if minion else ""
        if name:
            self._fire(end, name, function)

    def tell(
        self, job: Job, public: bytes, outcome: str, success: bool, retcode: int, value: bytes, duration_ms: float
    ) -> None:
        """Tell those who wait what became of the job on one minion."""
        target = job.targets[public]
        target.state = outcome
        job.waiting.discard(public)
        if job.turns:
            job.turns.ended(public, outcome == "done" and success and not retcode, self._loop.time())
            self.tasks.start(self.next(job))
        head = line(
            event="return",
            minion=target.minion,
            outcome=outcome,
            success=success,
            retcode=retcode,
            duration_ms=duration_ms,
        )
        job.emit(head[:-2] + b', "return": ' + value + b"}\n")

    def offline(self, job: Job, minion: Minion) -> None:
        """Tell at once that the minion is away; the store says so already."""
        value = _offline(minion)
        self.tell(job, minion.record.public, "offline", False, 1, value, 0.0)
        self._fire(End(job.jid, minion.record.public, "offline", False, 1, value, 0.0), minion.id, job.function)

    def ended(self, job: Job) -> None:
        """Tell those who wait that all is told, if it is."""
        if not job.waiting and job.jid in self._active:
            del self._active[job.jid]
            job.emit(line(event="end", ok=all(t.state in ("done", "queued") for t in job.targets.values())))
            job.watchers.clear()

    def _fire(self, end: End, minion: str, function: str) -> None:
        def data() -> dict[str, Any]:
            return {
                "jid": end.jid,
                "id": minion,
                "fun": function,
                "outcome": end.outcome,
                "success": end.success,
                "retcode": end.retcode,
                "return": json.loads(end.value),
            }

        self._bus.fire(f"salt/job/{end.jid}/ret/{minion}", data)
        for hear in self.on_stored:
            hear()


def line(**fields: Any) -> bytes:
    """One line of the control protocol."""
    return json.dumps(fields).encode() + b"\n"


async def _nobody(job: Job) -> None:
    return


def _end_of(message: m.Return | m.Called, minion: Minion) -> End:
    return End(
        message.jid,
        minion.record.public,
        message.outcome,
        message.success,
        message.retcode,
        message.value,
        message.duration_ms,
        message.used,
    )


def _offline(minion: Minion) -> bytes:
    if minion.seen is None:
        return b'"Minion is offline (it was never connected)"'
    seen = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(minion.seen))
    return json.dumps(f"Minion is offline (last seen {seen})").encode()


def _is_json(value: bytes) -> bool:
    import msgspec

    try:
        msgspec.json.decode(value)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False
    return b"\n" not in value
