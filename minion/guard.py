"""The network guard: a process of its own that takes an uncommitted change of the network back.

It is armed before the first step and needs nothing more from then on: checkpoint, code and netlink socket are in its
memory. It acts when the deadline passes, or at once when the process that is at work on the change has died, since then
nobody can commit it. Started again after its own death, or at the next boot, it goes on where `pending` says.
"""

from __future__ import annotations

import os
import select
import signal
import socket as sockets
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from modules._checkpoint import capture
from modules._checkpoint.checkpoint import BadCheckpoint
from modules._checkpoint.diff import way_back
from modules._run import run
from modules._transaction.end import roll_back
from modules._transaction.store import RUNNING, WAITING, Last, Pending, Store, boot_id, folder_of, started_at
from saltern.config import Paths
from saltern.errors import TemporaryError
from saltern.marks import permit_acting

_POLL_S = 0.25  # how soon the end or another deadline of the transaction is seen
_STEP_S = 5.0  # how long a step that is under way at the deadline may still take


def main(root: Path, *, boot: bool = False) -> int:
    """Guard the transaction of ROOT until it is over. BOOT: networking has not begun yet."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("-1000")
    store = Store(folder_of(Paths(root).var))
    with suppress(BadCheckpoint):
        pending = store.pending()
        if pending is None:
            _tell_systemd()
            return 0
        with permit_acting():
            if pending.boot != boot_id():
                after_boot(store, pending, early=boot and not _networking())
            else:
                guard(store, pending)
    _tell_systemd()
    return 0


def after_boot(store: Store, pending: Pending, *, early: bool) -> Last:
    """The node went down before the change was committed: what it wrote must not come up. EARLY: before networking, so
    the files are enough; else what it brought up already is taken back too."""
    last = roll_back(store, pending, "the node went down before it was committed", "boot", kernel=not early)
    _tell_systemd()
    return last


def _networking() -> bool:
    """Whether something has brought up the network since the boot, as far as systemd knows."""
    ran = run(["systemctl", "is-active", "--quiet", "network.target"], timeout_s=_STEP_S)
    return ran.code == 0 or ran.timed_out


def guard(store: Store, pending: Pending) -> Last | None:
    """Wait for the end of PENDING, and be it. None where somebody else was."""
    mark = _hold(store, pending)
    if mark is None:
        return None  # another guard is armed for it
    with capture.conversation() as netlink:
        try:
            way_back(capture.kernel(netlink), store.checkpoint().kernel, store.touched())  # loads all that it takes
        except (BadCheckpoint, OSError) as error:
            store.say("guard", problem=str(error))
            return None
        os.pwrite(mark, pending.id.encode(), 0)  # in the block that it has: the disk may be full by now
        os.ftruncate(mark, len(pending.id))
        store.say("armed", deadline_s=round(pending.left_s, 1))
        _tell_systemd()
        why = _wait(store, pending)
        if why is None:
            return None
        _stop_steps(store, pending)
        return roll_back(store, pending, why, "guard", netlink)


def _hold(store: Store, pending: Pending) -> int | None:
    """The descriptor of the file that says that this guard lives, kept open until its end."""
    import fcntl

    handle = os.open(store.folder / "guard", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        deadline = time.monotonic() + 2  # one that is about to end, of the transaction before
        while time.monotonic() < deadline:
            with suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return handle
            time.sleep(_POLL_S / 5)
        os.close(handle)
        return None
    return handle


def _wait(store: Store, pending: Pending) -> str | None:
    """Why the change is to be taken back now; None where it is over."""
    watched: int | None = None
    try:
        while True:
            try:
                now = store.pending()
            except (BadCheckpoint, OSError):
                now = pending  # a file that can't be read ends nothing
            if now is None or now.id != pending.id:
                return None
            if now.left_s <= 0:
                return _late(now)
            if now.phase == RUNNING:
                if watched is None:
                    watched = _watch(now)
                if watched is None:
                    return "the process that made the change ended in the middle of it"
                wait_s = min(_POLL_S, now.left_s)
                if select.select([watched], [], [], wait_s)[0] and _still_running(store, pending):
                    return "the process that made the change ended in the middle of it"
            else:
                time.sleep(min(_POLL_S, now.left_s))
    finally:
        if watched is not None:
            os.close(watched)


def _late(now: Pending) -> str:
    if now.phase == WAITING:
        return f"nobody confirmed it (network.confirm) within {now.limit_s:g} s"
    return f"it was not confirmed within {now.limit_s:g} s"


def _watch(pending: Pending) -> int | None:
    """A descriptor that becomes readable when the process at work ends; None where it has ended."""
    try:
        found = os.pidfd_open(pending.pid)
    except OSError:
        return None
    if started_at(pending.pid) != pending.pid_start:
        os.close(found)
        return None
    return found


def _still_running(store: Store, pending: Pending) -> bool:
    """Whether the transaction, whose process has ended, still says that it is at work: not that it waits for a person,
    and not that it is over."""
    with suppress(BadCheckpoint, OSError):
        now = store.pending()
        return now is not None and now.id == pending.id and now.phase == RUNNING
    return True


def _stop_steps(store: Store, pending: Pending) -> None:
    """See to it that no step is under way: one that goes on for too long is ended with its process."""
    try:
        with store.locked(wait_s=_STEP_S):
            return
    except TemporaryError:
        if pending.pid and started_at(pending.pid) == pending.pid_start:
            store.say("kill", holder=pending.pid)
            with suppress(ProcessLookupError):
                os.kill(pending.pid, signal.SIGKILL)


def _tell_systemd() -> None:
    """That it is ready (sd_notify(3)), where systemd started it."""
    place = os.environ.get("NOTIFY_SOCKET")
    if not place:
        return
    address: Any = "\0" + place[1:] if place.startswith("@") else place
    with suppress(OSError), sockets.socket(sockets.AF_UNIX, sockets.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1", address)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), boot="--boot" in sys.argv[2:]))
