"""The files port without its sockets: messages in, messages out, with no more under way than the receiver asked for.

Both machines are plain values and files, so they are tested without a network. A sender reads at most a chunk for each
credit; a receiver grants credit as it has written, so a slow disk or line holds back its own transfer alone.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from saltern.errors import PermanentError, TemporaryError
from saltern.wire import private
from saltern.wire.manifest import is_digest
from saltern.wire.messages import CHUNK_BYTES, MAX_FILES_BYTES, Chunk, Missing

WINDOW_CHUNKS = 16  # what a receiver lets be under way: 4 MiB fill a 1 Gbit/s line over 30 ms
MAX_QUEUED = 20_000  # blobs that one receiver may have asked for and not got
MAX_CREDIT = 256


class TransferError(PermanentError):
    """What came is not what was asked for. The connection is of no use any more."""


class NotServed(TemporaryError):
    """The other side does not have a blob that its own manifest names: it was published anew meanwhile."""


@dataclass(frozen=True, slots=True)
class WantedBlob:
    """A blob to bring: its name, and how many bytes it has, or (EXACT false) may have at most."""

    blob: str
    size: int
    exact: bool = True


class BlobSender:
    """One receiver's queue. OPEN_BLOB gives an open handle (see `BlobStore.open`) or raises LookupError."""

    def __init__(self, open_blob: Callable[[str], int], chunk_bytes: int = CHUNK_BYTES) -> None:
        self._open_blob, self._chunk_bytes = open_blob, chunk_bytes
        self._queue: deque[str] = deque()
        self._credit = 0
        self._handle: int | None = None
        self._offset = self._size = 0

    def want(self, blobs: Sequence[str], credit: int) -> None:
        """The receiver asks for BLOBS after those that it asked for before. TransferError where that is too much."""
        if len(self._queue) + len(blobs) > MAX_QUEUED or not all(is_digest(blob) for blob in blobs):
            raise TransferError(f"a receiver asks for more than {MAX_QUEUED} blobs at once, or for no blobs at all")
        self._queue.extend(blobs)
        self.grant(credit)

    def grant(self, chunks: int) -> None:
        """The receiver can take CHUNKS more. TransferError where that makes no sense."""
        if not 0 <= chunks <= MAX_CREDIT or self._credit + chunks > MAX_CREDIT:
            raise TransferError(f"a receiver grants more than {MAX_CREDIT} chunks")
        self._credit += chunks

    @property
    def waiting(self) -> bool:
        """Whether something is to be sent once there is credit."""
        return bool(self._queue)

    def next_chunks(self) -> Iterator[Chunk | Missing]:
        """What may be sent now. It may be left at any message and taken up again by another call."""
        while self._queue and self._credit > 0:
            blob = self._queue[0]
            if self._handle is None:
                try:
                    self._handle = self._open_blob(blob)
                except LookupError:
                    self._queue.popleft()
                    yield Missing(blob)
                    continue
                self._offset, self._size = 0, os.fstat(self._handle).st_size
            yield self._chunk(blob, self._handle)

    def close(self) -> None:
        """The receiver is gone."""
        self._queue.clear()
        self._credit = 0
        self._end()

    def _chunk(self, blob: str, handle: int) -> Chunk:
        data = os.pread(handle, self._chunk_bytes, self._offset)
        offset = self._offset
        self._offset += len(data)
        self._credit -= 1
        last = self._offset >= self._size or not data
        if last:
            self._queue.popleft()
            self._end()
        return Chunk(blob, offset, data, last)

    def _end(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


class BlobReceiver:
    """Writes WANTED, in that order, into the private folder INTO, each under its name once its SHA-256 is that name.

    After a lost connection a new one is asked for `remaining()`, once `restart()` was called.
    """

    def __init__(self, wanted: Sequence[WantedBlob], into: Path, window: int = WINDOW_CHUNKS) -> None:
        self._wanted = deque(wanted)
        self._into, self.window = into, window
        self._consumed = 0  # chunks taken in and not yet granted anew
        self._handle: int | None = None
        self._temporary = into
        self._offset = 0
        self._hash = hashlib.sha256()

    def remaining(self) -> list[str]:
        """The blobs that have not come yet, in order: what to ask for, with `window` as credit."""
        return [wanted.blob for wanted in self._wanted]

    @property
    def done(self) -> bool:
        """Whether everything is here."""
        return not self._wanted

    def feed(self, blob: str, offset: int, data: bytes, last: bool) -> int:
        """Take in a chunk; how many chunks to grant (0 most times, so that grants are few).

        TransferError where it is not the next chunk of the next blob, or is too long, or the blob is not what its name
        says.
        """
        if not self._wanted or self._wanted[0].blob != blob or offset != self._offset or len(data) > MAX_FILES_BYTES:
            self.abandon()
            raise TransferError("the other side sent a chunk that was not asked for")
        wanted = self._wanted[0]
        end = offset + len(data)
        if end > wanted.size or (last and wanted.exact and end != wanted.size) or (not data and not last):
            self.abandon()
            raise TransferError(f"blob {blob} has {end} bytes where {wanted.size} were expected")
        if self._handle is None:
            self._handle, self._temporary = private.new_file(self._into)
        _write_all(self._handle, data)
        self._hash.update(data)
        self._offset = end
        if last:
            self._finish(blob)
        return self._grant()

    def missing(self, blob: str) -> None:
        """The other side does not have BLOB: NotServed, or TransferError where it was not asked for."""
        self.abandon()
        if not self._wanted or self._wanted[0].blob != blob:
            raise TransferError("the other side misses a blob that was not asked for")
        raise NotServed("the master no longer has this version of a file: run the job again")

    def restart(self) -> None:
        """The connection is new: the blob that was cut off is brought from its beginning."""
        self.abandon()
        self._consumed = 0

    def abandon(self) -> None:
        """Remove the blob that is half here."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
            self._temporary.unlink(missing_ok=True)
        self._offset, self._hash = 0, hashlib.sha256()

    def _finish(self, blob: str) -> None:
        if self._hash.hexdigest() != blob:
            self.abandon()
            raise TransferError(f"blob {blob} is damaged: its contents are not what its name says")
        os.rename(self._temporary, self._into / blob)
        if self._handle is not None:
            os.close(self._handle)
        self._handle, self._offset, self._hash = None, 0, hashlib.sha256()
        self._wanted.popleft()

    def _grant(self) -> int:
        self._consumed += 1
        if self._consumed < max(1, self.window // 4) or not self._wanted:
            return 0
        granted, self._consumed = self._consumed, 0
        return granted


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
