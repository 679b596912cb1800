"""What minions do, as it reaches the life of jobs: they come and go, tell where they are, return and ask."""

from __future__ import annotations

import asyncio
import json

from master import jobs, keys
from master.dispatch import Bundles, Dispatch
from master.ends import line
from master.jobs import End, Target
from master.presence import GRACE_S, Minion
from saltern.wire import messages as m

PRESENT_EVERY_S = 60.0  # how often those who follow the bus are told who is here


class FromMinions:
    """Carries out what the router hears (see `router.Work`), for the jobs of DISPATCH."""

    def __init__(self, dispatch: Dispatch, bundles: Bundles, present_every_s: float = PRESENT_EVERY_S) -> None:
        self._dispatch, self._bundles = dispatch, bundles
        self._bus, self._store, self._ends, self._active = dispatch.bus, dispatch.store, dispatch.ends, dispatch.active
        self._loop = asyncio.get_running_loop()
        self._received: list[tuple[str, bytes]] = []
        self._present_every_s = present_every_s
        self._loop.call_later(present_every_s, self._tell_present)

    def _tell_present(self) -> None:
        """Tell who is here, as Salt does, for who does not trust to have seen each change."""
        self._loop.call_later(self._present_every_s, self._tell_present)
        self._bus.fire("salt/presence/present", lambda: {"present": self._dispatch.presence.here()})

    def arrived(self, minion: Minion, held: list[str]) -> None:
        """Send what the minion was to get and never got; end what it had and no longer knows."""
        self._bus.fire(f"salt/minion/{minion.id}/start", {"id": minion.id, "cmd": "_minion_event"})
        self._bus.fire("salt/presence/change", {"new": [minion.id], "lost": []})
        self._ends.tasks.start(self._resume(minion, held))

    async def _resume(self, minion: Minion, held: list[str]) -> None:
        public = minion.record.public
        await self._dispatch.expire()
        for job, state in await self._store.do(lambda c: jobs.open_for(c, public, held)):
            known = self._active.get(job.jid, job)
            if state == "received":
                value = b'"The minion no longer knows this job: its state was lost while it ran."'
                self._ends.add(End(job.jid, public, "lost", False, 1, value, 0.0, of_minion=False), minion)
            else:
                known.targets.setdefault(public, Target(public, minion.id, state))
                await self._dispatch.send(known, [minion], again=True)

    def joined(self, record: keys.Record) -> None:
        """Tell who asked to join."""
        self._bus.fire("salt/auth", {"id": record.id, "act": record.state, "finger": record.fingerprint})

    def left(self, minion: Minion) -> None:
        """Give the minion GRACE_S to come back, then tell those who wait for it."""
        public = minion.record.public
        self._bus.fire("salt/presence/change", {"new": [], "lost": [minion.id]})
        if any(public in job.waiting for job in self._active.values()):
            self._loop.call_later(GRACE_S, self._still_away, minion)

    def _still_away(self, minion: Minion) -> None:
        if minion.session:
            return
        public = minion.record.public
        for job in list(self._active.values()):
            target = job.targets.get(public)
            if target and public in job.waiting and target.state != "held" and not target.unsent:
                step = target.step
                where = f" It was at step {step[0]} of {step[1]}, {step[2]}." if step else ""
                text = f"The connection was lost.{where} Its return is stored when it comes back."
                self._ends.tell(job, public, "lost contact", False, 1, json.dumps(text).encode(), 0.0)
                self._ends.ended(job)

    def received(self, minion: Minion, message: m.Received) -> None:
        """The job is on the minion."""
        job = self._active.get(message.jid)
        target = job.targets.get(minion.record.public) if job else None
        if target and target.state == "sent":
            target.state = "received"
        if not self._received:
            self._loop.call_later(0.05, self._store_received)
        self._received.append((message.jid, minion.record.public))

    def _store_received(self) -> None:
        pairs, self._received = self._received, []
        self._ends.tasks.start(self._store.do(lambda c: jobs.received(c, pairs)))

    def progress(self, minion: Minion, message: m.Progress) -> None:
        """Tell those who watch where a run is."""
        job = self._active.get(message.jid)
        target = job.targets.get(minion.record.public) if job else None
        if job and target:
            target.step = (message.step, message.total, message.state_id)
            self._bus.fire(
                f"salt/job/{job.jid}/prog/{minion.id}/{message.step}",
                {"jid": job.jid, "id": minion.id, "step": message.step, "of": message.total, "state": message.state_id},
            )
            job.emit(
                line(event="progress", minion=minion.id, step=message.step, total=message.total, id=message.state_id)
            )

    def returned(self, minion: Minion, message: m.Return) -> None:
        """Store the return, then confirm it and show it."""
        self._ends.returned(minion, message)

    def called(self, minion: Minion, message: m.Called) -> None:
        """Store what the minion ran by itself."""
        self._ends.called(minion, message)

    def want_bundle(self, minion: Minion, message: m.WantBundle) -> None:
        """Answer with trees and pillar for this minion, and for no other."""
        self._ends.tasks.start(self._give_bundle(minion, message))

    async def _give_bundle(self, minion: Minion, message: m.WantBundle) -> None:
        wanted = (minion, f"request/{message.request}".encode(), message.pillarenv)
        [result] = await self._bundles([wanted])
        bundle, error = (result, "") if isinstance(result, bytes) else (b"", str(result))
        self._dispatch.router.send(minion, m.encode(m.BundleReply(message.request, bundle, error)))

    def asked(self, minion: Minion, message: m.Ask) -> None:
        """Answer a question in its turn."""
        self._dispatch.asks.take(minion, message)
