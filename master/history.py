"""The history of jobs: finding them, and forgetting the oldest.

A million results are kept with ease, so nothing here looks at all of them: a search is led by the index that fits what
is asked for. Jobs of the same function, user and target are of one *kind*; there are few of those, so a glob is matched
against the kinds and each kind gives its latest.
"""

# ruff: noqa: S608 - all parts of the queries are constants of the code
from __future__ import annotations

import asyncio
import heapq
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from master.jobs import OPEN
from master.store import Store
from saltern.errors import UsageError

UNWELL = "state IN ('failed', 'refused', 'offline', 'expired', 'killed', 'lost')"  # as the index ends_unwell has it
OUTCOMES = ("done", "failed", "refused", "offline", "expired", "killed", "lost", "held", "queued", "sent", "received")
MOST = 10_000  # jobs of one list
OPEN_KEPT_S = 30 * 86400.0  # what has not ended is kept so much longer: its return may still come
_PAUSE_S = 0.02  # between two bites
_FEW_KINDS = 50
_LATEST = 10_000  # jobs that are looked at for many kinds at once
_FEW = 30_000  # so many ends of an outcome are looked at one by one rather than by the kinds of their jobs
_COLUMNS = "jobs.jid, jobs.function, args, kwargs, jobs.target, jobs.form, jobs.user, started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which jobs: USER, FUNCTION and TARGET are globs, MINION an id, SINCE and UNTIL seconds since the epoch, OUTCOME
    one that at least one minion had. LIMIT: the latest so many."""

    user: str = "*"
    function: str = "*"
    target: str = "*"
    minion: str = ""
    since: float = 0.0
    until: float = 1e12
    outcome: str = ""
    limit: int = 50


def listing(connection: sqlite3.Connection, wanted: Wanted) -> dict[str, dict[str, Any]]:
    """The latest jobs that are wanted, by job id, the latest last."""
    rows = list(islice(_found(connection, wanted), wanted.limit))
    return {row[0]: described(row) for row in reversed(rows)}


def _found(connection: sqlite3.Connection, wanted: Wanted) -> Iterator[Sequence[Any]]:
    """The rows of the jobs that are wanted, the latest first."""
    kinds = None if wanted.user == wanted.function == wanted.target == "*" else _kinds(connection, wanted)
    if kinds is not None and not kinds:
        return iter(())
    if wanted.minion:
        return _of_ends(connection, wanted, kinds, "minion = ?", wanted.minion)
    if wanted.outcome and wanted.outcome != "done":
        kept = OPEN if wanted.outcome in ("held", "queued", "sent", "received") else UNWELL
        query = f"SELECT count(*) FROM (SELECT 1 FROM ends WHERE {kept} AND state = ? LIMIT {_FEW})"
        if kinds is None or kept == OPEN or connection.execute(query, (wanted.outcome,)).fetchone()[0] < _FEW:
            return _of_ends(connection, wanted, kinds, f"{kept} AND state = ?", wanted.outcome)
    return _by_time(connection, wanted, kinds)


def _by_time(connection: sqlite3.Connection, wanted: Wanted, kinds: set[int] | None) -> Iterator[Sequence[Any]]:
    """The same, led by the times of the jobs, all of them or those of each kind."""
    times, outcome, bounds = "started >= ? AND started <= ?", _with_outcome(wanted), (wanted.since, wanted.until)
    if kinds is None:
        query = f"SELECT {_COLUMNS} FROM jobs WHERE {times}{outcome} ORDER BY started DESC"
        return connection.execute(query, bounds)
    if len(kinds) > _FEW_KINDS and not outcome:  # so many kinds are most likely among the latest jobs
        query = f"SELECT jid, kind FROM jobs WHERE {times} ORDER BY started DESC LIMIT {_LATEST}"
        jids = [jid for jid, kind in connection.execute(query, bounds) if kind in kinds][: wanted.limit]
        if len(jids) == wanted.limit:
            return _rows(connection, jids)
    query = f"SELECT started, jid FROM jobs WHERE kind = ? AND {times}{outcome} ORDER BY started DESC"
    each = [connection.execute(query, (kind, *bounds)) for kind in kinds]
    merged = heapq.merge(*each, key=lambda row: row[0], reverse=True)
    return _rows(connection, (row[1] for row in merged))


def _rows(connection: sqlite3.Connection, jids: Iterable[str]) -> Iterator[Sequence[Any]]:
    for jid in jids:
        yield connection.execute(f"SELECT {_COLUMNS} FROM jobs WHERE jid = ?", (jid,)).fetchone()


def _with_outcome(wanted: Wanted) -> str:
    if not wanted.outcome:
        return ""
    return f" AND EXISTS (SELECT 1 FROM ends WHERE ends.jid = jobs.jid AND state = '{_outcome(wanted.outcome)}')"


def _of_ends(
    connection: sqlite3.Connection, wanted: Wanted, kinds: set[int] | None, condition: str, value: str
) -> Iterator[Sequence[Any]]:
    """The same, led by an index of the ends; job ids have the order of time."""
    outcome = f" AND state = '{_outcome(wanted.outcome)}'" if wanted.outcome else ""
    query = (
        f"SELECT DISTINCT {_COLUMNS}, kind FROM ends CROSS JOIN jobs USING (jid) WHERE {condition}{outcome} "
        "AND started >= ? AND started <= ? ORDER BY ends.jid DESC"
    )
    rows = connection.execute(query, (value, wanted.since, wanted.until))
    return (row[:8] for row in rows if kinds is None or row[8] in kinds)


def _kinds(connection: sqlite3.Connection, wanted: Wanted) -> set[int]:
    rows = connection.execute("SELECT id, function, user, target FROM kinds")
    return {
        row[0]
        for row in rows
        if fnmatchcase(row[1], wanted.function)
        and fnmatchcase(row[2], wanted.user)
        and (row[3] == wanted.target or fnmatchcase(row[3], wanted.target))
    }


def _outcome(name: str) -> str:
    if name not in OUTCOMES:
        raise UsageError(f"an outcome is one of {', '.join(OUTCOMES)}, not {name!r}")
    return name


def prune(connection: sqlite3.Connection, older_than: float, most: int | None = None, bite: int = 500) -> int:
    """Forget at most BITE jobs, the oldest first: those that started before OLDER_THAN (seconds since the epoch), and
    where MOST results are kept, those beyond. How many; 0: nothing is left to forget.

    What has not ended is kept OPEN_KEPT_S longer, so that its return has a place.
    """
    open_too = f"(started < ?2 OR NOT EXISTS (SELECT 1 FROM ends WHERE ends.jid = jobs.jid AND {OPEN}))"
    select = f"SELECT jid FROM jobs WHERE {{}} AND {open_too} ORDER BY started LIMIT {int(bite)}"
    rows = connection.execute(select.format("started < ?1"), (older_than, older_than - OPEN_KEPT_S)).fetchall()
    if not rows and most is not None and results(connection) > most:
        rows = connection.execute(select.format("?1 IS NOT NULL"), (0, 0.0)).fetchall()
    for table in ("ends", "runs", "deadlines", "jobs"):
        connection.executemany(f"DELETE FROM {table} WHERE jid = ?", rows)
    return len(rows)


async def forget(store: Store, older_than: float, most: int | None = None) -> int:
    """Prune in small bites, so that no return waits long: how many jobs."""
    count = 0
    while bite := await store.do(lambda c: prune(c, older_than, most)):
        count += bite
        await asyncio.sleep(_PAUSE_S)
    if count:
        await store.do(tidy)
    return count


def results(connection: sqlite3.Connection) -> int:
    """How many results are kept."""
    return int(connection.execute("SELECT count(*) FROM ends").fetchone()[0])


def tidy(connection: sqlite3.Connection) -> None:
    """Forget what belongs to no job any more."""
    connection.execute("DELETE FROM kinds WHERE id NOT IN (SELECT DISTINCT kind FROM jobs)")
    connection.execute(
        "DELETE FROM facts WHERE digest NOT IN (SELECT DISTINCT facts FROM runs WHERE facts IS NOT NULL)"
    )


def last_run(connection: sqlite3.Connection, wanted: Wanted) -> dict[str, Any]:
    """The latest job that is wanted, with its ends."""
    row = next(_found(connection, wanted), None)
    if row is None:
        raise UsageError("no such job is kept (saltern-run jobs.list_jobs shows those that are)")
    return {"jid": row[0], **lookup(connection, row[0])}


def exit_success(connection: sqlite3.Connection, jid: str) -> dict[str, bool]:
    """Whether the job ended well, for each minion; one that has not ended did not. UsageError: no such job."""
    found = lookup(connection, jid)["Result"]
    return {
        minion: end["outcome"] == "done" and end["success"] is not False and not end["retcode"]
        for minion, end in found.items()
    }


def lookup(connection: sqlite3.Connection, jid: str) -> dict[str, Any]:
    """One job with the end on each target. UsageError where there is none."""
    row = connection.execute(
        "SELECT jid, function, args, kwargs, target, form, user, started FROM jobs WHERE jid = ?", (jid,)
    ).fetchone()
    if row is None:
        raise UsageError(f"there is no job {jid} (saltern-run jobs.list_jobs shows those that are kept)")
    ends = connection.execute(
        "SELECT minion, state, success, retcode, value, duration_ms, at FROM ends WHERE jid = ? ORDER BY minion", (jid,)
    ).fetchall()
    return {
        **described(row),
        "Result": {
            end[0]: {
                "outcome": end[1],
                "success": None if end[2] is None else bool(end[2]),
                "retcode": end[3],
                "return": json.loads(end[4]) if end[4] is not None else None,
                "duration_ms": end[5],
            }
            for end in ends
        },
    }


def active(connection: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """The jobs that have not ended on some target, with the state on each of those."""
    rows = connection.execute(
        "SELECT jobs.jid, function, args, kwargs, target, form, user, started, minion, state FROM ends "
        "JOIN jobs USING (jid) WHERE " + OPEN + " ORDER BY jobs.jid, minion"
    ).fetchall()
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        found.setdefault(row[0], {**described(row), "Running": {}})["Running"][row[8]] = row[9]
    return found


def described(row: Sequence[Any]) -> dict[str, Any]:
    """A row of jobs (jid, function, args, kwargs, target, form, user, started) in Salt's words."""
    args, kwargs = json.loads(row[2]), json.loads(row[3])
    return {
        "Function": row[1],
        "Arguments": [*args, kwargs] if kwargs else args,
        "Target": row[4],
        "Target-type": row[5],
        "User": row[6],
        "StartTime": time.strftime("%Y, %b %d %H:%M:%S", time.localtime(row[7])),
    }
