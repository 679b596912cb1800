"""The messages of both ports: one closed set of types per direction, in MessagePack, decoded strictly.

No message says who sent it. The identity of a sender is the CURVE key of its connection (see `zap`), looked up in the
key store. A message that does not decode to one of these types, or has a byte or a field too many, is refused whole.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

from saltern.asks import MAX_ARGS_BYTES, MAX_VALUE_BYTES

PROTOCOL = 1  # raised when an older peer could misunderstand; there is no negotiation to an older one
MAX_CONTROL_BYTES = 16 * 1024 * 1024  # one message of the control port
MAX_RETURN_BYTES = 12 * 1024 * 1024  # the value of one return, so that its message fits the limit above
PLAIN_CHUNK_BYTES = 512 * 1024  # what one sealed chunk of a blob holds
CHUNK_BYTES = PLAIN_CHUNK_BYTES + 16  # one chunk of the files port: a sealed one with its tag, so it opens on arrival
MAX_FILES_BYTES = 1024 * 1024  # one frame of the files port

Jid = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{20}$")]
Id = Annotated[str, msgspec.Meta(min_length=1, max_length=254)]
Short = Annotated[str, msgspec.Meta(max_length=1024)]
Text = Annotated[str, msgspec.Meta(max_length=65536)]
Key = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
Nonce = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]
Question = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\.[a-z][a-z0-9_]{0,31}$")]
Used = Annotated[bytes, msgspec.Meta(max_length=4096)]
BlobId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class _Message(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    pass


# --- minion to master, control port ---------------------------------------------------------------------------------


class Join(_Message, tag="join", frozen=True):
    """The one message that a key which is not accepted may send: it asks to be accepted as ID.

    SECRET is the one-time secret of a join token, or empty. SEAL_KEY is the X25519 key that pillar and tree keys are
    sealed to.
    """

    protocol: int
    version: Short
    id: Id
    secret: bytes
    seal_key: Key


class Hello(_Message, tag="hello", frozen=True):
    """The first message of an accepted key on each connection. HELD are the jobs that the minion has received and
    whose returns the master has not confirmed. CLOCK is the node's time, seconds since the epoch; 0: not told."""

    protocol: int
    version: Short
    boot: Short
    held: list[Jid]
    grains: dict[str, Any]
    clock: float = 0.0


class Grains(_Message, tag="grains", frozen=True):
    """The grains changed since the hello."""

    grains: dict[str, Any]


class Received(_Message, tag="received", frozen=True):
    """The job is on the minion and will be run once."""

    jid: Jid


class Progress(_Message, tag="progress", frozen=True):
    """A run is at STEP of TOTAL, the state STATE_ID. Nothing depends on it, so it may be lost."""

    jid: Jid
    step: int
    total: int
    state_id: Short


class Return(_Message, tag="return", frozen=True):
    """What became of a job. VALUE is one JSON document. Sent again until the master says that it is stored.

    OUTCOME: `done`, `failed`, `refused`, `killed` or `lost`. USED: of a state run, digests of the trees and the pillar
    that it used, one JSON document; else empty.
    """

    jid: Jid
    outcome: Short
    success: bool
    retcode: int
    value: bytes
    duration_ms: float
    used: Used = b""


class Called(_Message, tag="called", frozen=True):
    """The return of a `saltern-call` on the minion itself, under a job id that the minion made."""

    jid: Jid
    function: Short
    args: bytes
    outcome: Short
    success: bool
    retcode: int
    value: bytes
    duration_ms: float
    used: Used = b""


class WantBundle(_Message, tag="want-bundle", frozen=True):
    """Trees and pillar, asked for by the minion itself (`saltern-call`, a function that turned out to need them). The
    pillar is that of the environment PILLARENV only, where that is given."""

    request: int
    grains: dict[str, Any] | None
    pillarenv: Short = ""


class Ask(_Message, tag="ask", frozen=True):
    """A function that runs on the minion asks something of the master (see `saltern.asks`). WHAT is a name of the
    master's table, ARGS one JSON document. The same question may come again after a broken connection."""

    id: int
    what: Question
    args: Annotated[bytes, msgspec.Meta(max_length=MAX_ARGS_BYTES)]


class Pong(_Message, tag="pong", frozen=True):
    """The answer to a ping, with its nonce."""

    nonce: bytes


class Confirm(_Message, tag="confirm", frozen=True):
    """The only message of a connection of its own: it shows that the node reaches its master after a change of its
    network. It does not touch the connection that said hello."""

    nonce: Nonce


