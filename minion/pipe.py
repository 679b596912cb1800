"""What the agent and its worker processes say to each other, over a socket pair (and `saltern-call`, over a Unix
socket): length-prefixed MessagePack of a closed set of types."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import msgspec

from saltern.wire.messages import MAX_RETURN_BYTES

_LENGTH = struct.Struct("<I")
_MOST = 64 * 1024 * 1024


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    pass


class Run(_Message, tag="run", frozen=True):
    """Agent to worker: run FUNCTION (empty: look at the grains). ARGS and KWARGS are JSON, BUNDLE an encoded bundle or
    empty. FILES_PORT: the master's, 0 while it is away. DEADLINE_S: the agent ends it after so long; 0: never."""

    jid: str
    function: str
    args: bytes
    kwargs: bytes
    bundle: bytes
    files_port: int
    deadline_s: float = 0.0


class BundleIs(_Message, tag="bundle-is", frozen=True):
    """Agent to worker: the bundle that it asked for, or why there is none. CONTEXT is the request that it answers.
    FILES_PORT: the master's, 0 where the master is away."""

    bundle: bytes
    error: str
    context: bytes = b""
    files_port: int = 0


class NeedBundle(_Message, tag="need-bundle", frozen=True):
    """Worker to agent: the function needs trees or pillar after all, that of PILLARENV only where one is given."""

    pillarenv: str = ""


class AskMaster(_Message, tag="ask-master", frozen=True):
    """Worker to agent: a function asks WHAT of the master, with ARGS, a JSON document."""

    what: str
    args: bytes


class MasterSays(_Message, tag="master-says", frozen=True):
    """Agent to worker: the answer. VALUE is JSON where OK, else ERROR says why there is none; AWAY: the master was not
    reached."""

    ok: bool
    value: bytes = b""
    error: str = ""
    away: bool = False


class NetworkChanged(_Message, tag="network-changed", frozen=True):
    """Worker to agent: a network transaction was settled, so connections may be dead without knowing it."""


class Step(_Message, tag="step", frozen=True):
    """Worker to agent: a state run is at STEP of TOTAL."""

    step: int
    total: int
    state_id: str


class Done(_Message, tag="done", frozen=True):
    """Worker to agent: the end. VALUE is JSON. DIED: it is the agent that says so, since the worker's process ended.
    USED: of a state run, what `connected.used` gives."""

    outcome: str
    success: bool
    retcode: int
    value: bytes
    duration_ms: float
    died: bool = False
    used: bytes = b""


def bounded(done: Done) -> Done:
    """DONE, or a failure in its place where its value is more than the master takes."""
    size = len(done.value)
    if size <= MAX_RETURN_BYTES:
        return done
    text = f'"The function ended ({done.outcome}), but its return of {size} bytes is too large'
    return Done("failed", False, 1, f'{text} (at most {MAX_RETURN_BYTES})."'.encode(), done.duration_ms)


class Mine(_Message, tag="mine", frozen=True):
    """`saltern-call` to agent: this was run here; tell the master."""

    jid: str
    function: str
    args: bytes
    done: Done


class Noted(_Message, tag="noted", frozen=True):
    """Agent to `saltern-call`: what it ran is in the journal, or the PROBLEM with that."""

    problem: str = ""


class GrainsAre(_Message, tag="grains-are", frozen=True):
    """Worker to agent: what the node's grains are, as a JSON document."""

    grains: bytes


class Watch(_Message, tag="watch", frozen=True):
    """Agent to the process of the beacons: watch this, a JSON mapping of names to options."""

    beacons: bytes


class News(_Message, tag="news", frozen=True):
    """From the process of the beacons: NAME found something, DATA is a JSON mapping."""

    name: str
    data: bytes


class Trouble(_Message, tag="trouble", frozen=True):
    """From the process of the beacons: NAME can't watch, TEXT says why; '' where it can again."""

    name: str
    text: str


Any_ = (
    Run
    | BundleIs
    | NeedBundle
    | AskMaster
    | MasterSays
    | Step
    | Done
    | Mine
    | Noted
    | GrainsAre
    | NetworkChanged
    | Watch
    | News
    | Trouble
)
_decode = msgspec.msgpack.Decoder(Any_).decode
_encode = msgspec.msgpack.Encoder().encode


def framed(message: Any_) -> bytes:
    """The message with its length before it."""
    body = _encode(message)
    return _LENGTH.pack(len(body)) + body


class Blocking:
    """The worker's end: plain blocking calls. Not BUFFERED, nothing is taken from the socket that was not asked for,
    so that it can be polled."""

    def __init__(self, connection: socket.socket, *, buffered: bool = True) -> None:
        self._stream = connection.makefile("rb", buffering=-1 if buffered else 0)
        self._connection = connection

    def send(self, message: Any_) -> None:
        """Send a message; ConnectionError where the agent is gone."""
        self._connection.sendall(framed(message))

    def receive(self) -> Any_ | None:
        """The next message, or None where the agent is gone."""
        head = self._read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack(head)
        body = self._read(length) if length <= _MOST else b""
        return _decode(body) if len(body) == length else None

    def _read(self, size: int) -> bytes:
        """SIZE bytes, or fewer where the agent is gone."""
        found = b""
        while len(found) < size and (more := self._stream.read(size - len(found))):
            found += more
        return found


class Evented:
    """The agent's end: calls ON_MESSAGE for each message and ON_END once, when the other side is gone."""

    def __init__(
        self, connection: socket.socket, on_message: Callable[[Any_], None], on_end: Callable[[], None]
    ) -> None:
        connection.setblocking(False)
        self._connection, self._on_message, self._on_end = connection, on_message, on_end
        self._loop = asyncio.get_running_loop()
        self._in = bytearray()
        self._out = bytearray()
        self._open = True
        self._loop.add_reader(connection, self._readable)

    def send(self, message: Any_) -> None:
        """Send a message when there is room."""
        if self._open:
            self._out += framed(message)
            self._writable()

    def close(self) -> None:
        """Leave; ON_END is not called."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._connection)
            self._loop.remove_writer(self._connection)
            self._connection.close()

    def _ended(self) -> None:
        if self._open:
            self.close()
            self._on_end()

    def _writable(self) -> None:
        try:
            while self._out:
                sent = self._connection.send(self._out)
                del self._out[:sent]
        except BlockingIOError:
            self._loop.add_writer(self._connection, self._writable)
            return
        except OSError:
            return  # the reader sees the end
        self._loop.remove_writer(self._connection)

    def _readable(self) -> None:
        try:
            data = self._connection.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._ended()
            return
        self._in += data
        while self._open and len(self._in) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._in)
            if length > _MOST:
                self._ended()
                return
            if len(self._in) < _LENGTH.size + length:
                return
            body = bytes(self._in[_LENGTH.size : _LENGTH.size + length])
            del self._in[: _LENGTH.size + length]
            try:
                message: Any = _decode(body)
            except msgspec.MsgspecError:
                self._ended()
                return
            self._on_message(message)
