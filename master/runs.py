"""What is remembered of each state run: whether it went well, and what it was made from.

The trees and the pillar are digests that the minion gives for what it used; the grains are those that the master knew
when the return came, kept once for all runs that had the same. So `jobs.why` can say what became another between the
last run that went well and the first that did not.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from master import drift
from master.jobs import End
from saltern.jid import moment

HIGHSTATE = "highstate"
_FUNCTIONS = ("state.apply", "state.highstate", "state.sls", "state.sls_id", "state.single", "state.test")
_AIDS = ("test", "queue", "concurrent", "confirm")  # arguments that say how, not what
_MOST_TEXT = 200


class Used(msgspec.Struct, frozen=True):
    """What the minion says of the trees and the pillar that a run used."""

    trees: dict[str, str] = {}
    pillar: str = ""


def note(connection: sqlite3.Connection, end: End, function: str, minion: str, grains: Mapping[str, Any]) -> None:
    """Remember a state run that has just been stored; anything else is passed over."""
    if function not in _FUNCTIONS:
        return
    args, kwargs = connection.execute("SELECT args, kwargs FROM jobs WHERE jid = ?", (end.jid,)).fetchone()
    what, test = call_of(function, json.loads(args), json.loads(kwargs))
    if what is None:
        return
    try:
        used = msgspec.json.decode(end.used, type=Used) if end.used else Used()
    except msgspec.MsgspecError:
        used = Used()
    well = end.outcome == "done" and end.success and not end.retcode
    connection.execute(
        "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (minion, what, end.jid, test, well, json.dumps(used.trees), used.pillar, _fact(connection, grains)),
    )
    if what == HIGHSTATE:
        drift.note(connection, minion, end.jid, end.value, test)


def call_of(function: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str | None, bool]:
    """(what is converged to, whether only in test mode); None where the call makes no sense. A call that a minion made
    by itself has its named arguments as the last of ARGS."""
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        return None, False
    if not kwargs and args and isinstance(args[-1], dict):
        args, kwargs = args[:-1], args[-1]
    named = {key: value for key, value in kwargs.items() if key not in _AIDS}
    test = function == "state.test" or kwargs.get("test") is True
    if function in ("state.apply", "state.highstate", "state.test") and not any(args) and not named:
        return HIGHSTATE, test
    text = " ".join([function, *map(str, args), *(f"{key}={value}" for key, value in sorted(named.items()))])
    if len(text) > _MOST_TEXT:
        text = f"{text[:_MOST_TEXT]}... {hashlib.blake2b(text.encode('utf-8', 'replace'), digest_size=4).hexdigest()}"
    return text, test


def _fact(connection: sqlite3.Connection, grains: Mapping[str, Any]) -> str:
    text = json.dumps(grains, sort_keys=True, default=str)
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    connection.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (digest, text))
    return digest


def why(connection: sqlite3.Connection, minion: str) -> list[dict[str, Any]]:
    """For each thing that MINION converges to and last failed at: since when, at what, and what had become another
    since it last went well. Empty where the last run of each went well."""
    whats = connection.execute("SELECT DISTINCT what FROM runs WHERE minion = ? AND NOT test", (minion,)).fetchall()
    found = (_why(connection, minion, what) for (what,) in whats)
    return sorted((one for one in found if one), key=lambda one: str(one["jid"]), reverse=True)


def _why(connection: sqlite3.Connection, minion: str, what: str) -> dict[str, Any] | None:
    columns = "SELECT jid, trees, pillar, facts FROM runs WHERE minion = ? AND what = ? AND NOT test"
    given = (minion, what)
    good = connection.execute(f"{columns} AND well ORDER BY jid DESC LIMIT 1", given).fetchone()
    after = good[0] if good else ""
    bad = connection.execute(f"{columns} AND jid > ? ORDER BY jid LIMIT 1", (*given, after)).fetchone()
    if bad is None:
        return None
    count, last = connection.execute(
        "SELECT count(*), max(jid) FROM runs WHERE minion = ? AND what = ? AND NOT test AND jid > ?", (*given, after)
    ).fetchone()
    return {
        "what": what,
        "since": moment(bad[0]),
        "jid": bad[0],
        "failed_first": _failure(connection, minion, bad[0]),
        "runs_since": count,
        "fails_now": _failure(connection, minion, last),
        "last_good": {"at": moment(good[0]), "jid": good[0]} if good else None,
        "changed": _changed(connection, good, bad) if good else "no run that went well is kept",
    }


def _failure(connection: sqlite3.Connection, minion: str, jid: str) -> dict[str, Any]:
    """The first state that failed in a run, or how the whole of it ended."""
    outcome, value = connection.execute(
        "SELECT state, value FROM ends WHERE jid = ? AND minion = ?", (jid, minion)
    ).fetchone() or ("pruned", "null")
    read = json.loads(value or "null")
    failed = [(tag, one) for tag, one in drift.results(read) if one.get("result") is False]
    if not failed:
        return {"outcome": outcome, "comment": read if isinstance(read, str | list) else None}
    tag, one = min(failed, key=lambda pair: _number(pair[1].get("__run_num__")))
    return {"state": drift.named(tag, one), "comment": str(one.get("comment"))[:2000]}


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 1e9


def _changed(connection: sqlite3.Connection, good: Sequence[Any], bad: Sequence[Any]) -> dict[str, Any]:
    old, new = json.loads(good[1]), json.loads(bad[1])
    trees = {env: {"old": old.get(env), "new": new.get(env)} for env in {**old, **new} if old.get(env) != new.get(env)}
    changed: dict[str, Any] = {"trees": trees if old and new else "unknown"}
    changed["pillar"] = good[2] != bad[2] if good[2] and bad[2] else "unknown"
    before, after = _grains(connection, good[3]), _grains(connection, bad[3])
    changed["grains"] = {
        key: {"old": before.get(key), "new": after.get(key)}
        for key in sorted({*before, *after})
        if before.get(key) != after.get(key)
    }
    return changed


def _grains(connection: sqlite3.Connection, digest: str | None) -> dict[str, Any]:
    row = connection.execute("SELECT grains FROM facts WHERE digest = ?", (digest,)).fetchone()
    read = json.loads(row[0]) if row else {}
    return read if isinstance(read, dict) else {}
