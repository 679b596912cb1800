"""The event loop's way to bundles: a worker process that is started when one is wanted and ended when none is.

Rendering and encrypting never block the loop. A worker that crashes or hangs costs the minion that it was at its
answer, and no other.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from master.blobs import BlobStore, store_of
from master.bundle_messages import (
    LENGTH,
    MAX_BYTES,
    Answer,
    Asked,
    BundleRequest,
    Start,
    framed,
    from_worker,
    settings_of,
)
from saltern.config import MasterConfig
from saltern.errors import PermanentError, SalternError
from saltern.wire.bundle import Bundle, BundleError, decode
from saltern.wire.keys import fingerprint

logger = logging.getLogger(__name__)

IDLE_S = 30.0
RENDER_S = 30.0  # what one minion's pillar may take
MAX_WAITING = 20_000  # minions whose bundles are being waited for
_BATCH = 64  # minions to a message, so that encoding their grains takes the loop a millisecond or two
_CRASHES = 3  # then the fault is not one minion's
_END_S = 5.0


class NoBundle(PermanentError):
    """There is no bundle for a minion; the text says why."""


class _WorkerEnded(Exception):
    """The worker is gone; the text says how."""


@dataclass(slots=True)
class _Worker:
    process: Process
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class BundlePool:
    """Bundles by the settings CONFIG, for an event loop. Requests are served one after the other."""

    def __init__(self, config: MasterConfig, *, idle_s: float = IDLE_S, render_s: float = RENDER_S) -> None:
        if config.ext_pillar:
            from pillar.ext_pillar import externals

            externals(config.ext_pillar, config.paths.var / "master", config.nodegroups)  # a mistake ends the start
        self._config, self._idle_s, self._render_s = config, idle_s, render_s
        self._lock = asyncio.Lock()
        self._worker: _Worker | None = None
        self._waiting = 0
        self._idle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self.blobs: BlobStore = store_of(config)

    async def bundles(self, asked: Sequence[Asked]) -> list[Bundle | BundleError]:
        """A bundle for each that is asked, or why there is none."""
        answers = await self._answers(asked)
        return [BundleError(answer.error) if answer.error else decode(answer.bundle) for answer in answers]

    async def encoded(
        self, wanted: Sequence[tuple[bytes, str, bytes, Mapping[str, Any], bytes, str]]
    ) -> list[bytes | SalternError]:
        """Encoded bundles for minions given as (public key, id, seal key, grains, what asks, the one environment that
        the pillar is of or "")."""
        answers = await self._answers(
            [
                Asked(id, fingerprint(public), seal, dict(grains), why, env or None)
                for public, id, seal, grains, why, env in wanted
            ]
        )
        return [NoBundle(answer.error) if answer.error else answer.bundle for answer in answers]

    async def pillars(self, wanted: Sequence[tuple[bytes, str, Mapping[str, Any]]]) -> dict[bytes, Mapping[str, Any]]:
        """The pillars of minions given as (public key, id, grains), by public key. One that can't be rendered is
        logged and empty."""
        answers = await self._answers(
            [Asked(id, fingerprint(public), b"", dict(grains)) for public, id, grains in wanted]
        )
        found: dict[bytes, Mapping[str, Any]] = {}
        for (public, _, _), answer in zip(wanted, answers, strict=True):
            if answer.error:
                logger.error("%s", answer.error)
            found[public] = answer.pillar or {}
        return found

    async def pillar(
        self, public: bytes, id: str, grains: Mapping[str, Any], saltenv: str | None = None
    ) -> Mapping[str, Any]:
        """The pillar of one minion, of the environment SALTENV alone where it is given. NoBundle says why it can't be
        rendered."""
        [answer] = await self._answers([Asked(id, fingerprint(public), b"", dict(grains), saltenv=saltenv)])
        if answer.error:
            raise NoBundle(answer.error)
        return answer.pillar or {}

    async def close(self) -> None:
        """End the worker, whatever it is at."""
        if self._idle:
            self._idle.cancel()
        worker, self._worker = self._worker, None
        if worker:
            await _end(worker)
        if self._ending:
            await self._ending

    async def _answers(self, asked: Sequence[Asked]) -> list[Answer]:
        if self._waiting + len(asked) > MAX_WAITING:
            busy = f"the master is making bundles for {self._waiting} minions already: try again in a while"
            return [Answer(error=busy)] * len(asked)
        self._waiting += len(asked)
        try:
            async with self._lock:
                return await self._ask(asked)
        finally:
            self._waiting -= len(asked)

    async def _ask(self, asked: Sequence[Asked]) -> list[Answer]:
        if self._idle:
            self._idle.cancel()
        answers: list[Answer] = []
        crashes = 0
        while len(answers) < len(asked):
            try:
                await self._run(asked, answers)
            except _WorkerEnded as ended:
                crashes += 1
                blamed = 1 if crashes < _CRASHES else len(asked) - len(answers)
                first = asked[len(answers)].id
                logger.error("the bundle worker ended at %s: %s", first, ended)
                answers += [Answer(error=f"the pillar of {first} was not rendered: {ended}")] * blamed
        self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._end_idle)
        return answers

    async def _run(self, asked: Sequence[Asked], answers: list[Answer]) -> None:
        """Ask for what has no answer yet. _WorkerEnded where the worker ends; what came before that is in ANSWERS."""
        try:
            worker = self._worker = self._worker or await self._start()
            refresh = True
            while left := asked[len(answers) : len(answers) + _BATCH]:
                worker.writer.write(framed(BundleRequest(list(left), refresh)))
                await worker.writer.drain()
                for _ in left:
                    answers.append(await _receive(worker.reader))
                refresh = False
        except (ConnectionError, asyncio.IncompleteReadError, msgspec.MsgspecError) as error:
            raise _WorkerEnded(await self._discard(error)) from None
        except asyncio.CancelledError:
            await self._discard(None)  # answers that nobody reads would be taken for those of the next request
            raise

    async def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-P", "-m", "master.bundle_worker", str(theirs.fileno())),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                    cwd="/",
                )
            except OSError as error:
                ours.close()
                raise _WorkerEnded(f"its process can't be started: {error.strerror}") from None
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(framed(Start(settings_of(self._config), self._render_s)))
        return _Worker(process, reader, writer)

    async def _discard(self, error: Exception | None) -> str:
        """End the worker for good; what to say of it."""
        worker, self._worker = self._worker, None
        if worker is None:
            return str(error)
        broken = isinstance(
            error, ConnectionError | asyncio.IncompleteReadError
        )  # then it ends, or has ended, by itself
        code = await _end(worker, kill=not broken)
        if code == -signal.SIGALRM:
            return "it took too long. Does a template loop?"
        if code < 0:
            return f"the process that renders it was ended by {signal.Signals(-code).name}"
        return f"the process that renders it ended with status {code}, see the master's log"

    def _end_idle(self) -> None:
        if self._worker and not self._lock.locked():
            worker, self._worker = self._worker, None
            self._ending = asyncio.get_running_loop().create_task(_ended(worker))


async def _ended(worker: _Worker) -> None:
    await _end(worker)


async def _end(worker: _Worker, *, kill: bool = False) -> int:
    """Close the worker's connection and wait for its end; its status (-N for signal N)."""
    worker.writer.close()
    if kill and worker.process.returncode is None:
        worker.process.kill()
    try:
        async with asyncio.timeout(_END_S):
            return await worker.process.wait()
    except TimeoutError:
        worker.process.kill()
        return await worker.process.wait()


async def _receive(reader: asyncio.StreamReader) -> Answer:
    (length,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
    if length > MAX_BYTES:
        raise msgspec.DecodeError("an answer of impossible length")
    return from_worker(await reader.readexactly(length))
