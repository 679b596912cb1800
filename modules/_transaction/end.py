"""The two ends of a network transaction: committed, or everything back as it was. Whoever comes first decides."""

from __future__ import annotations

import os
import time
from typing import Any

from modules._checkpoint import restore
from modules._checkpoint.capture import conversation
from modules._checkpoint.checkpoint import BadCheckpoint
from modules._run import CommandError, run, which
from modules._transaction.store import COMMITTED, INCOMPLETE, ROLLED_BACK, Last, Pending, Store, now_ns

TRIES = 3  # of the whole way back, where something remains
_PAUSE_S = 1.0
_RELOAD_S = 10.0


def commit(store: Store, pending: Pending, why: str, by: str) -> Last:
    """Keep the change. TransactionError where it was taken back meanwhile."""
    with store.locked():
        store.still(pending)
        last = Last(
            id=pending.id,
            jid=pending.jid,
            outcome=COMMITTED,
            why=why,
            by=by,
            ended=time.time(),
            remains=[],
            took_s=round((now_ns() - pending.began_ns) / 1e9, 2) if pending.began_ns else 0.0,
        )
        store.end(last)
    return last


def roll_back(
    store: Store,
    pending: Pending,
    why: str,
    by: str,
    socket: Any = None,
    *,
    kernel: bool = True,
    again: bool = False,
) -> Last:
    """Take the change back and prove it. With SOCKET no new one is opened; without KERNEL only the files are taken back
    (at boot, before anything has set up the network). Where it is over already, how it ended; AGAIN: it went back in
    part, and is tried once more."""
    with store.locked():
        now = store.pending()
        if now is None or now.id != pending.id:
            last = store.last()
            if last is not None and last.id == pending.id and not again:
                return last
        began = time.monotonic()
        store.say("rollback", why=why, by=by)
        remains = ["everything"]
        for attempt in range(TRIES):
            remains = _back(store, socket, kernel)
            if not remains:
                break
            store.say("remains", what=remains)
            store.ease()  # not before: what fills the disk would take it
            time.sleep(_PAUSE_S if attempt + 1 < TRIES else 0)
        last = Last(
            id=pending.id,
            jid=pending.jid,
            outcome=INCOMPLETE if remains else ROLLED_BACK,
            why=why,
            by=by,
            ended=time.time(),
            remains=remains,
            took_s=round(time.monotonic() - began, 2),
        )
        store.end(last)
        return last


def _back(store: Store, socket: Any, kernel: bool) -> list[str]:
    """Take all back once. What remains."""

    def say(words: str) -> None:
        store.say("back", step=words)

    try:
        checkpoint, touched = store.checkpoint(), store.touched()
    except (BadCheckpoint, OSError) as error:
        return [f"everything: {error}"]
    try:
        changed, remains = restore.restore_files(checkpoint, touched, say, store.keep)
        if changed and kernel:
            reload_managers(say)
        if kernel:
            if socket is None:
                with conversation() as opened:
                    remains += restore.restore_kernel(opened, checkpoint, touched, say)
            else:
                remains += restore.restore_kernel(socket, checkpoint, touched, say)
    except Exception as error:  # whatever it is, the other tries and the report must come
        return [f"the way back was cut off: {type(error).__name__}: {error}"]
    return remains


def reload_managers(say: Any) -> None:
    """Have the daemons that hold these files in memory read them again."""
    for program, argv, mark in (
        ("networkctl", ["networkctl", "reload"], "/run/systemd/netif"),
        ("nmcli", ["nmcli", "connection", "reload"], "/run/NetworkManager"),
    ):
        if os.path.isdir(mark) and which(program):
            say(" ".join(argv))
            try:
                run(argv, timeout_s=_RELOAD_S)
            except CommandError:
                continue
