"""Jobs on their way to the minions, at once, in turns, or when one is back.

A job is stored before it is sent. A target that is away is said to be so at once, or the job is kept for it. What comes
back is `master.ends`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from master import jobs
from master.asks import Asks, Pillar
from master.ends import Ends, line
from master.events import Bus
from master.jobs import Emit, Job, Target
from master.orchestration.parts import Parts
from master.presence import GRACE_S, Minion, Presence
from master.returners.configured import Returners
from master.router import Router
from master.store import Store
from master.turns import Pace, Turns
from saltern.errors import SalternError, UsageError
from saltern.wire import messages as m

logger = logging.getLogger(__name__)

NEEDS_BUNDLE = frozenset({"state", "pillar", "cp", "slsutil"})  # namespaces whose jobs carry trees and pillar

Bundles = Callable[[Sequence[tuple[Minion, bytes, str]]], Awaitable[Sequence[bytes | SalternError]]]
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
        self._bundles, self.pillars, self.pillar = bundles, pillars, pillar
        self.pillar_key = Path()  # the file of the key of sealed values; set by the daemon
        self.pillar_roots: Mapping[str, list[str]] = {}  # set by the daemon
        self.select: Select = _no_targets  # set by the requests, which know the nodegroups
        self.active: dict[str, Job] = {}
        self.ends = Ends(presence, store, router, self.bus, self.active)
        self.ends.next = self._next_turns
        self.returners = Returners([])  # the configured ones come from the daemon
        self.new_jid = jobs.JidMaker(last_jid)
        self.orchestration: Parts | None = None  # set when the master serves
        self.schedule: Callable[[], Mapping[str, Any]] = dict  # what the master's own schedule holds
        self.orchestrations: dict[str, asyncio.Task[Any]] = {}  # those that run, by job id
        self._loop = asyncio.get_running_loop()
        self._ttl_s = ttl_s
        self._expiry: asyncio.TimerHandle | None = None
        self.ends.tasks.start(self.expire())

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
            self.new_jid(now),
            function,
            json.dumps(args).encode(),
            json.dumps(kwargs).encode(),
            target,
            form,
            user,
            now,
        )
        job.kept = bool(queue_s)
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
            job.jid = self.new_jid(now)  # a minion's own call has that id already
        self.active[job.jid] = job
        if job.kept:
            await self.store.do(lambda c: jobs.keep_until(c, job.jid, now + queue_s))
            self.ends.tasks.start(self.expire())
        job.emit(
            line(
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
                self.ends.offline(job, minion)
        if job.turns:
            await self._next_turns(job)
        else:
            await self.send(job, [minion for minion in chosen if minion.record.public in job.waiting])
        self.ends.ended(job)
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
            await self.send(job, [minion for minion in found if minion is not None])
            for public, minion in zip(taken, found, strict=True):
                if minion is None:  # its key was deleted meanwhile
                    self.ends.refuse(job, public, "Its key is not accepted any more.")
        due = turns.next_at()
        if due is not None:
            self._loop.call_at(due, lambda: self.ends.tasks.start(self._next_turns(job)))

    def _never_sent(self, job: Job, why: str) -> None:
        """End the job for those who had no turn yet."""
        for public in job.turns.rest() if job.turns else ():
            self.ends.refuse(job, public, why)

    async def expire(self) -> None:
        """End what waited too long for its minion, and look again when the next one does."""
        await self.store.do(lambda c: jobs.expire(c, time.time(), self._ttl_s))
        due = await self.store.do(jobs.next_expiry)
        if self._expiry:
            self._expiry.cancel()
            self._expiry = None
        if due is not None:
            delay = max(due - time.time(), 0.0) + 0.01
            self._expiry = self._loop.call_later(min(delay, 3600.0), lambda: self.ends.tasks.start(self.expire()))

    async def send(self, job: Job, to: Sequence[Minion], *, again: bool = False) -> None:
        """Send the job to those minions, with trees and pillar where it needs them. AGAIN: it was sent to them before,
        or kept for them, and stays so where they are gone once more."""
        if job.function.partition(".")[0] not in NEEDS_BUNDLE:
            data = _job_message(job, b"")
            for minion in to:
                self._send_one(job, minion, data, again)
            return
        results = await self._bundles([(minion, job.jid.encode(), "") for minion in to])
        for minion, result in zip(to, results, strict=True):
            if isinstance(result, bytes):
                self._send_one(job, minion, _job_message(job, result), again)
            else:
                self.ends.refuse(job, minion.record.public, str(result))

    def _send_one(self, job: Job, minion: Minion, data: bytes, again: bool) -> None:
        target = job.targets[minion.record.public]
        if self.router.send(minion, data):
            target.unsent = False
        elif job.kept:
            if not again:
                self.ends.tasks.start(self._queue_again(job, target.public))
        elif target.unsent or not again:
            target.unsent = True
            self._await_return(job, minion)

    def _await_return(self, job: Job, minion: Minion) -> None:
        """Give MINION what is left of GRACE_S to come back for the job; then it counts as away."""
        away_s = max(time.time() - minion.seen, 0.0) if minion.seen is not None else GRACE_S
        if away_s < GRACE_S:
            self._loop.call_later(GRACE_S - away_s, self._end_unsent, job, minion)
        else:
            self._end_unsent(job, minion)

    def _end_unsent(self, job: Job, minion: Minion) -> None:
        if job.targets[minion.record.public].unsent and minion.session is None:
            lost = "The connection was lost before the job could be sent."
            self.ends.refuse(job, minion.record.public, lost, outcome="offline")

    async def _queue_again(self, job: Job, public: bytes) -> None:
        await self.store.do(lambda c: jobs.queue_again(c, job.jid, public))
        job.targets[public].state = "queued"
        job.waiting.discard(public)
        if job.turns:
            job.turns.ended(public, True, self._loop.time())
            await self._next_turns(job)
        self.ends.ended(job)

    def unwatch(self, job: Job, watcher: Emit) -> None:
        """The command that waited is gone; the job goes on."""
        if watcher in job.watchers:
            job.watchers.remove(watcher)

    def time_out(self, job: Job) -> None:
        """Those who wait will wait no longer; what comes later is stored all the same. Nobody gets a turn any more."""
        self._never_sent(job, "Not sent: the command did not wait until its turn.")
        for public in list(job.waiting):
            self.ends.tell(
                job, public, "timed out", False, 1, b'"The job goes on; it was not waited for any longer."', 0.0
            )
        self.ends.ended(job)


async def _no_targets(expression: str, form: str) -> list[Minion]:
    raise UsageError(f"{expression!r} can't be resolved yet: the master is starting")


def _job_message(job: Job, bundle: bytes) -> bytes:
    return m.encode(m.Job(job.jid, job.function, job.args, job.kwargs, job.user, bundle))
