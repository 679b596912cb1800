"""Questions about a path that may lie on a server that is away: answered in bounded time, or said to have none.

At most one process at a time waits for a path. While one hangs there, the next question is not even put: the answer is
known, and stuck processes do not pile up. A lock (flock(2)) that the process inherits tells, and ends with it. And
what lies on a server that gave no answer a moment ago is asked again, but waited for briefly: so a run over many mounts
of a server that is away waits for it once.
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

LOCKS = "/run/saltern/probes"
START_S = 30.0  # for the process that asks; a node that is too busy for that knows nothing of any server
TIMEOUT_S = 10.0  # for one question, once it is put
AGAIN_S = 3.0  # for one whose server gave no answer RECENT_S seconds ago or less; the least for any
RECENT_S = 60.0


class Answer(NamedTuple):
    """What a look at a path came to: the VALUE, or the ERROR (the name of an errno, or "ETIMEDOUT" where there was no
    answer in time) and its text SAID."""

    value: Any = None
    error: str | None = None
    said: str = ""


def ask(work: str, path: str, *words: str, timeout_s: float | None = None, server: str | None = None) -> Answer:
    """What the function WORK of `_look` says of PATH, within TIMEOUT_S (default: the module's). SERVER: what answers
    for PATH, where that is known (`server_of`)."""
    import json

    timeout_s = TIMEOUT_S if timeout_s is None else timeout_s
    lock = _lock(server or path)
    try:
        if _was_silent(lock):
            timeout_s = min(timeout_s, AGAIN_S)
        deadline = time.monotonic() + timeout_s
        while not _held(lock):
            if time.monotonic() >= deadline:
                return Answer(error="ETIMEDOUT", said="it did not answer an earlier question yet")
            time.sleep(0.02)
        left = max(AGAIN_S, deadline - time.monotonic())
        argv = [sys.executable, "-I", "-S", _look.__file__, work, path, *words]
        held = [lock] if lock is not None else ()
        ran = run(argv, timeout_s=left, starts_s=START_S, env={"LC_ALL": "C"}, pass_fds=held)
        if ran.timed_out and not ran.out:
            late = f"the process that asks did not start within {START_S:g} s: is this node overloaded?"
            return Answer(error="EAGAIN", said=late)
        _note(lock, silent=ran.timed_out)
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


def recently_silent(server: str) -> bool:
    """Whether SERVER gave no answer within the last RECENT_S seconds, to a question or to a mount."""
    lock = _lock(server)
    try:
        return _was_silent(lock)
    finally:
        if lock is not None:
            os.close(lock)


def note_silent(server: str) -> None:
    """Note that SERVER gave no answer."""
    lock = _lock(server)
    if lock is not None:
        _note(lock, silent=True)
        os.close(lock)


def server_of(device: str) -> str:
    """The server in the source of a mount ("filer:/images", "[fd00::1]:/x", "//host/share"), or DEVICE itself. Pure."""
    host, found, _ = device.partition(":/")
    if found and host:
        return host
    return "/".join(device.split("/")[:3]) if device.startswith("//") else device


def ask_all(work: str, paths: Sequence[str], *, timeout_s: float | None = None) -> Mapping[str, Answer]:
    """`ask` for each of PATHS at the same time, so that all that do not answer cost the time of one."""
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


def _was_silent(lock: int | None) -> bool:
    """Whether a question gave up not long ago."""
    try:
        since = float(os.pread(lock, 64, 0) or b"-inf") if lock is not None else float("-inf")
    except (OSError, ValueError):
        return False
    return 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - since <= RECENT_S


def _note(lock: int | None, *, silent: bool) -> None:
    """Note for the next question whether this one gave up."""
    if lock is not None and (silent or os.fstat(lock).st_size):
        os.ftruncate(lock, 0)
        if silent:
            os.pwrite(lock, str(time.clock_gettime(time.CLOCK_BOOTTIME)).encode(), 0)
