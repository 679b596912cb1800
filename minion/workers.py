"""The processes that functions run in: started on demand, kept for a burst, then ended.

A crash, a hang or a leak in a function ends there and never reaches the agent. A worker runs one job at a time and is
the leader of a process group of its own. Ending a job ends the commands too that it started, but not the network guard,
which takes an unfinished change of the network back. A job may have a deadline: then it is ended.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from minion.descendants import Group, groups_below
from minion.pipe import AskMaster, BundleIs, Done, Evented, GrainsAre, MasterSays, NeedBundle, NetworkChanged, Run, Step

logger = logging.getLogger(__name__)

MOST = 8  # jobs that run at the same time; more wait their turn
GRACE_S = 10.0  # from SIGTERM to SIGKILL


class Listener(Protocol):
    """Who hears of the jobs."""

    def started(self, jid: str, pid: int) -> None:
        """The job runs, in process PID."""

    def step(self, jid: str, step: Step) -> None:
        """The run went on."""

    def done(self, jid: str, done: Done) -> None:
        """The job ended."""

    def need_bundle(self, pillarenv: str, reply: Callable[[BundleIs], None]) -> None:
        """The job asks for trees and pillar."""

    def ask_master(self, question: AskMaster, reply: Callable[[MasterSays], None]) -> None:
        """The job asks something of the master."""

    def grains(self, grains: bytes) -> None:
        """The node's grains, as JSON."""

    def network_changed(self) -> None:
        """A job settled a network transaction."""


@dataclass(slots=True)
class Worker:
    """A process and the job that it runs now (None: it waits for the next)."""

    process: subprocess.Popen[bytes]
    pipe: Evented
    jid: str | None = None
    killed: bool = False
    deadline: asyncio.TimerHandle | None = None
    overdue_s: float = 0.0  # the deadline that was not kept
    at: Step | None = None
    idle: asyncio.TimerHandle | None = None
    began: float = field(default_factory=time.monotonic)


