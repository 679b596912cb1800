"""What a person sees and does of network transactions: `network.pending`, `confirm`, `rollback`, `last`."""

from __future__ import annotations

import time
from typing import Any

from modules._checkpoint.checkpoint import BadCheckpoint
from modules._transaction.end import commit, roll_back
from modules._transaction.store import (
    INCOMPLETE,
    RUNNING,
    Pending,
    Store,
    TransactionError,
    boot_id,
    folder_of,
    started_at,
)
from saltern.context import Context


def pending(ctx: Context) -> dict[str, Any]:
    """See `network.pending`."""
    found = _store(ctx).pending()
    if found is None:
        return {}
    now = boot_id()
    return {
        "jid": found.jid,
        "phase": _phase(found, now),
        "left_s": round(found.left_s, 1) if found.boot == now else None,
        "opened": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.opened)),
        "path": found.path,
        "guarded": _store(ctx).armed() == found.id,
    }


def _phase(found: Pending, boot: str) -> str:
    if found.boot != boot:
        return "left over from before the node went down"
    if found.phase != RUNNING:
        return "waits for network.confirm"
    alive = started_at(found.pid) == found.pid_start
    return "the run is at work" if alive else "its process died; the guard takes it back"


def confirm(ctx: Context) -> str:
    """See `network.confirm`."""
    store = _store(ctx)
    found = _pending(store)
    if found.phase == RUNNING:
        raise TransactionError(f"job {found.jid} is still at work on its network change: confirm it after that")
    if found.boot != boot_id() or found.left_s <= 0:
        raise TransactionError(f"it is too late to confirm the network change of job {found.jid}: it is taken back")
    return f"{commit(store, found, 'a person confirmed it', 'person').outcome}: the network change of job {found.jid}"


def rollback(ctx: Context) -> dict[str, Any]:
    """See `network.rollback`."""
    store = _store(ctx)
    found = store.pending()
    if found is None:
        before = store.last()
        if before is None or before.outcome != INCOMPLETE:
            raise TransactionError("there is no network change to take back (network.last shows the last one)")
        found = Pending(id=before.id, jid=before.jid, boot=boot_id(), deadline_ns=0, limit_s=0, opened=0)
        ended = roll_back(store, found, before.why, "person", again=True)
    else:
        ended = roll_back(store, found, "a person wanted it back", "person")
    shown = {"jid": ended.jid, "outcome": ended.outcome, "remains": ended.remains}
    if ended.outcome == INCOMPLETE:
        raise TransactionError(f"{ended.words}. Mend that and call network.rollback again")
    return shown


def last(ctx: Context) -> dict[str, Any]:
    """See `network.last`."""
    found = _store(ctx).last()
    if found is None:
        return {}
    return {
        "jid": found.jid,
        "outcome": found.outcome,
        "why": found.why,
        "by": found.by,
        "ended": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.ended)),
        "took_s": found.took_s,
        "remains": found.remains,
    }


def _store(ctx: Context) -> Store:
    return Store(folder_of(ctx.config.paths.var))


def _pending(store: Store) -> Pending:
    try:
        found = store.pending()
    except BadCheckpoint as error:
        raise TransactionError(f"{error}; network.rollback can't help: look at {store.folder}") from None
    if found is None:
        raise TransactionError("there is no network change to confirm (network.last shows the last one)")
    return found
