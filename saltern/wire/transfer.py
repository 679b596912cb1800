"""The files port without its sockets: messages in, messages out, with no more under way than the receiver asked for.

Both machines are plain values and files, so they are tested without a network. A sender reads a chunk while there is
credit; a receiver grants credit as it has written, so a slow disk or line holds back its own transfer alone. A chunk
is one sealed chunk of its blob: who has the key opens it as it comes, and no ciphertext touches the disk.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from saltern.errors import PermanentError, TemporaryError
from saltern.wire import private
from saltern.wire.manifest import is_digest
from saltern.wire.messages import CHUNK_BYTES, MAX_FILES_BYTES, BadMessage, Chunk, Missing, encode, files_from_master

if TYPE_CHECKING:
    from saltern.wire.blob import Opener

WINDOW_BYTES = 4 * 1024 * 1024  # what a receiver lets be under way: it fills a 1 Gbit/s line over 30 ms
MAX_QUEUED = 20_000  # blobs that one receiver may have asked for and not got
MAX_CREDIT = 16 * WINDOW_BYTES
_LEAST_COST = 4096  # so that small blobs can't fill a queue of messages either


class TransferError(PermanentError):
    """What came is not what was asked for. The connection is of no use any more."""


class WrongBlob(TransferError):
    """What came under the name of BLOB is something else."""

    def __init__(self, blob: str, problem: str) -> None:
        self.blob, self.problem = blob, problem
        super().__init__(f"blob {blob} is damaged: {problem}")


class NotServed(TemporaryError):
    """The other side does not have a blob that its own manifest names: it was published anew meanwhile."""


@dataclass(frozen=True, slots=True)
class WantedBlob:
    """A blob to bring: its name, and how many bytes it has, or (EXACT false) may have at most.

    With the KEY that opens it and the plain text's DIGEST (SHA-256 in hex) it is opened on its way: what arrives is
    the plain text, and that digest is what it is held to. Without, the sealed blob arrives, held to its name.
    """

    blob: str
    size: int
    exact: bool = True
    key: bytes | None = field(default=None, repr=False)
    digest: str = ""


class Piece(NamedTuple):
    """A message of a sender, and the bytes that go with a `Chunk`."""

    message: Chunk | Missing
    data: bytes = b""

    def frames(self) -> tuple[bytes, ...]:
        """The frames that carry it."""
        head = encode(self.message)
        return (head, self.data) if isinstance(self.message, Chunk) else (head,)


def received(frames: Sequence[bytes | memoryview]) -> tuple[Chunk | Missing, bytes | memoryview]:
    """What FRAMES carry, its data uncopied; TransferError where that is nothing that a sender says."""
    if not 1 <= len(frames) <= 2:
        raise TransferError("the other side sent a message of another form")
    try:
        message = files_from_master(frames[0])
    except BadMessage as error:
        raise TransferError(f"the other side sent what is no message: {error}") from None
    if isinstance(message, Chunk) != (len(frames) == 2):
        raise TransferError("the other side sent a message of another form")
    return message, frames[1] if len(frames) == 2 else b""


def cost(data: bytes | memoryview) -> int:
    """The credit that a chunk of DATA takes."""
    return max(len(data), _LEAST_COST)


class BlobSender:
    """One receiver's queue. OPEN_BLOB gives an open handle (see `BlobStore.open`) or raises LookupError."""

    def __init__(self, open_blob: Callable[[str], int], chunk_bytes: int = CHUNK_BYTES) -> None:
        self._open_blob, self._chunk_bytes = open_blob, chunk_bytes
        self._queue: deque[str] = deque()
        self._credit = 0  # the last chunk may take more than is left of it
        self._handle: int | None = None
        self._offset = self._size = 0

    def want(self, blobs: Sequence[str], credit: int) -> None:
        """The receiver asks for BLOBS after those that it asked for before. TransferError where that is too much."""
        if len(self._queue) + len(blobs) > MAX_QUEUED or not all(is_digest(blob) for blob in blobs):
            raise TransferError(f"a receiver asks for more than {MAX_QUEUED} blobs at once, or for no blobs at all")
        self._queue.extend(blobs)
        self.grant(credit)

    def grant(self, size: int) -> None:
        """The receiver can take SIZE bytes more. TransferError where that makes no sense."""
        if not 0 <= size <= MAX_CREDIT or self._credit + size > MAX_CREDIT:
            raise TransferError(f"a receiver grants more than {MAX_CREDIT} bytes")
        self._credit += size

    @property
    def waiting(self) -> bool:
        """Whether something is to be sent once there is credit."""
        return bool(self._queue)

    def next_pieces(self) -> Iterator[Piece]:
        """What may be sent now. It may be left at any piece and taken up again by another call."""
        while self._queue and self._credit > 0:
            blob = self._queue[0]
            if self._handle is None:
                try:
                    self._handle = self._open_blob(blob)
                except LookupError:
                    self._queue.popleft()
                    yield Piece(Missing(blob))
                    continue
                self._offset, self._size = 0, os.fstat(self._handle).st_size
            yield self._chunk(blob, self._handle)

    def close(self) -> None:
        """The receiver is gone."""
        self._queue.clear()
        self._credit = 0
        self._end()

    def _chunk(self, blob: str, handle: int) -> Piece:
        data = os.pread(handle, self._chunk_bytes, self._offset)
        offset = self._offset
        self._offset += len(data)
        self._credit -= cost(data)
        last = self._offset >= self._size or not data
        if last:
            self._queue.popleft()
            self._end()
        return Piece(Chunk(blob, offset, last), data)

    def _end(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class BlobReceiver:
    """Writes WANTED, in that order, into the private folder INTO, each under its blob's name once it is verified.

    After a lost connection a new one is asked for `remaining()`, once `restart()` was called.
    """

    def __init__(self, wanted: Sequence[WantedBlob], into: Path, window: int = WINDOW_BYTES) -> None:
        self._wanted = deque(wanted)
        self._into, self.window = into, window
        self._consumed = 0  # credit of what was taken in and is not granted anew yet
        self._arriving: _Arriving | None = None

    def remaining(self) -> list[str]:
        """The blobs that have not come yet, in order: what to ask for, with `window` as credit."""
        return [wanted.blob for wanted in self._wanted]

    @property
    def done(self) -> bool:
        """Whether everything is here."""
        return not self._wanted

    def feed(self, message: Chunk | Missing, data: bytes | memoryview = b"") -> int:
        """Take in a piece; how much credit to grant (0 most times, so that grants are few).

        TransferError where it is not the next chunk of the next blob, or is too long, or the blob is not what its name
        (or its digest) says; NotServed where the other side does not have the next blob.
        """
        try:
            if isinstance(message, Missing):
                self._missing(message.blob)
            else:
                self._take(message, data)
        except BaseException:
            self.abandon()
            raise
        return self._grant(cost(data))

    def restart(self) -> None:
        """The connection is new: the blob that was cut off is brought from its beginning."""
        self.abandon()
        self._consumed = 0

    def abandon(self) -> None:
        """Remove the blob that is half here."""
        if self._arriving is not None:
            self._arriving.abandon()
            self._arriving = None

    def _missing(self, blob: str) -> None:
        if not self._wanted or self._wanted[0].blob != blob:
            raise TransferError("the other side misses a blob that was not asked for")
        raise NotServed("the master no longer has this version of a file: run the job again")

    def _take(self, chunk: Chunk, data: bytes | memoryview) -> None:
        offset = self._arriving.offset if self._arriving else 0
        if not self._wanted or (chunk.blob, chunk.offset) != (self._wanted[0].blob, offset):
            raise TransferError("the other side sent a chunk that was not asked for")
        wanted, end = self._wanted[0], offset + len(data)
        if (
            len(data) > MAX_FILES_BYTES
            or end > wanted.size
            or (chunk.last and wanted.exact and end != wanted.size)
            or (not data and not chunk.last)
        ):
            raise WrongBlob(wanted.blob, f"it has {end} bytes where {wanted.size} were expected")
        if self._arriving is None:
            self._arriving = _Arriving(wanted, self._into)
        self._arriving.take(data, chunk.last)
        if chunk.last:
            self._arriving.finish(self._into / wanted.blob)
            self._arriving = None
            self._wanted.popleft()

    def _grant(self, taken: int) -> int:
        self._consumed += taken
        if self._consumed < max(1, self.window // 4) or not self._wanted:
            return 0
        granted, self._consumed = self._consumed, 0
        return granted


class _Arriving:
    """A blob on its way into a temporary file of the folder INTO. OFFSET: how many of its bytes came."""

    def __init__(self, wanted: WantedBlob, into: Path) -> None:
        self._blob, self._digest = wanted.blob, wanted.digest if wanted.key else wanted.blob
        self._opener: Opener | None = None
        if wanted.key:
            from saltern.wire.blob import Opener  # here, since the sender's side never opens anything

            self._opener = Opener(wanted.key)
        self._hash = hashlib.sha256()
        self.offset = 0
        self._handle, self._temporary = private.new_file(into)

    def take(self, data: bytes | memoryview, last: bool) -> None:
        """Write the next chunk. WrongBlob where it does not open."""
        self.offset += len(data)
        _write_all(self._handle, plain := self._opened(data, last))
        self._hash.update(plain)

    def finish(self, final: Path) -> None:
        """Put the file in its place. WrongBlob where it is not what was wanted."""
        if self._hash.hexdigest() != self._digest:
            raise WrongBlob(self._blob, "its contents are not what its name says")
        os.rename(self._temporary, final)
        os.close(self._handle)

    def abandon(self) -> None:
        """Remove the file."""
        os.close(self._handle)
        self._temporary.unlink(missing_ok=True)

    def _opened(self, data: bytes | memoryview, last: bool) -> bytes | memoryview:
        if self._opener is None:
            return data
        from saltern.wire.blob import DamagedBlob

        try:
            return self._opener.open(data, last)
        except DamagedBlob as error:
            raise WrongBlob(self._blob, str(error)) from None


def _write_all(handle: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
