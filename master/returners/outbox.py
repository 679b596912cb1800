"""What each returner still has to deliver: the ends of jobs in the order in which they were stored.

A trigger notes each end in the transaction that stores it, so none can be missed, whoever stored it. A returner has a
position in that order; what all have delivered is taken away. The order holds at most MOST ends, and an end that the
store forgets (`keep_jobs_hours`, `keep_jobs_most`) can't be delivered any more: both are counted as dropped.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from asyncio import Future
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from master.jobs import OPEN
from master.store import Store

logger = logging.getLogger(__name__)

MOST = 1_000_000  # ends that wait, of about 100 bytes each; the returns themselves lie in the store once
AT_ONCE = 100  # returns of one delivery
AT_ONCE_BYTES = 4 * 1024 * 1024

_TABLES = """
CREATE TABLE IF NOT EXISTS outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, jid TEXT NOT NULL, public BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS returners (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
"""
_NOTE = "INSERT INTO outbox (jid, public) VALUES (NEW.jid, NEW.public);"
# For this connection alone: a master without returners notes nothing.
_TRIGGERS = (
    f"CREATE TEMP TRIGGER IF NOT EXISTS ended AFTER UPDATE OF state ON main.ends "
    f"WHEN (OLD.{OPEN} OR OLD.state = 'expired') AND NOT NEW.{OPEN} BEGIN {_NOTE} END",
    f"CREATE TEMP TRIGGER IF NOT EXISTS never_began AFTER INSERT ON main.ends WHEN NOT NEW.{OPEN} BEGIN {_NOTE} END",
)
_LAST = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)"
_READ = (
    "SELECT outbox.seq, ends.jid, minion, function, state, success, retcode, value, at FROM outbox "
    "LEFT JOIN ends ON ends.jid = outbox.jid AND ends.public = outbox.public LEFT JOIN jobs ON jobs.jid = ends.jid "
    "WHERE outbox.seq > ? ORDER BY outbox.seq LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Return:
    """One return, as it is delivered: LINE is a JSON document with all of it."""

    jid: str
    minion: str
    function: str
    line: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What comes next: RETURNS, up to the position LAST; LOST ends were dropped before they could be read."""

    returns: tuple[Return, ...]
    last: int
    lost: int = 0


def begin(connection: sqlite3.Connection, names: Sequence[str], most: int = MOST) -> dict[str, int]:
    """Note from now on what ends, for the returners NAMES: the position of each. A new one begins here and now; one
    that is not named any more is forgotten."""
    for statement in _TABLES.strip().split("\n"):
        connection.execute(statement)
    last = int(connection.execute(_LAST).fetchone()[0])
    known = {str(name): int(seq) for name, seq in connection.execute("SELECT name, seq FROM returners")}
    positions = {name: known.get(name, last) for name in names}
    connection.execute("DELETE FROM returners")
    connection.executemany("INSERT INTO returners VALUES (?, ?)", positions.items())
    _trim(connection)
    if names:
        for trigger in (*_TRIGGERS, _bound(most)):
            connection.execute(trigger)
    return positions


def read(connection: sqlite3.Connection, after: int, functions: Sequence[str] = ("*",)) -> Batch:
    """The next returns of FUNCTIONS (globs) AFTER a position."""
    found, size, last, lost = [], 0, after, 0
    for seq, jid, minion, function, *rest in connection.execute(_READ, (after, AT_ONCE)):
        lost += seq - last - 1 + (jid is None or function is None)
        last = seq
        if jid is None or function is None or not any(fnmatchcase(function, pattern) for pattern in functions):
            continue
        found.append(Return(jid, minion, function, _line(jid, minion, function, *rest)))
        size += len(found[-1].line)
        if size >= AT_ONCE_BYTES:
            break
    return Batch(tuple(found), last, lost)


def waiting(connection: sqlite3.Connection, after: int) -> int:
    """How many ends there are AFTER a position, of any function."""
    return max(0, int(connection.execute(_LAST).fetchone()[0]) - after)


def delivered(connection: sqlite3.Connection, name: str, last: int) -> None:
    """The returner NAME has delivered all up to LAST."""
    connection.execute("UPDATE returners SET seq = max(seq, ?) WHERE name = ?", (last, name))
    _trim(connection)


def _trim(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM outbox WHERE seq <= (SELECT coalesce(min(seq), 1 << 62) FROM returners)")


def _bound(most: int) -> str:
    delete = f"DELETE FROM outbox WHERE seq <= NEW.seq - {int(most)};"  # noqa: S608 - a number of the code
    return f"CREATE TEMP TRIGGER IF NOT EXISTS bound AFTER INSERT ON main.outbox BEGIN {delete} END"


def _line(
    jid: str,
    minion: str,
    function: str,
    state: str,
    success: int | None,
    retcode: int | None,
    value: str | None,
    at: float,
) -> bytes:
    """The document: put together around VALUE, which is JSON already."""
    head = {
        "jid": jid,
        "id": minion,
        "fun": function,
        "outcome": state,
        "success": bool(success),
        "retcode": 1 if retcode is None else retcode,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
    }
    told = value if value is not None else '"The minion was offline."'
    return f'{json.dumps(head)[:-1]}, "return": {told}}}'.encode()


class Outbox:
    """The outbox of a running master's STORE, for the threads of its returners. It has a connection of its own to
    read by for each thread that asks."""

    def __init__(self, store: Store, file: Path, soon: Callable[[Callable[[], object]], object]) -> None:
        self._store, self._file, self._soon = store, file, soon

    def reader(self) -> sqlite3.Connection:
        """A connection for one thread, which may read alone."""
        connection = sqlite3.connect(self._file, timeout=10, isolation_level=None)
        connection.execute("PRAGMA query_only=ON")
        return connection

    def delivered(self, name: str, last: int) -> None:
        """See `delivered`: some time soon, without waiting, from any thread. Where that is lost, the same is delivered
        once more."""
        with suppress(RuntimeError):  # the loop has ended: the master is stopping
            self._soon(lambda: self.note(name, last))

    def note(self, name: str, last: int) -> None:
        """The same, in the thread of the event loop."""
        self._store.do(lambda connection: delivered(connection, name, last)).add_done_callback(_noted)


def _noted(future: Future[None]) -> None:
    if not future.cancelled() and (error := future.exception()):
        logger.warning("what a returner has delivered was not noted and may be delivered again: %s", error)
