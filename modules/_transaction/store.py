"""What a network transaction keeps on disk, below VAR/minion/network, so that any process may end at any moment.

`pending` is the transaction itself: while it is there, the change is not committed, and whoever holds the lock may
take it back. Removing it is the one moment of the commit, and of the end of the way back.

    pending     which job, until when, who waits for what
    checkpoint  the network before the change
    touched     one line for each state: what it was about to touch
    journal     one line for each event, for people and tests; not synced
    last        the outcome of the last transaction
    lock        held shared for each step, exclusively for commit and rollback
    guard       held by the guard while it lives; says which transaction it is armed for
    replaced/   the files that were there when others were put back, under their paths with % for /
    spare       room for `last`, and `reserve`, for the files that are put back, where the disk is full by then
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from modules._checkpoint.checkpoint import BadCheckpoint, Checkpoint, SavedFile, Touched, decoded, encoded
from saltern.errors import PermanentError, TemporaryError
from saltern.wire.private import make_folder, sync_folder, write_file

RUNNING, WAITING = "running", "waiting"
COMMITTED, ROLLED_BACK, INCOMPLETE = "committed", "rolled back", "rollback incomplete"
_POLL_S = 0.02
_SPARE = 64 << 10  # bytes for `last`
_RESERVE = 1 << 20  # bytes beside those of the files themselves
_BLOCK = 4096  # what a file takes at least, and its name


class TransactionError(PermanentError):
    """A network transaction can't be opened, confirmed or rolled back as things are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A transaction that is not committed.

    `phase`: RUNNING, the process `pid` (started at `pid_start`, /proc/PID/stat) is at work on it; WAITING, a person has
    to confirm. `deadline_ns` is on CLOCK_BOOTTIME of the boot `boot`, which goes on while the node sleeps. `opened` in
    seconds since 1970. `path` is the management path in words.
    """

    id: str
    jid: str
    boot: str
    deadline_ns: int
    limit_s: float
    opened: float
    phase: str = RUNNING
    pid: int = 0
    pid_start: int = 0
    path: str = ""
    began_ns: int = 0

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; negative after it."""
        return (self.deadline_ns - now_ns()) / 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """How a transaction ended: OUTCOME is one of COMMITTED, ROLLED_BACK, INCOMPLETE. `by`: run, guard, boot, person.
    `remains`: what could not be taken back."""

    id: str
    jid: str
    outcome: str
    why: str
    by: str
    ended: float
    remains: list[str]
    took_s: float = 0.0

    @property
    def words(self) -> str:
        """For people."""
        left = f"; what remains: {'; '.join(self.remains)}" if self.remains else ""
        return f"{self.outcome}: {self.why}{left}"