FromMinion: TypeAlias = (
    Join | Hello | Grains | Received | Progress | Return | Called | WantBundle | Ask | Pong | Confirm
)


# --- master to minion, control port ---------------------------------------------------------------------------------


class Welcome(_Message, tag="welcome", frozen=True):
    """The key is accepted, as ID. NOW is the master's time, seconds since the epoch; 0: not told."""

    protocol: int
    version: Short
    id: Id
    files_port: int
    now: float = 0.0


class Pending(_Message, tag="pending", frozen=True):
    """The key waits for an administrator; FINGERPRINT is what `saltern-key` shows for it."""

    fingerprint: Short


class Denied(_Message, tag="denied", frozen=True):
    """The key, the token or the protocol version is refused. FINAL: asking again will not help."""

    reason: Text
    final: bool


class Job(_Message, tag="job", frozen=True):
    """Run FUNCTION once. ARGS and KWARGS are JSON documents. BUNDLE is an encoded `Bundle`, or empty."""

    jid: Jid
    function: Short
    args: bytes
    kwargs: bytes
    user: Short
    bundle: bytes


class Stored(_Message, tag="stored", frozen=True):
    """The returns of these jobs are in the master's store; the minion may forget them."""

    jids: list[Jid]


class BundleReply(_Message, tag="bundle", frozen=True):
    """The answer to `WantBundle`: an encoded `Bundle`, or why there is none."""

    request: int
    bundle: bytes
    error: Text


class Answer(_Message, tag="answer", frozen=True):
    """The answer to `Ask` ID: where OK, VALUE is one JSON document; else ERROR says why there is none."""

    id: int
    ok: bool
    value: Annotated[bytes, msgspec.Meta(max_length=MAX_VALUE_BYTES)]
    error: Text


class Ping(_Message, tag="ping", frozen=True):
    """Prove that the application, not only the transport, is alive."""

    nonce: bytes


class Confirmed(_Message, tag="confirmed", frozen=True):
    """The answer to `Confirm`, with its nonce."""

    nonce: Nonce


FromMaster: TypeAlias = Welcome | Pending | Denied | Job | Stored | BundleReply | Answer | Ping | Confirmed


# --- files port ------------------------------------------------------------------------------------------------------


class Want(_Message, tag="want", frozen=True):
    """Send these blobs, in this order. CREDIT: how many bytes may be under way (see `saltern.wire.transfer.cost`)."""

    blobs: Annotated[list[BlobId], msgspec.Meta(max_length=10000)]
    credit: int


class Credit(_Message, tag="credit", frozen=True):
    """So many bytes more."""

    size: int


FilesFromMinion: TypeAlias = Want | Credit


class Chunk(_Message, tag="chunk", frozen=True):
    """Bytes of a blob from OFFSET on: they are the message's second frame, so that they are never copied into a
    first one. No other message has two."""

    blob: BlobId
    offset: int
    last: bool


class Missing(_Message, tag="missing", frozen=True):
    """The master has no such blob."""

    blob: BlobId


FilesFromMaster: TypeAlias = Chunk | Missing

encode = msgspec.msgpack.Encoder().encode
_from_minion = msgspec.msgpack.Decoder(FromMinion)
_from_master = msgspec.msgpack.Decoder(FromMaster)
_files_from_minion = msgspec.msgpack.Decoder(FilesFromMinion)
_files_from_master = msgspec.msgpack.Decoder(FilesFromMaster)


class BadMessage(ValueError):
    """Bytes that are no message of this direction and port."""


def from_minion(data: bytes | memoryview) -> FromMinion:
    """A control message of a minion; BadMessage otherwise."""
    return _strict(_from_minion, data)  # type: ignore[no-any-return]


def from_master(data: bytes | memoryview) -> FromMaster:
    """A control message of the master; BadMessage otherwise."""
    return _strict(_from_master, data)  # type: ignore[no-any-return]


def files_from_minion(data: bytes | memoryview) -> FilesFromMinion:
    """A files message of a minion; BadMessage otherwise."""
    return _strict(_files_from_minion, data)  # type: ignore[no-any-return]


def files_from_master(data: bytes | memoryview) -> FilesFromMaster:
    """A files message of the master; BadMessage otherwise."""
    return _strict(_files_from_master, data)  # type: ignore[no-any-return]


def _strict(decoder: Any, data: bytes | memoryview) -> Any:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError, OverflowError, MemoryError) as error:
        raise BadMessage(str(error)) from None
