"""The control port: takes each message of a minion, checks what its key may do, and gives it to its handler.

The table `ROLES` says for every message who may send it; a message without a role can't be handled at all. The sender
is the key that the transport authenticated, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from typing import Any, Protocol

from master import keys
from master.presence import Minion, Presence, Session
from master.store import Store, StoreError
from master.uptime import uptime
from saltern import __version__
from saltern.wire import messages as m
from saltern.wire import monitor, sockets
from saltern.wire.endpoint import Endpoint
from saltern.wire.keys import fingerprint

logger = logging.getLogger(__name__)

STRANGER, ACCEPTED, CONNECTED = "any key", "an accepted key", "an accepted key that said hello"

ROLES: dict[type[Any], str] = {
    m.Join: STRANGER,
    m.Hello: ACCEPTED,
    m.Grains: CONNECTED,
    m.Received: CONNECTED,
    m.Progress: CONNECTED,
    m.Return: CONNECTED,
    m.Called: CONNECTED,
    m.WantBundle: CONNECTED,
    m.Ask: CONNECTED,
    m.Pong: CONNECTED,
    m.Confirm: ACCEPTED,
}

PING_EVERY_S = 15.0
SILENT_S = 50.0  # no sign of life for so long, and the connection counts as dead
_CLOCK_OFF_S = 60.0  # a minion whose clock differs by more is named in the log
_RECHECK_S = (0.02, 0.2, 1.0)  # when a cut connection is looked at again


class Work(Protocol):
    """What the router hands on: the life of jobs, and bundles."""

    def arrived(self, minion: Minion, held: list[str]) -> None:
        """MINION said hello; it holds the jobs HELD."""

    def joined(self, record: keys.Record) -> None:
        """A key asked to join; RECORD says whether it was accepted."""

    def left(self, minion: Minion) -> None:
        """The connection of MINION is gone."""

    def received(self, minion: Minion, message: m.Received) -> None:
        """A job reached MINION."""

    def progress(self, minion: Minion, message: m.Progress) -> None:
        """A run on MINION went on."""

    def returned(self, minion: Minion, message: m.Return) -> None:
        """MINION tells the end of a job."""

    def called(self, minion: Minion, message: m.Called) -> None:
        """MINION ran something by itself."""

    def want_bundle(self, minion: Minion, message: m.WantBundle) -> None:
        """MINION asks for trees and pillar."""

    def asked(self, minion: Minion, message: m.Ask) -> None:
        """A function on MINION asks something."""


class Router:
    """The ROUTER socket and what is known of its peers."""

    def __init__(self, socket: Any, presence: Presence, store: Store, files_port: int) -> None:
        self.presence, self._store, self._files_port = presence, store, files_port
        self.work: Work | None = None  # set by the daemon, once both exist
        self.dropped = 0  # messages that were refused, for `manage.status`
        self._loop = asyncio.get_running_loop()
        self._endpoint = Endpoint(socket, self._on_message)
        self._monitor = monitor.watch(socket, self._on_event)
        self._pings = self._loop.call_later(PING_EVERY_S, self._ping_all)
        self._handlers: dict[type[Any], Callable[[Minion, Any], None]] = {
            m.Grains: lambda minion, message: self._grains(minion, message.grains),
            m.Received: lambda minion, message: self._work.received(minion, message),
            m.Progress: lambda minion, message: self._work.progress(minion, message),
            m.Return: lambda minion, message: self._work.returned(minion, message),
            m.Called: lambda minion, message: self._work.called(minion, message),
            m.WantBundle: lambda minion, message: self._work.want_bundle(minion, message),
            m.Ask: lambda minion, message: self._work.asked(minion, message),
            m.Pong: self._pong,
        }

    @property
    def _work(self) -> Work:
        assert self.work is not None
        return self.work

    def send(self, minion: Minion, data: bytes) -> bool:
        """Send an encoded message to MINION; False (and it counts as away) where it can't be reached."""
        session = minion.session
        if session is None:
            return False
        if self._endpoint.send((session.route, data)):
            return True
        self._lost(minion, session)
        return False

    def cut(self, public: bytes, reason: str) -> None:
        """End the connection of a key: tell it why, then close it."""
        minion = self.presence.minions.get(public)
        session = (minion.session if minion else None) or self.presence.strangers.get(public)
        if session is None:
            return
        self._endpoint.send((session.route, m.encode(m.Denied(reason, True))))
        if minion and minion.session:
            self._lost(minion, session)
        self.presence.strangers.pop(public, None)
        self._loop.call_later(0.1, sockets.cut, session.descriptor, session.end)

    def admit_stranger(self, record: keys.Record) -> None:
        """A key that waits, connected, was accepted: welcome it without making it come again."""
        session = self.presence.strangers.pop(record.public, None)
        if session:
            self._welcome(session.route, record)

    def close(self) -> None:
        """Stop listening."""
        self._pings.cancel()
        self._monitor.close()
        self._endpoint.close()

    # --- messages ------------------------------------------------------------------------------------------------

    def _on_message(self, frames: list[Any]) -> None:
        route, payload = frames[0].bytes, frames[-1]
        public, descriptor = sockets.sender(payload)
        if len(frames) != 2:
            return self._drop(public, "it has more than one frame")
        try:
            message = m.from_minion(payload.buffer)
        except m.BadMessage as error:
            return self._drop(public, str(error))
        minion = self.presence.minions.get(public)
        if type(message) is m.Join:
            self._loop.create_task(self._join(public, self._session(route, descriptor, ""), message))
        elif minion is None:
            self._drop(public, f"this key is not accepted, and may not send {type(message).__name__}")
            self._endpoint.send((route, m.encode(m.Denied("this key is not accepted here", False))))
        elif type(message) is m.Hello:
            self._hello(minion, self._session(route, descriptor, message.boot), message)
        elif type(message) is m.Confirm:
            self._endpoint.send((route, m.encode(m.Confirmed(message.nonce))))
        elif minion.session is None or minion.session.route != route:
            self._drop(public, "it came before hello")
            # a connection that was given up here too early: without this, its minion would wait for a minute
            self._endpoint.send((route, m.encode(m.Denied("say hello first", False))))
        else:
            minion.session.seen = time.time()
            self._handlers[type(message)](minion, message)
        return None

    @staticmethod
    def _session(route: bytes, descriptor: int, boot: str) -> Session:
        now = time.time()
        return Session(route, descriptor, sockets.remote(descriptor), boot, now, now)

    def _drop(self, public: bytes, why: str) -> None:
        self.dropped += 1
        if self.dropped < 100 or self.dropped % 1000 == 0:  # a flood must not fill the log
            logger.warning("a message of %s was dropped: %s (%d so far)", fingerprint(public), why, self.dropped)

    async def _join(self, public: bytes, session: Session, message: m.Join) -> None:
        reply: m.FromMaster
        record: keys.Record | None = None
        if message.protocol != m.PROTOCOL:
            reply = m.Denied(_incompatible(message.protocol, message.version), True)
        else:
            try:
                record = await self._store.do(
                    lambda c: keys.join(c, public, message.id, message.secret, message.seal_key, time.time(), uptime())
                )
            except keys.JoinRefused as error:
                logger.warning("%s asked to join as %r: %s", fingerprint(public), message.id, error)
                reply = m.Denied(str(error), True)
            except StoreError as error:
                logger.error("join: %s", error)
                reply = m.Denied("the master can't store keys at the moment", False)
            except ValueError as error:
                reply = m.Denied(str(error), True)
        if record is None:
            self._endpoint.send((session.route, m.encode(reply)))
            return
        self.presence.put(record)
        self._work.joined(record)
        if record.state == keys.ACCEPTED:
            self._welcome(session.route, record)
        else:
            self.presence.strangers[public] = session
            self._endpoint.send((session.route, m.encode(m.Pending(record.fingerprint))))

    def _welcome(self, route: bytes, record: keys.Record) -> None:
        self._endpoint.send(
            (route, m.encode(m.Welcome(m.PROTOCOL, __version__, record.id, self._files_port, time.time())))
        )

    def _hello(self, minion: Minion, session: Session, message: m.Hello) -> None:
        if message.protocol != m.PROTOCOL:
            text = _incompatible(message.protocol, message.version)
            logger.warning("%s: %s", minion.id, text)
            self._endpoint.send((session.route, m.encode(m.Denied(text, True))))
            return
        old = minion.session
        if old and old.boot != session.boot and session.boot in minion.replaced:
            text = _two_nodes(minion.id, old.peer, session.peer)
            if minion.refused != session.boot:  # it comes again and again
                minion.refused = session.boot
                logger.error("%s", text)
            self._endpoint.send((session.route, m.encode(m.Denied(text, True))))
            return
        if old and old.route != session.route:  # it came anew before the old connection was seen to be gone
            sockets.cut(old.descriptor, old.end)
            if old.boot != session.boot:
                minion.replaced = (*minion.replaced[-7:], old.boot)
        minion.session = session
        minion.seen, minion.address = session.since, session.peer
        self._welcome(session.route, minion.record)
        _compare_clocks(minion.id, message.clock)
        self._grains(minion, message.grains)
        self._endpoint.send((session.route, m.encode(m.Ping(_nonce()))))
        self._work.arrived(minion, message.held)

    def _grains(self, minion: Minion, grains: dict[str, Any]) -> None:
        minion.grains = {**grains, "id": minion.id}
        self._loop.create_task(self._store_grains(minion))

    async def _store_grains(self, minion: Minion) -> None:
        import json

        row = (minion.record.public, json.dumps(minion.grains, default=str), time.time(), minion.address)
        try:
            await self._store.do(lambda c: c.execute("INSERT OR REPLACE INTO minions VALUES (?, ?, ?, ?)", row))
        except StoreError as error:
            logger.error("the grains of %s: %s", minion.id, error)

    # --- connections ---------------------------------------------------------------------------------------------

    def _on_event(self, event: int, value: int) -> None:
        if event == monitor.DISCONNECTED:
            for minion in self.presence.by_descriptor(value):
                if minion.session:
                    self._recheck(minion, minion.session, 0)
            gone = [key for key, session in self.presence.strangers.items() if session.descriptor == value]
            for key in gone:
                del self.presence.strangers[key]

    def _recheck(self, minion: Minion, session: Session, attempt: int) -> None:
        """A descriptor's number is used again by a later connection, so ask ZeroMQ whether the route still leads."""
        if minion.session is not session:
            return
        if not self._endpoint.send((session.route, m.encode(m.Ping(_nonce())))):
            self._lost(minion, session)
        elif attempt < len(_RECHECK_S):
            self._loop.call_later(_RECHECK_S[attempt], self._recheck, minion, session, attempt + 1)

    def _lost(self, minion: Minion, session: Session) -> None:
        if minion.session is session:
            minion.session = None
            minion.seen = time.time()
            self._work.left(minion)

    def _ping_all(self) -> None:
        self._pings = self._loop.call_later(PING_EVERY_S, self._ping_all)
        now = time.time()
        for minion in list(self.presence.connected()):
            session = minion.session
            if session and now - session.seen > SILENT_S:
                sockets.cut(session.descriptor, session.end)
                self._lost(minion, session)
            elif session:
                self.send(minion, m.encode(m.Ping(_nonce())))

    def _pong(self, minion: Minion, message: m.Pong) -> None:
        if minion.session and len(message.nonce) == 8:
            sent_ns = int.from_bytes(message.nonce, "big")
            minion.session.round_trip_ms = max(0.0, (time.monotonic_ns() - sent_ns) / 1e6)


