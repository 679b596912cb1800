"""The mine in the store: what minions told of themselves, and for whom."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any

from saltern.errors import UsageError
from saltern.targeting import MinionView, compile_target

FORMS = ("glob", "list")
MOST_FUNCTIONS = 100  # of one minion


def put(
    connection: sqlite3.Connection, minion: str, function: str, value: Any, allow: str, form: str, now: float
) -> None:
    """MINION tells VALUE under the name FUNCTION, for those that ALLOW means. UsageError where it tells too many."""
    if form not in FORMS:
        raise UsageError(f"who may get a value of the mine is said by {' or '.join(FORMS)}, not by {form!r}")
    compile_target(allow, form)
    query = "SELECT count(*) FROM mine WHERE minion = ? AND function != ?"
    if connection.execute(query, (minion, function)).fetchone()[0] >= MOST_FUNCTIONS:
        raise UsageError(f"a minion tells at most {MOST_FUNCTIONS} values: mine.delete or mine.flush first")
    connection.execute(
        "INSERT OR REPLACE INTO mine VALUES (?, ?, ?, ?, ?, ?)", (minion, function, json.dumps(value), allow, form, now)
    )


def get(
    connection: sqlite3.Connection, minions: Collection[str], functions: Sequence[str], asks: str | None
) -> dict[str, dict[str, Any]]:
    """What MINIONS tell under each of the names FUNCTIONS, as far as the minion ASKS may know it (None: the master
    itself, which may)."""
    found: dict[str, dict[str, Any]] = {}
    for function in functions:
        rows = connection.execute(
            "SELECT minion, value, allow, form FROM mine WHERE function = ? ORDER BY minion", (function,)
        )
        found[function] = {
            minion: json.loads(value)
            for minion, value, allow, form in rows
            if minion in minions and (asks is None or minion == asks or _allows(allow, form)(asks))
        }
    return found


def delete(connection: sqlite3.Connection, minion: str, function: str) -> bool:
    """Forget one value: whether there was one."""
    return bool(connection.execute("DELETE FROM mine WHERE minion = ? AND function = ?", (minion, function)).rowcount)


def flush(connection: sqlite3.Connection, minion: str, keep: Collection[str] = ()) -> None:
    """Forget all that MINION told but what it told under the names KEEP."""
    rows = connection.execute("SELECT function FROM mine WHERE minion = ?", (minion,)).fetchall()
    for (function,) in rows:
        if function not in keep:
            delete(connection, minion, function)


def _allows(allow: str, form: str) -> Callable[[str], bool]:
    if not allow:
        return lambda minion: False
    target = compile_target(allow, form)
    return lambda minion: target.matches(MinionView(minion))
