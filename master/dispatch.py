"""Jobs on their way: who they go to, what comes back, and who waits for it.

A job is stored before it is sent, a return is stored before it is confirmed or shown. A target that is away is said to
be so at once. One that loses its connection in the middle has GRACE_S to come back before those who wait are told;
its return is still taken when it arrives later.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from master import jobs, keys
from master.asks import Asks, Pillar
from master.events import Bus
from master.jobs import Emit, End, Job, Target
from master.presence import Minion, Presence
from master.router import Router
from master.store import Store, StoreError
from master.turns import Pace, Turns
from saltern.errors import SalternError, UsageError
from saltern.wire import messages as m

logger = logging.getLogger(__name__)

GRACE_S = 15.0
NEEDS_BUNDLE = frozenset({"state", "pillar", "cp", "slsutil"})  # namespaces whose jobs carry trees and pillar

Bundles = Callable[[Sequence[tuple[Minion, bytes]]], Awaitable[Sequence[bytes | SalternError]]]
Select = Callable[[str, str], Awaitable[list[Minion]]]  # an expression and its form
Pillars = Callable[[Sequence[Minion]], Awaitable[Mapping[bytes, Mapping[str, Any]]]]


class Dispatch:
    """All jobs that are under way."""

    def __init__(
        self,
        presence: Presence,
        store: Store,
        router: Router,
        bundles: Bundles,
        pillars: Pillars,
        pillar: Pillar,
        last_jid: str,
        ttl_s: float = 3600.0,
    ) -> None:
        self.presence, self.store, self.router = presence, store, router
        self.bus = Bus()
        self.asks = Asks(
            presence, store, pillar, lambda minion, answer: router.send(minion, m.encode(answer)), self.bus
        )
        self._bundles, self.pillars = bundles, pillars
        self.select: Select = _no_targets  # set by the requests, which know the nodegroups
        self.active: dict[str, Job] = {}
        self._new_jid = jobs.JidMaker(last_jid)
        self._loop = asyncio.get_running_loop()
        self._ends: list[tuple[End, Minion | None]] = []
        self._received: list[tuple[str, bytes]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._ttl_s = ttl_s
        self._expiry: asyncio.TimerHandle | None = None
        self._task(self._expire())

    # --- from the commands ---------------------------------------------------------------------------------------

    async def publish(
        self,
        chosen: Sequence[Minion],
        function: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        *,
        target: str,
        form: str,
        user: str,
        watcher: Emit | None,
        pace: Pace | None = None,
        queue_s: float = 0.0,
    ) -> Job:
        """Store the job, send it to those who are here, and tell WATCHER all that happens to it.

        PACE: not to all at once. QUEUE_S: keep it so long for those who are away, who get it when they are back.
        """
        if not chosen:
            raise UsageError("a job needs at least one minion")
        now = time.time()
        job = Job(
            self._new_jid(now),
            function,
            json.dumps(args).encode(),
            json.dumps(kwargs).encode(),
            target,
            form,
            user,
            now,
        )
        here, away = "held" if pace else "sent", "queued" if queue_s else "offline"
        for minion in chosen:
            public = minion.record.public
            job.targets[public] = Target(public, minion.id, here if minion.session else away)
        job.waiting = {public for public, t in job.targets.items() if t.state == here}
        if pace:
            held = [minion.record.public for minion in chosen if minion.record.public in job.waiting]
            job.turns = Turns(held, pace, len(chosen))
        if watcher:
            job.watchers.append(watcher)
        while not await self.store.do(lambda c: jobs.create_new(c, job)):
            job.jid = self._new_jid(now)  # a minion's own call has that id already
        self.active[job.jid] = job
        if any(target.state == "queued" for target in job.targets.values()):
            await self.store.do(lambda c: jobs.keep_until(c, job.jid, now + queue_s))
            self._task(self._expire())
        job.emit(
            _line(
                event="job",
                jid=job.jid,
                function=function,
                targets={t.minion: t.state for t in job.targets.values()},
            )
        )
        self.bus.fire(
            f"salt/job/{job.jid}/new",
            lambda: {
                "jid": job.jid,
                "fun": function,
                "arg": [*args, dict(kwargs)] if kwargs else list(args),
                "tgt": target,
                "tgt_type": form,
                "user": user,
                "minions": [minion.id for minion in chosen],
            },
        )
        for minion in chosen:
            if job.targets[minion.record.public].state == "offline":
                self._tell(job, minion.record.public, "offline", False, 1, _offline(minion), 0.0)
        if job.turns:
            await self._next_turns(job)
        else:
            await self._send(job, [minion for minion in chosen if minion.record.public in job.waiting])
        self._ended(job)
        return job

    async def _next_turns(self, job: Job) -> None:
        """Send the job to those whose turn it is; where too many failed, to nobody any more."""
        turns = job.turns
        if turns is None:
            return
        if turns.stopped:
            count = f"{turns.failed} of {len(job.targets)} minions failed"
            self._never_sent(job, f"Not sent: {count}, so the batch was stopped.")
            return
        now = self._loop.time()
        taken = turns.take(now)
        if taken:
            for public in taken:
                job.targets[public].state = "sent"
            await self.store.do(lambda c: jobs.send_now(c, job.jid, taken))
            found = [self.presence.minions.get(public) for public in taken]
            await self._send(job, [minion for minion in found if minion is not None])
            for public, minion in zip(taken, found, strict=True):
                if minion is None:  # its key was deleted meanwhile
                    self._tell(job, public, "refused", False, 1, b'"Its key is not accepted any more."', 0.0)
        due = turns.next_at()
        if due is not None:
            self._loop.call_at(due, lambda: self._task(self._next_turns(job)))

    def _never_sent(self, job: Job, why: str) -> None:
        """End the job for those who had no turn yet."""
        for public in job.turns.rest() if job.turns else ():
            end = End(job.jid, public, "refused", False, 1, json.dumps(why).encode(), 0.0)
            if not self._ends:
                self._loop.call_soon(lambda: self._task(self._store_ends()))
            self._ends.append((end, self.presence.minions.get(public)))

    async def _expire(self) -> None:
        """End what waited too long for its minion, and look again when the next one does."""
        await self.store.do(lambda c: jobs.expire(c, time.time(), self._ttl_s))
        due = await self.store.do(jobs.next_expiry)
        if self._expiry:
            self._expiry.cancel()
            self._expiry = None
        if due is not None:
            delay = max(due - time.time(), 0.0) + 0.01
            self._expiry = self._loop.call_later(min(delay, 3600.0), lambda: self._task(self._expire()))

    async def _send(self, job: Job, to: Sequence[Minion]) -> None:
        if job.function.partition(".")[0] not in NEEDS_BUNDLE:
            data = _job_message(job, b"")
            for minion in to:
                self._send_one(job, minion, data)
            return
        results = await self._bundles([(minion, job.jid.encode()) for minion in to])
        for minion, result in zip(to, results, strict=True):
            if isinstance(result, bytes):
                self._send_one(job, minion, _job_message(job, result))
            else:
                value = json.dumps(str(result)).encode()
                self._end(End(job.jid, minion.record.public, "refused", False, 1, value, 0.0), minion)

    def _send_one(self, job: Job, minion: Minion, data: bytes) -> None:
        if not self.router.send(minion, data):
            value = json.dumps("The connection was lost before the job could be sent.").encode()
            self._end(End(job.jid, minion.record.public, "offline", False, 1, value, 0.0), minion)

    def unwatch(self, job: Job, watcher: Emit) -> None:
        """The command that waited is gone; the job goes on."""
        if watcher in job.watchers:
            job.watchers.remove(watcher)

    def time_out(self, job: Job) -> None:
        """Those who wait will wait no longer; what comes later is stored all the same. Nobody gets a turn any more."""
        self._never_sent(job, "Not sent: the command did not wait until its turn.")
        for public in list(job.waiting):
            self._tell(job, public, "timed out", False, 1, b'"The job goes on; it was not waited for any longer."', 0.0)
        self._ended(job)

    # --- from the minions (see router.Work) ----------------------------------------------------------------------

    def arrived(self, minion: Minion, held: list[str]) -> None:
        """Send what the minion was to get and never got; end what it had and no longer knows."""
        self.bus.fire(f"salt/minion/{minion.id}/start", {"id": minion.id, "cmd": "_minion_event"})
        self.bus.fire("salt/presence/change", {"new": [minion.id], "lost": []})
        self._task(self._resume(minion, held))

    async def _resume(self, minion: Minion, held: list[str]) -> None:
        public, now = minion.record.public, time.time()
        await self.store.do(lambda c: jobs.expire(c, now, self._ttl_s))
        for job, state in await self.store.do(lambda c: jobs.open_for(c, public, held)):
            known = self.active.get(job.jid, job)
            if state == "received":
                value = b'"The minion no longer knows this job: its state was lost while it ran."'
                self._end(End(job.jid, public, "lost", False, 1, value, 0.0), minion)
            else:
                known.targets.setdefault(public, Target(public, minion.id, state))
                await self._send(known, [minion])

    def joined(self, record: keys.Record) -> None:
        """Tell who asked to join."""
        self.bus.fire("salt/auth", {"id": record.id, "act": record.state, "finger": record.fingerprint})

    def left(self, minion: Minion) -> None:
        """Give the minion GRACE_S to come back, then tell those who wait for it."""
        public = minion.record.public
        self.bus.fire("salt/presence/change", {"new": [], "lost": [minion.id]})
        if any(public in job.waiting for job in self.active.values()):
            self._loop.call_later(GRACE_S, self._still_away, minion)

    def _still_away(self, minion: Minion) -> None:
        if minion.session:
            return
        public = minion.record.public
        for job in list(self.active.values()):
            if public in job.waiting and job.targets[public].state != "held":
                step = job.targets[public].step
                where = f" It was at step {step[0]} of {step[1]}, {step[2]}." if step else ""
                text = f"The connection was lost.{where} Its return is stored when it comes back."
                self._tell(job, public, "lost contact", False, 1, json.dumps(text).encode(), 0.0)
                self._ended(job)

    def received(self, minion: Minion, message: m.Received) -> None:
        """The job is on the minion."""
        job = self.active.get(message.jid)
        target = job.targets.get(minion.record.public) if job else None
        if target and target.state == "sent":
            target.state = "received"
        if not self._received:
            self._loop.call_later(0.05, self._store_received)
        self._received.append((message.jid, minion.record.public))

    def _store_received(self) -> None:
        pairs, self._received = self._received, []
        self._task(self._quietly(self.store.do(lambda c: jobs.received(c, pairs))))

    def progress(self, minion: Minion, message: m.Progress) -> None:
        """Tell those who watch where a run is."""
        job = self.active.get(message.jid)
        target = job.targets.get(minion.record.public) if job else None
        if job and target:
            target.step = (message.step, message.total, message.state_id)
            self.bus.fire(
                f"salt/job/{job.jid}/prog/{minion.id}/{message.step}",
                {"jid": job.jid, "id": minion.id, "step": message.step, "of": message.total, "state": message.state_id},
            )
            job.emit(
                _line(event="progress", minion=minion.id, step=message.step, total=message.total, id=message.state_id)
            )

    def returned(self, minion: Minion, message: m.Return) -> None:
        """Store the return, then confirm it and show it."""
        if message.outcome not in ("done", "failed", "refused", "killed", "lost") or not _is_json(message.value):
            logger.warning("%s: a malformed return of job %s was dropped", minion.id, message.jid)
            return
        self._end(
            End(
                message.jid,
                minion.record.public,
                message.outcome,
                message.success,
                message.retcode,
                message.value,
                message.duration_ms,
            ),
            minion,
        )

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
        end = End(
            job.jid, public, message.outcome, message.success, message.retcode, message.value, message.duration_ms
        )
        self._task(self._store_called(minion, job, end))

    async def _store_called(self, minion: Minion, job: Job, end: End) -> None:
        try:
            verdict = await self.store.do(lambda c: jobs.create_called(c, job, end))
        except StoreError as error:
            logger.error("%s", error)
            return
        if verdict == "stored":
            self._fire_return(job.jid, minion.id, job.function, end.outcome, end.success, end.retcode, end.value)
        if verdict == "unknown":
            logger.warning("%s told of a job of its own under the id of another, %s: dropped", minion.id, job.jid)
        self.router.send(minion, m.encode(m.Stored([job.jid])))

    def want_bundle(self, minion: Minion, message: m.WantBundle) -> None:
        """Answer with trees and pillar for this minion, and for no other."""
        self._task(self._give_bundle(minion, message))

    async def _give_bundle(self, minion: Minion, message: m.WantBundle) -> None:
        [result] = await self._bundles([(minion, f"request/{message.request}".encode())])
        bundle, error = (result, "") if isinstance(result, bytes) else (b"", str(result))
        reply = m.BundleReply(message.request, bundle, error)
        self.router.send(minion, m.encode(reply))

    def asked(self, minion: Minion, message: m.Ask) -> None:
        """Answer a question in its turn."""
        self.asks.take(minion, message)

    # --- ends ----------------------------------------------------------------------------------------------------

    def _end(self, end: End, minion: Minion) -> None:
        if not self._ends:
            self._loop.call_soon(lambda: self._task(self._store_ends()))
        self._ends.append((end, minion))

    async def _store_ends(self) -> None:
        batch, self._ends = self._ends, []
        now = time.time()
        try:
            verdicts = await self.store.do(lambda c: jobs.store(c, [end for end, _ in batch], now))
        except StoreError as error:
            logger.error("%d returns were not stored, and so not confirmed: %s", len(batch), error)
            return
        confirmed: dict[bytes, list[str]] = {}
        for (end, minion), verdict in zip(batch, verdicts, strict=True):
            if minion is not None:
                confirmed.setdefault(minion.record.public, []).append(end.jid)
            if verdict == "unknown" and minion is not None:
                logger.warning("%s returned job %s, which it was not given: dropped", minion.id, end.jid)
            elif verdict == "stored":
                self._shown(end)
        for public, jids in confirmed.items():
            found = self.presence.minions.get(public)
            if found:
                self.router.send(found, m.encode(m.Stored(jids)))

    def _shown(self, end: End) -> None:
        job = self.active.get(end.jid)
        if job:
            self._tell(job, end.public, end.outcome, end.success, end.retcode, end.value, end.duration_ms)
            self._ended(job)

    def _tell(
        self, job: Job, public: bytes, outcome: str, success: bool, retcode: int, value: bytes, duration_ms: float
    ) -> None:
        target = job.targets[public]
        target.state = outcome
        job.waiting.discard(public)
        if job.turns:
            job.turns.ended(public, outcome == "done" and success and not retcode, self._loop.time())
            self._task(self._next_turns(job))
        self._fire_return(job.jid, target.minion, job.function, outcome, success, retcode, value)
        head = _line(
            event="return",
            minion=target.minion,
            outcome=outcome,
            success=success,
            retcode=retcode,
            duration_ms=duration_ms,
        )
        job.emit(head[:-2] + b', "return": ' + value + b"}\n")

    def _fire_return(
        self, jid: str, minion: str, function: str, outcome: str, success: bool, retcode: int, value: bytes
    ) -> None:
        self.bus.fire(
            f"salt/job/{jid}/ret/{minion}",
            lambda: {
                "jid": jid,
                "id": minion,
                "fun": function,
                "outcome": outcome,
                "success": success,
                "retcode": retcode,
                "return": json.loads(value),
            },
        )

    def _ended(self, job: Job) -> None:
        if not job.waiting and job.jid in self.active:
            del self.active[job.jid]
            job.emit(_line(event="end", ok=all(t.state in ("done", "queued") for t in job.targets.values())))
            job.watchers.clear()

    def _task(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error:
            logger.error("a task failed: %s", error, exc_info=None if isinstance(error, SalternError) else error)

    async def _quietly(self, future: Any) -> None:
        try:
            await future
        except StoreError as error:
            logger.error("%s", error)


async def _no_targets(expression: str, form: str) -> list[Minion]:
    raise UsageError(f"{expression!r} can't be resolved yet: the master is starting")


def _job_message(job: Job, bundle: bytes) -> bytes:
    return m.encode(m.Job(job.jid, job.function, job.args, job.kwargs, job.user, bundle))


def _line(**fields: Any) -> bytes:
    return json.dumps(fields).encode() + b"\n"


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
