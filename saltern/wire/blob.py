"""A file as one encrypted blob that memory never has to hold whole.

The STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár, "Online Authenticated-Encryption and its
Nonce-Reuse Misuse-Resistance" (CRYPTO 2015, section 7), as age uses it (age-encryption.org/v1, "Payload"): chunks of
CHUNK_BYTES, each sealed with AES-256-GCM under a nonce of an 11-byte big-endian counter and one byte that is 1 for the
last chunk alone. A chunk that is changed, moved, repeated, cut off or added fails to open. The counter may start at
zero since each blob has a fresh random key. A blob is named by the SHA-256 of its ciphertext, so whoever stores or
carries it can check it without a key, and needs not be trusted.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from saltern.errors import PermanentError
from saltern.wire import messages

CHUNK_BYTES = messages.PLAIN_CHUNK_BYTES
TAG_BYTES = messages.CHUNK_BYTES - CHUNK_BYTES
KEY_BYTES = 32


class DamagedBlob(PermanentError):
    """A blob is not what its name, its key or its manifest says."""


class Source(Protocol):
    """What is read from: a binary file."""

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Fill BUFFER from its start; how many bytes came, 0 at the end."""
        ...


class Sink(Protocol):
    """What is written to: a binary file."""

    def write(self, data: memoryview, /) -> int | None:
        """Write DATA; how many bytes were taken."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """What one pass wrote: the SHA-256 (hex) of the plain text, the blob's name, and the size of the plain text."""

    digest: str
    blob: str
    size: int


def new_key() -> bytes:
    """A key for one blob and never a second one."""
    return os.urandom(KEY_BYTES)


def sealed_size(size: int) -> int:
    """How many bytes the blob of a file of SIZE bytes has."""
    return size + TAG_BYTES * max(1, -(-size // CHUNK_BYTES))


def encrypt_stream(source: Source, sink: Sink, key: bytes) -> Written:
    """Encrypt SOURCE, from where it stands to its end, into SINK under KEY, which no other blob may ever use."""
    cipher = AESGCM(key)
    out = memoryview(bytearray(CHUNK_BYTES + TAG_BYTES))
    plain_hash, blob_hash, size = hashlib.sha256(), hashlib.sha256(), 0
    for index, chunk, last in _chunks(source, CHUNK_BYTES):
        plain_hash.update(chunk)
        sealed = out[: len(chunk) + TAG_BYTES]
        cipher.encrypt_into(_nonce(index, last), chunk, None, sealed)
        blob_hash.update(sealed)
        _write_all(sink, sealed)
        size += len(chunk)
    return Written(plain_hash.hexdigest(), blob_hash.hexdigest(), size)


class Opener:
    """Opens one blob's chunks, in their order, under its KEY."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)
        self._index, self._ended = 0, False
        self._out = memoryview(bytearray())

    def open(self, sealed: bytes | memoryview, last: bool) -> memoryview:
        """The plain text of the next chunk, valid until the one after is opened. LAST: it is said to be the end.

        DamagedBlob where it is not that chunk, or not the last one, or one came after the last.
        """
        size = len(sealed) - TAG_BYTES
        if (
            self._ended
            or not 0 <= size <= CHUNK_BYTES
            or not (last or size == CHUNK_BYTES)
            or (not size and self._index)
        ):
            raise DamagedBlob(f"a blob is cut off in chunk {self._index}")  # an empty chunk is the only one of its blob
        if size > len(self._out):
            self._out = memoryview(bytearray(size))  # the first chunk is the longest
        plain = self._out[:size]
        try:
            self._cipher.decrypt_into(_nonce(self._index, last), sealed, None, plain)
        except InvalidTag:
            raise DamagedBlob(f"a blob does not open with its key at chunk {self._index}: changed or cut off") from None
        self._index, self._ended = self._index + 1, last
        return plain


def decrypt_stream(source: Source, sink: Sink, key: bytes) -> Written:
    """Decrypt the blob SOURCE into SINK. DamagedBlob where it does not open or does not end where it should.

    What was written before that is genuine but may be short, so the caller uses SINK only after this returned and the
    digests are those of the manifest.
    """
    opener = Opener(key)
    plain_hash, blob_hash, size = hashlib.sha256(), hashlib.sha256(), 0
    for _, sealed, last in _chunks(source, CHUNK_BYTES + TAG_BYTES):
        plain = opener.open(sealed, last)
        plain_hash.update(plain)
        blob_hash.update(sealed)
        _write_all(sink, plain)
        size += len(plain)
    return Written(plain_hash.hexdigest(), blob_hash.hexdigest(), size)


def _chunks(source: Source, chunk_bytes: int) -> Iterator[tuple[int, memoryview, bool]]:
    """SOURCE in pieces of CHUNK_BYTES: (index, bytes, whether it is the last). An empty source gives one empty piece.

    Two buffers take turns, since only the next read says whether the present piece is the last; a piece is valid until
    the next one is asked for.
    """
    now, after = memoryview(bytearray(chunk_bytes)), memoryview(bytearray(chunk_bytes))
    filled, index = _fill(source, now), 0
    while True:
        following = _fill(source, after) if filled == chunk_bytes else 0
        yield index, now[:filled], not following
        if not following:
            return
        now, after, filled, index = after, now, following, index + 1


def _fill(source: Source, buffer: memoryview) -> int:
    filled = 0
    while filled < len(buffer):
        got = source.readinto(buffer[filled:])
        if not got:
            break
        filled += got
    return filled


def _write_all(sink: Sink, data: memoryview) -> None:
    while data:
        taken = sink.write(data)
        if not taken:
            raise BlockingIOError("a blob is written to a file that takes nothing")
        data = data[taken:]


def _nonce(index: int, last: bool) -> bytes:
    return index.to_bytes(11, "big") + (b"\1" if last else b"\0")