def now_ns() -> int:
    """The clock of deadlines."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    """Which boot this is."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def started_at(pid: int) -> int:
    """When the process PID started (clock ticks after boot), 0 where there is none. Tells it from a later one."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if words[0] in "ZX" else int(words[19])


def folder_of(var: Path) -> Path:
    """Where it lies."""
    return var / "minion" / "network"


class Store:
    """The files of one FOLDER, which is made when a transaction is opened."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pending(self) -> Pending | None:
        """The transaction that is not committed, if any. BadCheckpoint where its file is damaged."""
        data = self._read("pending")
        return decoded(data, Pending) if data is not None else None

    def last(self) -> Last | None:
        """How the last one ended."""
        data = self._read("last")
        try:
            return decoded(data, Last) if data is not None else None
        except BadCheckpoint:
            return None

    def checkpoint(self) -> Checkpoint:
        """The network before the change. BadCheckpoint."""
        data = self._read("checkpoint")
        if data is None:
            raise BadCheckpoint(f"{self.folder / 'checkpoint'} is missing")
        found: Checkpoint = decoded(data, Checkpoint)
        return found

    def touched(self) -> Touched:
        """What the run was about to touch until now. A line that was cut off while it was written is none: its step had
        not begun."""
        found = Touched()
        for line in (self._read("touched") or b"").split(b"\n"):
            with suppress(BadCheckpoint):
                found = found.joined(decoded(line, Touched)) if line else found
        return found

    def open(self, pending: Pending, checkpoint: Checkpoint) -> None:
        """Begin a transaction, with room on the disk for its end. TransactionError where there is one, or no room."""
        with _told(f"the network as it is can't be kept in {self.folder}, so it is not changed"):
            make_folder(self.folder)
            with self.locked():
                other = self.pending()
                if other is not None:
                    raise TransactionError(leftover(other))
                for name in ("touched", "journal", *self._torn()):
                    (self.folder / name).unlink(missing_ok=True)
                shutil.rmtree(self.folder / "replaced", ignore_errors=True)
                write_file(self.folder / "checkpoint", encoded(checkpoint))
                try:
                    self._make_room(checkpoint)
                    write_file(self.folder / "pending", encoded(pending))
                except OSError:
                    self._give_room()
                    raise
        self.say("opened", jid=pending.jid, limit_s=pending.limit_s)

    def _torn(self) -> list[str]:
        """The files that a process did not finish, since it was killed: see `write_file`."""
        return [name for name in os.listdir(self.folder) if len(name) == 32 and set(name) <= set("0123456789abcdef")]

    def _make_room(self, checkpoint: Checkpoint) -> None:
        need = sum(len(file.data) + 2 * _BLOCK for file in checkpoint.files)
        for name, size in (("spare", _SPARE), ("reserve", _RESERVE + need), ("guard", 16)):
            handle = os.open(self.folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.posix_fallocate(handle, 0, size)
            finally:
                os.close(handle)

    def _give_room(self) -> None:
        for name in ("spare", "reserve"):
            (self.folder / name).unlink(missing_ok=True)

    def ease(self) -> None:
        """Give the room on the disk that was kept for files that are put back."""
        with suppress(OSError):
            (self.folder / "reserve").unlink(missing_ok=True)

    def keep(self, file: SavedFile) -> None:
        """Keep FILE, which is about to be replaced by what was there before: somebody else may have changed it in the
        meantime. Where the disk is full, it is not kept."""
        with suppress(OSError):
            folder = make_folder(self.folder / "replaced")
            write_file(folder / file.path.replace("/", "%")[-200:], file.data or (file.target or "").encode())

    def touch(self, touched: Touched) -> None:
        """Note durably what is about to be touched. TransactionError where that can't be."""
        with (
            _told(f"what is changed can't be noted in {self.folder}, so it is not changed"),
            open(self.folder / "touched", "ab", opener=_private) as file,
        ):
            file.write(encoded(touched))
            file.flush()
            os.fsync(file.fileno())

    def change(self, pending: Pending, **fields: Any) -> Pending:
        """PENDING with other FIELDS, durably. TransactionError where it is over meanwhile, or the disk is full."""
        with _told(f"{self.folder} can't be written"), self.locked():
            self.still(pending)
            changed = replace(pending, **fields)
            write_file(self.folder / "pending", encoded(changed))
            return changed

    def still(self, pending: Pending) -> None:
        """TransactionError where PENDING is over."""
        now = self.pending()
        if now is None or now.id != pending.id:
            last = self.last()
            said = last.words if last and last.id == pending.id else "it is over, and nothing says how"
            raise TransactionError(f"the network transaction of this run was {said}")

    def end(self, last: Last) -> None:
        """The transaction is over. To be called with the lock. A full disk does not keep it from ending."""
        try:
            write_file(self.folder / "last", encoded(last))
        except OSError:
            self._by_spare("last", encoded(last))
        (self.folder / "pending").unlink(missing_ok=True)
        with suppress(OSError):
            sync_folder(self.folder)
        self._give_room()
        for name in ("touched", "checkpoint") if last.outcome != INCOMPLETE else ():
            (self.folder / name).unlink(missing_ok=True)
        self.say("ended", outcome=last.outcome, by=last.by)

    def _by_spare(self, name: str, data: bytes) -> None:
        """Put DATA at NAME without a new block of the disk."""
        with suppress(OSError):
            with open(self.folder / "spare", "r+b") as file:
                file.write(data)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
            os.replace(self.folder / "spare", self.folder / name)

    def say(self, event: str, **fields: Any) -> None:
        """One line for the journal. Where that can't be written, nothing depends on it."""
        line = json.dumps({"t": round(now_ns() / 1e9, 4), "pid": os.getpid(), "event": event, **fields})
        with suppress(OSError), open(self.folder / "journal", "ab", opener=_private) as file:
            file.write(line.encode() + b"\n")

    @contextmanager
    def locked(self, *, shared: bool = False, wait_s: float | None = None) -> Iterator[None]:
        """Hold the lock, alone or with others. TemporaryError where it is not free within WAIT_S seconds."""
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, wait_s)
            yield
        finally:
            os.close(handle)

    @contextmanager
    def holding(self, pending: Pending) -> Iterator[None]:
        """While a step of PENDING runs, nobody takes it back. TransactionError where that has happened."""
        with self.locked(shared=True):
            self.still(pending)
            yield

    def armed(self) -> str:
        """The id of the transaction that a living guard is armed for, or ''."""
        try:
            handle = os.open(self.folder / "guard", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return ""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return os.read(handle, 100).decode("ascii", "replace").strip()
        else:
            return ""
        finally:
            os.close(handle)

    def _read(self, name: str) -> bytes | None:
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None


@contextmanager
def _told(what: str) -> Iterator[None]:
    """TransactionError that says WHAT, where the disk does not take what is written."""
    try:
        yield
    except OSError as error:
        raise TransactionError(f"{what}: {error.strerror or error}") from None


def leftover(other: Pending) -> str:
    """What to say where OTHER is in the way."""
    if other.phase == WAITING:
        return (
            f"the network change of job {other.jid} waits for a person ({max(0, other.left_s):.0f} s more): "
            "network.confirm keeps it, network.rollback takes it back"
        )
    return f"a network transaction is under way already, of job {other.jid} (network.pending shows it)"


def _lock(handle: int, kind: int, wait_s: float | None) -> None:
    if wait_s is None:
        fcntl.flock(handle, kind)
        return
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TemporaryError("another process holds the network transaction") from None
            time.sleep(_POLL_S)
        else:
            return


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
