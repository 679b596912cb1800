"""The processes that functions run in: started on demand, kept for a burst, then ended.

A crash, a hang or a leak in a function ends there and never reaches the agent. A worker runs one job at a time and is
the leader of a process group of its own, so that ending a job ends what it started too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from minion.pipe import AskMaster, BundleIs, Done, Evented, GrainsAre, MasterSays, NeedBundle, NetworkChanged, Run, Step

logger = logging.getLogger(__name__)

MOST = 8  # jobs that run at the same time; more wait their turn


class Listener(Protocol):
    """Who hears of the jobs."""

    def started(self, jid: str, pid: int) -> None:
        """The job runs, in process PID."""

    def step(self, jid: str, step: Step) -> None:
        """The run went on."""

    def done(self, jid: str, done: Done) -> None:
        """The job ended."""

    def need_bundle(self, jid: str, reply: Callable[[BundleIs], None]) -> None:
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
                worker.killed = number in (signal.SIGKILL, signal.SIGTERM)
                os.killpg(worker.process.pid, number)
                return worker.process.pid
        for run in self._queue:
            if run.jid == jid:
                self._queue.remove(run)
                self._listener.done(jid, Done("killed", False, 1, b'"It was taken out of the queue."', 0.0))
                return 0
        return None

    def close(self) -> None:
        """End all workers; jobs that run are ended with them."""
        for worker in self._workers:
            worker.pipe.close()
            _end(worker.process)
        self._workers.clear()

    def _next(self) -> None:
        if not self._queue:
            return
        worker = next((w for w in self._workers if w.jid is None), None)
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
        worker.jid = run.jid
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
            self._listener.step(jid, message)
        elif isinstance(message, NeedBundle):
            self._listener.need_bundle(jid, worker.pipe.send)
        elif isinstance(message, AskMaster):
            self._listener.ask_master(message, worker.pipe.send)
        elif isinstance(message, Done):
            worker.jid = None
            worker.idle = self._loop.call_later(self._idle_s, self._dismiss, worker)
            self._listener.done(jid, message)
            self._next()

    def _gone(self, worker: Worker) -> None:
        """The process ended. In the middle of a job, that is the job's end, with the reason."""
        self._workers.remove(worker)
        status = _end(worker.process)
        if worker.jid is not None:
            killed, text = worker.killed, _how(status)
            value = f'"The job was {"killed" if killed else "lost: its process"} ({text})."'.encode()
            if not killed:
                value = f'"The process that ran the job ended by itself ({text})."'.encode()
            done = Done(
                "killed" if killed else "failed", False, 1, value, (time.monotonic() - worker.began) * 1000, True
            )
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


def _how(status: int) -> str:
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
