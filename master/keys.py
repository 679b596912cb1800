"""Which keys exist and what each may do: pure decisions over the tables `keys` and `tokens`.

Identity is the key. An id belongs to at most one accepted key; what a minion says of itself is only a request.
"""

# ruff: noqa: S608 - all parts of the queries are constants of the code
from __future__ import annotations

import fnmatch
import hashlib
import os
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from master.uptime import Uptime
from saltern import names
from saltern.errors import SalternError, UsageError
from saltern.targeting import compile_target
from saltern.wire.keys import fingerprint

ACCEPTED, PENDING, REJECTED = "accepted", "pending", "rejected"
STATES = (ACCEPTED, PENDING, REJECTED)
_OVER = "(expires <= :now OR (boot = :boot AND until <= :up))"  # of a token; UNTIL is of the same boot only
MAX_PENDING = 1000  # keys that wait: a flood of strangers can't fill the disk


class JoinRefused(SalternError):
    """A request to join is refused; the text is shown on the minion."""


@dataclass(frozen=True, slots=True)
class Record:
    """A known key. SINCE counts seconds since the epoch, from its last change of state."""

    public: bytes
    id: str
    state: str
    seal: bytes
    since: float

    @property
    def fingerprint(self) -> str:
        """What both sides show for this key."""
        return fingerprint(self.public)


def load(connection: sqlite3.Connection) -> list[Record]:
    """All known keys."""
    return [Record(*row) for row in connection.execute("SELECT public, id, state, seal, since FROM keys ORDER BY id")]


def join(
    connection: sqlite3.Connection,
    public: bytes,
    wanted_id: str,
    secret: bytes,
    seal: bytes,
    now: float,
    up: Uptime | None = None,
) -> Record:
    """Let PUBLIC ask to be WANTED_ID: the record as it is afterwards. JoinRefused says why not. A token is over when
    NOW, or UP where it is known, says so."""
    minion = names.minion_id(wanted_id)
    found = connection.execute("SELECT public, id, state, seal, since FROM keys WHERE public = ?", (public,)).fetchone()
    known = Record(*found) if found else None
    if known and known.state == REJECTED:
        raise JoinRefused(f"this key was rejected (saltern-key accept {known.id} on the master allows it)")
    if known and known.state == ACCEPTED:
        return known
    state = PENDING
    if secret:
        _spend(connection, minion, secret, now, up)
        state = ACCEPTED
    holder = connection.execute("SELECT public FROM keys WHERE id = ? AND state = 'accepted'", (minion,)).fetchone()
    if holder:
        raise JoinRefused(
            f"the id {minion} belongs to another key ({fingerprint(holder[0])}): "
            f"delete that one on the master (saltern-key delete {minion}), or give this minion another id"
        )
    waiting = connection.execute("SELECT count(*) FROM keys WHERE state = 'pending'").fetchone()[0]
    if state == PENDING and not known and waiting >= MAX_PENDING:
        raise JoinRefused(
            f"{MAX_PENDING} keys are waiting already: accept or delete some on the master, or use a token"
        )
    record = Record(public, minion, state, seal, now)
    connection.execute("INSERT OR REPLACE INTO keys VALUES (?, ?, ?, ?, ?)", (public, minion, state, seal, now))
    return record


def _spend(connection: sqlite3.Connection, minion: str, secret: bytes, now: float, up: Uptime | None) -> None:
    digest = hashlib.sha256(secret).digest()
    row = connection.execute(
        f"SELECT minion, uses, {_OVER} FROM tokens LEFT JOIN token_uptimes USING (digest) WHERE digest = :digest",
        {"digest": digest, **_clocks(now, up)},
    ).fetchone()
    if row is None or row[1] < 1 or row[2]:
        raise JoinRefused("the join token is unknown, used up or expired: make a new one with saltern-key token")
    if not fnmatch.fnmatchcase(minion, row[0]):
        raise JoinRefused(f"the join token is for minions named {row[0]!r}, not for {minion}")
    connection.execute("UPDATE tokens SET uses = uses - 1 WHERE digest = ?", (digest,))
    forget_tokens(connection, now, up)


def forget_tokens(connection: sqlite3.Connection, now: float, up: Uptime | None) -> None:
    """Forget the tokens that are used up or over, so that no clock that is set back makes one good again."""
    connection.execute(
        "DELETE FROM tokens WHERE digest IN (SELECT digest FROM tokens LEFT JOIN token_uptimes USING (digest) "
        f"WHERE uses < 1 OR {_OVER})",
        _clocks(now, up),
    )
    connection.execute("DELETE FROM token_uptimes WHERE digest NOT IN (SELECT digest FROM tokens)")


