"""The minion's memory of jobs: what it has received and what it still owes the master, durable and small.

An append-only file of records, each with its length and checksum. A job is noted before it is run, so it is never run
twice; a return is noted before it is sent and forgotten when the master has stored it, so it is never lost. What a
power cut tore off at the end is recognised by the checksum and dropped. The file is rewritten when most of it is past.

A write survives SIGKILL by itself; a sync, which survives a power cut too, is asked for where a job acts on the node
(a job that only reads may run again after a power cut, since that changes nothing).
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from pathlib import Path

import msgspec

from saltern.errors import SalternError
from saltern.wire import messages as m

_HEAD = struct.Struct("<II")  # length, CRC-32
_KEEP_S = 7 * 86400.0  # how long a job id is remembered after its end; the master never sends one that old again
_KEEP_MOST = 100_000
_REWRITE_BYTES = 4 * 1024 * 1024


class Seen(msgspec.Struct, frozen=True, array_like=True, tag="seen"):
    """The job was received AT (seconds since the epoch)."""

    jid: str
    at: float


class Owed(msgspec.Struct, frozen=True, array_like=True, tag="owed"):
    """The encoded message with the return of a job, to be sent until it is stored."""

    jid: str
    message: bytes


class Settled(msgspec.Struct, frozen=True, array_like=True, tag="settled"):
    """The master has stored the return."""

    jid: str


_decode = msgspec.msgpack.Decoder(Seen | Owed | Settled).decode


class JournalError(SalternError):
    """The journal can't be read or written; the message says which file and why."""


class Journal:
    """The journal in FILE, read at once. `begun` are jobs that were received but have no return: the ones that ran
    when the minion was ended."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.seen: dict[str, float] = {}
        self.owed: dict[str, bytes] = {}
        self._settled: set[str] = set()
        try:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._read()
            self._handle = self._rewritten()
        except OSError as error:
            raise JournalError(f"{file}: the journal of jobs can't be used: {error.strerror}") from None

    @property
    def begun(self) -> list[str]:
        """Jobs that were received and have neither been returned nor settled."""
        return [jid for jid in self.seen if jid not in self.owed and jid not in self._settled]

    def note_received(self, jid: str, *, sync: bool) -> bool:
        """Note that the job arrived. False where it was known already: it must not be run."""
        if jid in self.seen:
            return False
        now = time.time()
        self._append(Seen(jid, now), sync=sync)
        self.seen[jid] = now
        return True

    def note_owed(self, jid: str, message: bytes, *, sync: bool) -> None:
        """Note the return of a job, before it is sent."""
        self._append(Owed(jid, message), sync=sync)
        self.owed[jid] = message
        self.seen.setdefault(jid, time.time())

    def note_settled(self, jid: str) -> None:
        """The master has the return. Not synced: at worst it is sent once more, and the master knows it."""
        if self.owed.pop(jid, None) is not None:
            self._settled.add(jid)
            self._append(Settled(jid), sync=False)
            if self._size > _REWRITE_BYTES and self._size > 4 * sum(map(len, self.owed.values())):
                self.close()
                self._handle = self._rewritten()

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def _append(self, record: Seen | Owed | Settled, *, sync: bool) -> None:
        data = _framed(record)
        try:
            written = os.write(self._handle, data)
            if written != len(data):
                raise OSError(28, "No space left on device")
            if sync:
                os.fdatasync(self._handle)
        except OSError as error:
            os.ftruncate(self._handle, self._size)  # nothing half written stays before later records
            raise JournalError(f"{self._file}: the journal of jobs can't be written: {error.strerror}") from None
        self._size += len(data)

    def _read(self) -> None:
        try:
            data = memoryview(self._file.read_bytes())
        except FileNotFoundError:
            return
        position = 0
        while position + _HEAD.size <= len(data):
            length, checksum = _HEAD.unpack_from(data, position)
            body = data[position + _HEAD.size : position + _HEAD.size + length]
            if len(body) != length or zlib.crc32(body) != checksum:
                return
            position += _HEAD.size + length
            try:
                record = _decode(body)
            except msgspec.MsgspecError:
                return
            if isinstance(record, Seen):
                self.seen[record.jid] = record.at
            elif isinstance(record, Owed):
                self.seen.setdefault(record.jid, time.time())
                self.owed[record.jid] = record.message
            else:
                self.owed.pop(record.jid, None)
                self._settled.add(record.jid)

    def _rewritten(self) -> int:
        """A new file with what still counts, put in the old one's place durably."""
        horizon = time.time() - _KEEP_S
        unfinished = set(self.owed) | set(self.begun)
        recent = sorted((at, jid) for jid, at in self.seen.items() if at >= horizon)[-_KEEP_MOST:]
        kept = {jid for _, jid in recent} | unfinished
        self.seen = {jid: at for jid, at in self.seen.items() if jid in kept}
        self._settled &= kept
        temporary = self._file.with_name(f".{self._file.name}.new")
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_APPEND, 0o600)
        records: list[Seen | Owed | Settled] = [Seen(jid, at) for jid, at in self.seen.items()]
        records += [Owed(jid, message) for jid, message in self.owed.items()]
        records += [Settled(jid) for jid in self._settled]
        data = b"".join(map(_framed, records))
        if os.write(handle, data) != len(data):
            raise OSError(28, "No space left on device")
        os.fdatasync(handle)
        os.replace(temporary, self._file)
        self._size = len(data)
        return handle


def _framed(record: Seen | Owed | Settled) -> bytes:
    body = m.encode(record)
    return _HEAD.pack(len(body), zlib.crc32(body)) + body
