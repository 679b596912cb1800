"""Questions about a path that may lie on a server that is away: answered in bounded time, or said to have none.

At most one process at a time waits for a path. While one hangs there, the next question is not even put: the answer is
known, and stuck processes do not pile up. A lock (flock(2)) that the process inherits tells, and ends with it.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from modules import _look
from modules._run import run
from saltern.errors import TemporaryError

LOCKS = "/run/saltern/probes"
TIMEOUT_S = 10.0  # for one question
LOCAL_S = 1.0  # two questions about the same path at the same time wait for each other, this long at least


class NoAnswer(TemporaryError):
    """A file system did not answer in time."""


class Answer(NamedTuple):
    """What a look at a path came to: the VALUE, or the ERROR (the name of an errno, or "ETIMEDOUT" where there was no
    answer in time) and its text SAID."""

    value: Any = None
    error: str | None = None
    said: str = ""


def ask(work: str, path: str, *words: str, timeout_s: float | None = None) -> Answer:
    """What the function WORK of `_look` says of PATH, within TIMEOUT_S (default: the module's)."""
    import json

    timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
    deadline = time.monotonic() + timeout_s
    lock = _lock(path)
    try:
        while not _held(lock):
            if time.monotonic() >= deadline:
                return Answer(error="ETIMEDOUT", said="it did not answer an earlier question yet")
            time.sleep(0.02)
        left = max(LOCAL_S, deadline - time.monotonic())
        argv = [sys.executable, "-I", "-S", _look.__file__, work, path, *words]
        ran = run(argv, timeout_s=left, env={"LC_ALL": "C"}, pass_fds=[lock] if lock is not None else ())
    finally:
        if lock is not None:
            os.close(lock)
    if ran.timed_out:
        return Answer(error="ETIMEDOUT", said=f"it did not answer within {timeout_s:g} s")
    try:
        found = json.loads(ran.out)
    except ValueError:
        return Answer(error="EIO", said=(ran.err.strip().splitlines() or [f"it ended with {ran.code}"])[-1])
    return Answer(found.get("ok"), found.get("error"), found.get("said", ""))


def ask_all(work: str, paths: Sequence[str], *, timeout_s: float | None = None) -> Mapping[str, Answer]:
    """`ask` for each of PATHS at the same time, so that one that does not answer costs the time of one."""
    import threading

    found: dict[str, Answer] = {}

    def one(path: str) -> None:
        found[path] = ask(work, path, timeout_s=timeout_s)

    threads = [threading.Thread(target=one, args=(path,), daemon=True) for path in dict.fromkeys(paths)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def _lock(path: str) -> int | None:
    """A descriptor of the lock of PATH; None where there can be none (not root, no /run)."""
    try:
        os.makedirs(LOCKS, mode=0o700, exist_ok=True)
        name = sha256(os.fsencode(path)).hexdigest()[:32]
        return os.open(f"{LOCKS}/{name}", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return None


def _held(lock: int | None) -> bool:
    if lock is None:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