def _clocks(now: float, up: Uptime | None) -> dict[str, Any]:
    return {"now": now, "boot": up.boot if up else None, "up": up.seconds if up else None}


def new_token(
    connection: sqlite3.Connection, minion: str, ttl_s: float, uses: int, now: float, up: Uptime | None = None
) -> tuple[bytes, float]:
    """A fresh secret for minions that match the glob MINION: (secret, when it expires). Only its digest is kept.
    It expires by NOW, or by UP, whichever comes first."""
    if not 0 < ttl_s <= 366 * 86400:
        raise UsageError("a token lives for more than 0 seconds and at most 366 days")
    if not 1 <= uses <= 10_000:
        raise UsageError("a token can be used 1 to 10000 times")
    if not minion or len(minion) > 254:
        raise UsageError("a token names the minions that it is for: an id or a glob")
    compile_target(minion, "glob")  # TargetError where no id could ever match it
    secret = os.urandom(32)
    expires = now + ttl_s
    digest = hashlib.sha256(secret).digest()
    connection.execute("INSERT INTO tokens VALUES (?, ?, ?, ?)", (digest, minion, expires, uses))
    if up:
        connection.execute("INSERT INTO token_uptimes VALUES (?, ?, ?)", (digest, up.boot, up.seconds + ttl_s))
    return secret, expires


def select(records: Sequence[Record], match: str | None, mark: str | None, include: Sequence[str]) -> list[Record]:
    """The records of a state in INCLUDE whose id matches the glob MATCH or whose fingerprint is MARK (or begins so,
    with at least 8 digits). UsageError where nothing is found."""
    wanted = (mark or "").replace(":", "").lower()
    by_mark = wanted or _as_fingerprint(match)
    found = []
    for record in records:
        if record.state not in include:
            continue
        digits = record.fingerprint.replace(":", "")
        if (by_mark and digits.startswith(by_mark)) or (match and not wanted and fnmatch.fnmatchcase(record.id, match)):
            found.append(record)
    if not found:
        raise UsageError(f"no {' or '.join(include)} key matches {mark or match!r} (saltern-key list shows all)")
    return found


def _as_fingerprint(text: str | None) -> str:
    digits = (text or "").replace(":", "").lower()
    return digits if len(digits) >= 8 and ":" in (text or "") and set(digits) <= set("0123456789abcdef") else ""


def change(connection: sqlite3.Connection, chosen: Sequence[Record], action: str, now: float) -> list[Record]:
    """Accept, reject or delete the CHOSEN keys, all or none: their records afterwards (before, where deleted)."""
    if action == "delete":
        for record in chosen:
            purge(connection, record)
        return list(chosen)
    state = {"accept": ACCEPTED, "reject": REJECTED}[action]
    changed = []
    for record in chosen:
        if state == ACCEPTED:
            holder = connection.execute(
                "SELECT public FROM keys WHERE id = ? AND state = 'accepted' AND public != ?",
                (record.id, record.public),
            ).fetchone()
            if holder:
                raise UsageError(
                    f"the id {record.id} belongs to the accepted key {fingerprint(holder[0])}: delete it first"
                )
        else:
            _purge_data(connection, record)
        connection.execute("UPDATE keys SET state = ?, since = ? WHERE public = ?", (state, now, record.public))
        changed.append(Record(record.public, record.id, state, record.seal, now))
    return changed


def purge(connection: sqlite3.Connection, record: Record) -> None:
    """Forget the key and all that belongs to it; a later minion of the same id finds nothing of it."""
    _purge_data(connection, record)
    connection.execute("DELETE FROM keys WHERE public = ?", (record.public,))


def _purge_data(connection: sqlite3.Connection, record: Record) -> None:
    connection.execute("DELETE FROM minions WHERE public = ?", (record.public,))
    connection.execute("DELETE FROM ends WHERE public = ?", (record.public,))


def listing(records: Sequence[Record]) -> dict[str, list[dict[str, Any]]]:
    """All keys by state, as `saltern-key list` shows them."""
    return {
        state: [{"id": r.id, "fingerprint": r.fingerprint, "since": iso(r.since)} for r in records if r.state == state]
        for state in STATES
    }


def iso(moment: float) -> str:
    """Seconds since the epoch as local ISO time."""
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(moment))
