"""One state run at a time on a node: a lock that the kernel holds, so that it ends with its owner, however that ends.

The file says who holds it, for people; only flock(2) decides. A run in test mode changes nothing and takes no lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from saltern.errors import PermanentError, TemporaryError

NAME = "state.lock"


class StateRunning(TemporaryError):
    """Another state run is at work."""


def lock_file(var: Path) -> Path:
    """Where the lock of a minion lies; VAR is its `/var/lib/saltern`."""
    return var / "minion" / NAME


@contextmanager
def held(file: Path, *, jid: str, fun: str, wait: bool) -> Iterator[None]:
    """Hold the lock FILE inside the block. Where another run holds it, WAIT for that, or raise StateRunning, which
    says who runs since when. PermanentError where the file can't be made."""
    try:
        os.makedirs(file.parent, mode=0o700, exist_ok=True)
        fd = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise PermanentError(f"can't make sure that no other state run is at work: {file}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise StateRunning(told(_read(fd)), delay_s=5.0) from None
        owner = {"jid": jid, "pid": os.getpid(), "fun": fun, "since": time.time()}
        os.ftruncate(fd, 0)
        with suppress(OSError):  # a full disk, which a run may be about to mend: then nobody is told who runs
            os.pwrite(fd, json.dumps(owner).encode(), 0)
        yield
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)


def owner(file: Path) -> dict[str, Any] | None:
    """Who holds the lock FILE now ({"jid", "pid", "fun", "since"}; {} where that is not known), or None."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read(fd)
    else:
        return None
    finally:
        os.close(fd)


def told(owner: dict[str, Any]) -> str:
    """The sentence about a run at work."""
    if not owner:
        return "another state run has just begun; try again, or give queue=True to wait for it"
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(owner["since"]))
    return (
        f'The function "{owner["fun"]}" is running as PID {owner["pid"]} and was started at {since} with jid '
        f"{owner['jid']}; try again when it has ended, or give queue=True to wait for it"
    )


def _read(fd: int) -> dict[str, Any]:
    try:
        found = json.loads(os.pread(fd, 4096, 0))
        known = {"jid": str, "pid": int, "fun": str, "since": float}
        return {key: kind(found[key]) for key, kind in known.items()}
    except (ValueError, KeyError, TypeError):
        return {}
