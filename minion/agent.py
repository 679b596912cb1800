"""The agent: takes jobs from the master, has them run, and keeps their returns until the master has stored them.

It holds the connection, the journal and the workers, and imports nothing of states and modules.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from minion import deadline, inline
from minion.aftermath import Aftermath
from minion.beacons.keeper import Beacons
from minion.connection import Connection, Phase
from minion.identity import Identity
from minion.inline import Running
from minion.journal import Journal, JournalError
from minion.master_clock import MasterClock, apart
from minion.pipe import AskMaster, BundleIs, Done, MasterSays, Mine, Run, Step, bounded
from minion.questions import Questions
from minion.schedule.clock import Clock
from minion.schedule.keeper import Keeper
from minion.staleness import Absence
from minion.startup import startup_job
from minion.workers import Workers
from saltern import __version__
from saltern.config import Config
from saltern.errors import UsageError
from saltern.jid import jid_of
from saltern.schedule.zone import local_zone
from saltern.wire import messages as m
from saltern.wire.private import write_file

logger = logging.getLogger(__name__)

_RESEND_S = 20.0  # a return that was not confirmed by then is sent again
# What tells of a network change and ends it: runs on a full disk too, where no job can be noted. Twice does no harm.
_UNNOTED = frozenset({"network.last", "network.pending", "network.confirm", "network.rollback"})


class Agent:
    """One minion. GRAINS is what the hello tells of the node, CLOCK what the schedule goes by (None: the node's)."""

    def __init__(
        self, config: Config, identity: Identity, context: Any, grains: Mapping[str, Any], clock: Clock | None = None
    ) -> None:
        self._config = config
        self.grains_now = dict(grains)
        self.boot = os.urandom(8).hex()
        self.files_port = 0
        self.running: dict[str, Running] = {}
        self._journal = Journal(config.paths.var / "minion" / "jobs.journal")
        self._sent_at: dict[str, float] = {}
        self._questions = Questions(lambda message: self.connection.send(message), config.master_grace_s)
        self._requests: dict[int, Callable[[BundleIs], None]] = {}
        self._request = 0
        self._master_now, self._absence = MasterClock(), Absence(config.stale_after_hours)
        self._loop = asyncio.get_running_loop()
        self.workers = Workers(config.root, identity.id, config.worker_idle_s, self)
        self.grains_file: Path | None = None  # where the grains are kept for the next start
        self.known = asyncio.Event()  # set when the node's grains were looked at
        self.connection = Connection(
            context,
            identity,
            hello=self._hello,
            on_ready=self._ready,
            on_message=self._message,
            on_broken=self._broken,
            retry_min_s=config.reconnect_min_s,
            retry_max_s=config.reconnect_max_s,
        )
        self._aftermath = Aftermath(config, self.connection.renew)
        self._inline = inline.functions(self.running, self.workers.end_job)
        self._inline["saltutil.refresh_grains"] = self.refresh_grains
        self._own: dict[str, tuple[str, bytes]] = {}  # jobs that this minion began by itself: function, arguments
        self._look_ups: dict[str, Callable[[Any], None]] = {}
        configured = config.schedule
        kept = config.paths.var / "minion" / "schedule.json"
        self._schedule = Keeper(
            self, identity.id, configured, kept, local_zone(), config.mine_functions, config.mine_interval, clock
        )
        kept, node = config.paths.var / "minion" / "beacons.json", (config.root, identity.id)
        self._beacons = Beacons(config.beacons, kept, self.ask_master, node)
        self._startup = startup_job(config)
        self._inline |= self._schedule.functions | self._beacons.functions
        self._bury_the_lost()
        self._resend = self._loop.call_later(_RESEND_S, self._resend_owed)

    def start(self) -> None:
        """Connect, and mind the schedule."""
        self.connection.open()
        self._aftermath.look()
        self._schedule.start()
        self._beacons.start()

    def close(self) -> None:
        """Disconnect and end the workers."""
        self._schedule.close()
        self._beacons.close()
        self._resend.cancel()
        self._aftermath.close()
        self.connection.close()
        self.workers.close()
        self._journal.close()

    # --- from the master -----------------------------------------------------------------------------------------

    def _hello(self) -> m.Hello:
        held = [*self.running, *self._journal.owed]
        return m.Hello(m.PROTOCOL, __version__, self.boot, held, self.grains_now, time.time())

    def _ready(self, welcome: m.Welcome) -> None:
        self.files_port = welcome.files_port
        self._master_now.says(welcome.now)
        if ahead_s := self._master_now.ahead_s():
            logger.warning("the clock of this node is %s its master's: set it right", apart(ahead_s))
        self._absence.look(here=True)
        self._sent_at.clear()
        self._resend_owed()
        self._questions.send_again()
        self._schedule.connected()
        if self._startup:  # the trees are the master's, so it waits for the first connection
            (function, args), self._startup = self._startup, None
            self.begin(function, args, {"queue": True}, report=True)

    def _broken(self, why: str) -> None:
        self._questions.broken(why)
        requests, self._requests = self._requests, {}
        for reply in requests.values():
            reply(BundleIs(b"", f"the master is not connected: {why}"))

    def _message(self, message: m.FromMaster) -> None:
        if isinstance(message, m.Job):
            self._job(message)
        elif isinstance(message, m.Stored):
            for jid in message.jids:
                self._sent_at.pop(jid, None)
                self._settle(jid)
        elif isinstance(message, m.Answer):
            self._questions.answered(message)
        elif isinstance(message, m.BundleReply):
            waiting = self._requests.pop(message.request, None)
            if waiting:
                context = f"request/{message.request}".encode()
                waiting(BundleIs(message.bundle, message.error, context, self.files_port))

    def _settle(self, jid: str) -> None:
        try:
            self._journal.note_settled(jid)
        except JournalError as error:
            logger.error("%s", error)

    def _job(self, job: m.Job) -> None:
        own = self._inline.get(job.function)
        try:
            fresh = self._journal.note_received(job.jid, sync=own is None)
        except JournalError as error:
            if job.function not in _UNNOTED:
                refused = m.Return(job.jid, "refused", False, 1, _json(f"Not started: {error}"), 0.0)
                self.connection.send(refused)
                return
            fresh = job.jid not in self.running
        if not fresh:
            if job.jid in self._journal.owed:
                self.connection.send_encoded(self._journal.owed[job.jid])
            elif job.jid in self.running:
                self.connection.send(m.Received(job.jid))
            return
        try:
            deadline_s, kwargs = deadline.taken(job.kwargs, self._config.job_deadline)
        except UsageError as error:
            self._return(job.jid, Done("refused", False, error.exit_code, _json(str(error)), 0.0), sync=True)
            return
        if own:
            self._return(job.jid, inline.answered(own, job, kwargs), sync=False)
            return
        self.running[job.jid] = Running(job.jid, job.function)
        self.connection.send(m.Received(job.jid))
        self.workers.submit(Run(job.jid, job.function, job.args, kwargs, job.bundle, self.files_port, deadline_s))

    # --- returns -------------------------------------------------------------------------------------------------

    def _return(self, jid: str, done: Done, *, sync: bool) -> None:
        done = bounded(done)
        message = m.encode(
            m.Return(jid, done.outcome, done.success, done.retcode, done.value, done.duration_ms, done.used)
        )
        self._owe(jid, message, sync=sync)

    def _owe(self, jid: str, message: bytes, *, sync: bool) -> None:
        try:
            self._journal.note_owed(jid, message, sync=sync)
        except JournalError as error:  # a full disk: kept in memory, which is all that is left
            logger.error("%s; the return of job %s is kept in memory until it is delivered", error, jid)
            self._journal.owed[jid] = message
        if self.connection.send_encoded(message):
            self._sent_at[jid] = self._loop.time()

    def _resend_owed(self) -> None:
        self._resend.cancel()
        self._absence.look(here=self.connection.phase is Phase.READY)
        now = self._loop.time()
        for jid, message in list(self._journal.owed.items()):
            late = now - self._sent_at.get(jid, -_RESEND_S) >= _RESEND_S
            if late and jid not in self._own and self.connection.send_encoded(message):
                self._sent_at[jid] = now
        self._resend = self._loop.call_later(_RESEND_S, self._resend_owed)

    def _bury_the_lost(self) -> None:
        for jid in self._journal.begun:
            self.running[jid] = Running(jid, "")
            self._aftermath.of_job(jid, functools.partial(self._bury, jid))

    def _bury(self, jid: str, network: str) -> None:
        """Tell that JID was lost; NETWORK says what became of its network transaction, if it had one."""
        text = f"The minion was ended while it ran this job; it is not run again. {network}".rstrip()
        self.running.pop(jid, None)
        self._owe(jid, m.encode(m.Return(jid, "lost", False, 1, _json(text), 0.0)), sync=True)

    # --- from the workers (see workers.Listener) -----------------------------------------------------------------

    def started(self, jid: str, pid: int) -> None:
        """The job runs, in process PID."""
        if jid in self.running:
            self.running[jid].pid = pid

    def step(self, jid: str, step: Step) -> None:
        """The run went on."""
        if jid in self.running:
            self.running[jid].step = step
            self.connection.send(m.Progress(jid, step.step, step.total, step.state_id[:200]))

    def done(self, jid: str, done: Done) -> None:
        """The job ended."""
        if then := self._look_ups.pop(jid, None):
            then(json.loads(done.value) if done.success else None)
            return
        if done.died and jid in self.running:
            self._aftermath.of_job(jid, lambda network: self._ended(jid, _with_network(done, network)))
        else:
            self._ended(jid, done)

    def _ended(self, jid: str, done: Done) -> None:
        job = self.running.pop(jid, None)
        if not job:
            return
        if own := self._own.pop(jid, None):
            if jid in self._journal.owed:  # it is to be reported
                self._owe(jid, _called(jid, *own, bounded(done)), sync=True)
        else:
            self._return(jid, done, sync=True)
        self._changed(job.function)

    # --- from the schedule (see schedule.keeper.Host) --------------------------------------------------------------

    def begin(self, function: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, report: bool) -> str:
        """Begin a job of this minion's own and return its jid. REPORT: the master gets to know how it ended, also
        where the minion is ended in the middle."""
        jid = self._new_jid()
        encoded = _json([*args, dict(kwargs)] if kwargs else list(args))
        if report:
            lost = Done("lost", False, 1, _json("The minion was ended while it ran this job."), 0.0)
            self._journal.note_owed(jid, _called(jid, function, encoded, lost), sync=True)
        self._own[jid] = (function, encoded)
        self.running[jid] = Running(jid, function)
        try:
            deadline_s, named = deadline.taken(_json(dict(kwargs)), self._config.job_deadline)
        except UsageError as error:
            self._ended(jid, Done("refused", False, error.exit_code, _json(str(error)), 0.0))
            return jid
        self.workers.submit(Run(jid, function, _json(list(args)), named, b"", self.files_port, deadline_s))
        return jid

    def look_up(self, function: str, args: Sequence[Any], then: Callable[[Any], None]) -> None:
        """Call a reading function in a worker, and THEN with what it returned (None where it failed)."""
        jid = self._new_jid()
        self._look_ups[jid] = then
        self.workers.submit(Run(jid, function, _json(list(args)), b"{}", b"", self.files_port))

    def runs(self, jid: str) -> bool:
        """Whether the job runs or waits to."""
        return jid in self.running

    def is_connected(self) -> bool:
        """Whether the master is there."""
        return self.connection.phase is Phase.READY

    def pillar_says(self, pillar: Mapping[str, Any]) -> None:
        """What the pillar has for the agent."""
        self._beacons.pillar_is(pillar.get("beacons"))

    def _new_jid(self) -> str:
        """A job id as the master makes them, that this minion has not used."""
        while True:
            jid = jid_of(self._master_now())
            if jid not in self.running and jid not in self._look_ups:
                return jid
            time.sleep(1e-6)

    def network_changed(self) -> None:
        """A job settled a network transaction: the connection is made anew, and what is pending is looked after."""
        self.connection.renew()
        self._aftermath.look()

    def _changed(self, function: str) -> None:
        """Have the grains looked at anew after a FUNCTION that may have made the node another."""
        if function.startswith(("state.", "grains.", "pkg.", "network.", "saltutil.sync_")):
            self.refresh_grains()
        if function == "saltutil.refresh_pillar":
            self._schedule.reload()
        self._schedule.ahead.look()

    def refresh_grains(self) -> bool:
        """Have the grains looked at anew, in a worker."""
        self.workers.submit(Run("grains", "", b"[]", b"{}", b"", 0))
        return True

    def need_bundle(self, pillarenv: str, reply: Callable[[BundleIs], None]) -> None:
        """Ask the master for trees and pillar (of PILLARENV); say so at once where it is away."""
        self._request += 1
        request = self._request
        if self.connection.send(m.WantBundle(request, None, pillarenv)):
            self._requests[request] = reply
            self._loop.call_later(60, self._no_bundle, request)
        else:
            reply(BundleIs(b"", f"the master is not connected: {self.connection.problem or 'connecting'}"))

    def ask_master(self, question: AskMaster, reply: Callable[[MasterSays], None]) -> None:
        """Ask the master something; say so at once where it is away."""
        self._questions.put(question, reply, self.connection.problem or "connecting")

    def _no_bundle(self, request: int) -> None:
        waiting = self._requests.pop(request, None)
        if waiting:
            waiting(BundleIs(b"", "the master did not answer within 60 s"))

    def grains(self, grains: bytes) -> None:
        """The node's grains are known, or known anew."""
        read = json.loads(grains)
        if read != self.grains_now:
            self.grains_now = read
            self.connection.send(m.Grains(read))
            if self.grains_file:
                write_file(self.grains_file, grains)
        self.known.set()

    # --- from saltern-call ---------------------------------------------------------------------------------------

    def mine(self, mine: Mine) -> str:
        """Something was run here by hand: the master gets to know. '' or why it does not."""
        jid = self._new_jid() if self._master_now.ahead_s() else mine.jid  # which was made by the node's clock
        data = _called(jid, mine.function, mine.args, bounded(mine.done))
        if len(data) > m.MAX_CONTROL_BYTES:
            return f"the master is not told of this run: its arguments of {len(mine.args)} bytes are too large"
        self._owe(jid, data, sync=True)
        self._changed(mine.function)
        return ""


def _called(jid: str, function: str, args: bytes, done: Done) -> bytes:
    """The message that tells the master of a job that it did not send."""
    return m.encode(
        m.Called(jid, function, args, done.outcome, done.success, done.retcode, done.value, done.duration_ms, done.used)
    )


def _with_network(done: Done, network: str) -> Done:
    """DONE, whose process died, with what became of its network transaction."""
    if not network:
        return done
    return Done(done.outcome, False, done.retcode, _json(f"{json.loads(done.value)} {network}"), done.duration_ms, True)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()