def _nonce() -> bytes:
    return time.monotonic_ns().to_bytes(8, "big")


def _two_nodes(name: str, here: str, other: str) -> str:
    """What is wrong where an agent comes back whose place another one has taken, and holds."""
    return (
        f"two agents hold the key of {name}, one at {here}, one at {other}, which is refused: was a disk copied? Stop "
        "one, or give it keys of its own: remove /var/lib/saltern/minion there and join again"
    )


def _compare_clocks(name: str, clock: float) -> None:
    """Name a minion whose CLOCK is wrong by this master's (0: it was not told)."""
    off_s = clock - time.time()
    if clock > 0 and abs(off_s) > _CLOCK_OFF_S:
        way = "ahead of" if off_s > 0 else "behind"
        logger.warning("%s: its clock is %.1f hours %s this master's", name, min(abs(off_s) / 3600, 1e6), way)


def _incompatible(protocol: int, version: str) -> str:
    older = "minion" if protocol < m.PROTOCOL else "master"
    return (
        f"the master (Saltern {__version__}) speaks protocol {m.PROTOCOL}, "
        f"the minion (Saltern {version[:32]}) protocol {protocol}: upgrade the {older}"
    )


def open_router(
    context: Any, pair: Any, interface: str, port: int, presence: Presence, store: Store, files: int
) -> Router:
    """The control port, listening on INTERFACE. OSError where the port is taken."""
    socket = sockets.server(
        context,
        pair,
        domain="control",
        address=sockets.endpoint_address(interface, port),
        max_bytes=m.MAX_CONTROL_BYTES,
        high_water=10_000,
    )
    return Router(socket, presence, store, files)


def umask_private() -> None:
    """Whatever the daemon makes is its own, whatever umask it was started with."""
    os.umask(0o077)