class Workers:
    """The pool. ROOT is the minion's `--root`; IDLE_S how long a worker without a job is kept."""

    def __init__(self, root: Path, minion_id: str, idle_s: float, listener: Listener) -> None:
        self._root, self._id, self._idle_s, self._listener = root, minion_id, idle_s, listener
        self._loop = asyncio.get_running_loop()
        self._workers: list[Worker] = []
        self._queue: deque[Run] = deque()

    def submit(self, run: Run) -> None:
        """Run a job as soon as there is room."""
        self._queue.append(run)
        self._next()

    def end_job(self, jid: str, number: signal.Signals) -> int | None:
        """Send a signal to the process group of a job: its pid, or None where it does not run."""
        for worker in self._workers:
            if worker.jid == jid:
                self._signal(worker, number)
                return worker.process.pid
        for run in self._queue:
            if run.jid == jid:
                self._queue.remove(run)
                self._listener.done(jid, Done("killed", False, 1, b'"It was taken out of the queue."', 0.0))
                return 0
        return None

    def _signal(self, worker: Worker, number: signal.Signals) -> None:
        """Send NUMBER to the worker; where that ends it, to what its job started too, and SIGKILL to what is left."""
        worker.killed = number in (signal.SIGKILL, signal.SIGTERM)
        below = groups_below(worker.process.pid) if worker.killed else []
        os.killpg(worker.process.pid, number)  # first, or it would take the end of its command for a failure and go on
        for group in below:
            group.signal(number)
        if number == signal.SIGTERM:
            self._loop.call_later(GRACE_S, self._kill, worker, below)

    def _kill(self, worker: Worker, below: Sequence[Group]) -> None:
        if worker in self._workers and worker.process.poll() is None:
            os.killpg(worker.process.pid, signal.SIGKILL)
        for group in below:
            group.signal(signal.SIGKILL)

    def _overdue(self, worker: Worker, jid: str, deadline_s: float) -> None:
        if worker.jid == jid and worker.process.poll() is None:
            worker.overdue_s = deadline_s
            self._signal(worker, signal.SIGTERM)

    def close(self) -> None:
        """End all workers; jobs that run are ended with them."""
        for worker in self._workers:
            if worker.deadline:
                worker.deadline.cancel()
            worker.pipe.close()
            _end(worker.process)
        self._workers.clear()

    def _next(self) -> None:
        if not self._queue:
            return
        worker = next((w for w in self._workers if w.jid is None and not w.killed), None)
        if worker is None:
            if len(self._workers) >= MOST:
                return
            try:
                worker = self._start()
            except OSError as error:
                run = self._queue.popleft()
                text = f'"No worker process could be started: {error.strerror}"'.encode()
                self._listener.done(run.jid, Done("refused", False, 1, text, 0.0))
                return
        if worker.idle:
            worker.idle.cancel()
            worker.idle = None
        run = self._queue.popleft()
        worker.jid, worker.at, worker.began = run.jid, None, time.monotonic()
        if run.deadline_s:
            worker.deadline = self._loop.call_later(run.deadline_s, self._overdue, worker, run.jid, run.deadline_s)
        worker.pipe.send(run)
        self._listener.started(run.jid, worker.process.pid)
        self._next()

    def _start(self) -> Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "minion.worker", str(theirs.fileno()), str(self._root), self._id],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        worker = Worker(process, None)  # type: ignore[arg-type]
        worker.pipe = Evented(ours, lambda message: self._heard(worker, message), lambda: self._gone(worker))
        self._workers.append(worker)
        return worker

    def _heard(self, worker: Worker, message: object) -> None:
        jid = worker.jid
        if isinstance(message, GrainsAre):
            self._listener.grains(message.grains)
        if isinstance(message, NetworkChanged):
            self._listener.network_changed()
        if jid is None:
            return
        if isinstance(message, Step):
            worker.at = message
            self._listener.step(jid, message)
        elif isinstance(message, NeedBundle):
            self._listener.need_bundle(message.pillarenv, worker.pipe.send)
        elif isinstance(message, AskMaster):
            self._listener.ask_master(message, worker.pipe.send)
        elif isinstance(message, Done):
            worker.jid = None
            if worker.deadline:
                worker.deadline.cancel()
            worker.idle = self._loop.call_later(self._idle_s, self._dismiss, worker)
            self._listener.done(jid, message)
            self._next()

    def _gone(self, worker: Worker) -> None:
        """The process ended. In the middle of a job, that is the job's end, with the reason."""
        self._workers.remove(worker)
        if worker.deadline:
            worker.deadline.cancel()
        status = _end(worker.process)
        if worker.jid is not None:
            value = json.dumps(_ended(worker, status)).encode()
            duration_ms = (time.monotonic() - worker.began) * 1000
            done = Done("killed" if worker.killed else "failed", False, 1, value, duration_ms, True)
            self._listener.done(worker.jid, done)
        self._next()

    def _dismiss(self, worker: Worker) -> None:
        worker.pipe.close()
        self._workers.remove(worker)
        _end(worker.process)


def _end(process: subprocess.Popen[bytes]) -> int:
    """Make sure that the process and what it started are gone, and take its exit status."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    except PermissionError:
        process.kill()
    return process.wait()


def _ended(worker: Worker, status: int) -> str:
    """The sentence about a job whose process ended, with the STATUS, in the middle of it."""
    how = _how(status)
    if worker.overdue_s:
        told = f"The job was ended at its deadline of {worker.overdue_s:g} s ({how})"
    elif worker.killed:
        told = f"The job was killed ({how})"
    else:
        told = f"The process that ran the job ended by itself ({how})"
    return f"{told}, at step {worker.at.step} of {worker.at.total}: {worker.at.state_id}." if worker.at else f"{told}."


def _how(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
