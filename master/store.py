"""The master's store: one SQLite database (WAL) with keys, tokens, jobs, returns, grains and leases.

All access runs in one thread of its own, so that the event loop never waits for the disk. What is waiting there is
done as one transaction with one sync (group commit): a thousand returns that arrive together cost one. A caller's
future resolves only after that commit is durable (synchronous=FULL), so "stored" may be told to a minion.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from saltern.errors import SalternError

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    public BLOB PRIMARY KEY, id TEXT NOT NULL, state TEXT NOT NULL, seal BLOB NOT NULL, since REAL NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS keys_accepted ON keys (id) WHERE state = 'accepted';
CREATE TABLE IF NOT EXISTS tokens (
    digest BLOB PRIMARY KEY, minion TEXT NOT NULL, expires REAL NOT NULL, uses INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS token_uptimes (
    digest BLOB PRIMARY KEY, boot TEXT NOT NULL, until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS minions (
    public BLOB PRIMARY KEY, grains TEXT NOT NULL, seen REAL NOT NULL, address TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (
    jid TEXT PRIMARY KEY, function TEXT NOT NULL, args TEXT NOT NULL, kwargs TEXT NOT NULL,
    target TEXT NOT NULL, form TEXT NOT NULL, user TEXT NOT NULL, started REAL NOT NULL, kind INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS kinds (
    id INTEGER PRIMARY KEY, function TEXT NOT NULL, user TEXT NOT NULL, target TEXT NOT NULL, form TEXT NOT NULL,
    UNIQUE (function, user, target, form)
);
CREATE TABLE IF NOT EXISTS runs (
    minion TEXT NOT NULL, what TEXT NOT NULL, jid TEXT NOT NULL, test INTEGER NOT NULL, well INTEGER NOT NULL,
    trees TEXT, pillar TEXT, facts TEXT, PRIMARY KEY (minion, what, jid)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (digest TEXT PRIMARY KEY, grains TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checks (minion TEXT PRIMARY KEY, jid TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS drift (
    minion TEXT NOT NULL, tag TEXT NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (minion, tag)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mine (
    minion TEXT NOT NULL, function TEXT NOT NULL, value TEXT NOT NULL, allow TEXT NOT NULL, form TEXT NOT NULL,
    at REAL NOT NULL, PRIMARY KEY (function, minion)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asked (
    minion TEXT NOT NULL, once TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (minion, once)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ends (
    jid TEXT NOT NULL, public BLOB NOT NULL, minion TEXT NOT NULL, state TEXT NOT NULL, success INTEGER,
    retcode INTEGER, value TEXT, duration_ms REAL, at REAL NOT NULL, PRIMARY KEY (jid, public)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deadlines (jid TEXT PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS vnet_leases (
    vnet TEXT NOT NULL, guest TEXT NOT NULL, nic INTEGER NOT NULL, minion TEXT NOT NULL, address INTEGER NOT NULL,
    since REAL NOT NULL, PRIMARY KEY (vnet, guest, nic), UNIQUE (vnet, address)
) WITHOUT ROWID;
"""
_INDEXES = """
DROP INDEX IF EXISTS ends_open;
CREATE INDEX IF NOT EXISTS ends_under_way ON ends (public, jid) WHERE state IN ('held', 'queued', 'sent', 'received');
CREATE INDEX IF NOT EXISTS ends_unwell ON ends (state, jid)
    WHERE state IN ('failed', 'refused', 'offline', 'expired', 'killed', 'lost');
CREATE INDEX IF NOT EXISTS ends_minion ON ends (minion, jid);
CREATE INDEX IF NOT EXISTS jobs_started ON jobs (started, kind);
CREATE INDEX IF NOT EXISTS jobs_kind ON jobs (kind, started);
CREATE INDEX IF NOT EXISTS runs_jid ON runs (jid);
"""


class StoreError(SalternError):
    """The database can't be opened, read or written; the message says which file and why."""


def connect(file: Path) -> sqlite3.Connection:
    """The database in FILE (made with mode 0600 at first, in a folder of mode 0700), with its tables."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=10)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA cache_size=-2000")
        connection.executescript(_SCHEMA)
        _renew(connection)
        connection.executescript(_INDEXES)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{file}: the store can't be opened: {error}{_advice(error)}") from None
    return connection


def _renew(connection: sqlite3.Connection) -> None:
    """Give the jobs of an older store their kinds."""
    if "kind" in (column[1] for column in connection.execute("PRAGMA table_info(jobs)")):
        return
    connection.executescript(
        "BEGIN; ALTER TABLE jobs ADD COLUMN kind INTEGER;"
        "INSERT OR IGNORE INTO kinds (function, user, target, form) SELECT function, user, target, form FROM jobs;"
        "UPDATE jobs SET kind = (SELECT id FROM kinds WHERE kinds.function = jobs.function AND kinds.user = jobs.user "
        "AND kinds.target = jobs.target AND kinds.form = jobs.form); COMMIT;"
    )


class Store:
    """The database in FILE behind its thread. Give `do` functions of the connection, and `look` those that only read
    and may take long: they see what is durable and keep no return waiting."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._connection = connect(file)
        self._reader: sqlite3.Connection | None = None
        self._reading = ThreadPoolExecutor(1, "store-look")
        self._work: queue.SimpleQueue[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]] | None]
        self._work = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run WORK in the next transaction; the future has its value once that is durable, or its StoreError."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._work.put((work, future))
        return future

    def look(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run WORK, which only reads, beside the transactions; the future has its value or its StoreError."""

        def looked() -> T:
            try:
                if self._reader is None:
                    self._reader = sqlite3.connect(self._file, check_same_thread=False, timeout=10)
                    self._reader.execute("PRAGMA query_only=ON")
                return work(self._reader)
            except sqlite3.Error as error:
                raise self._named(error) from None

        return self._loop.run_in_executor(self._reading, looked)

    def close(self) -> None:
        """Finish what is waiting and close the database."""
        self._reading.shutdown()
        if self._reader:
            self._reader.close()
        self._work.put(None)
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while True:
            batch = [self._work.get()]
            while not self._work.empty() and len(batch) < 2000:
                batch.append(self._work.get())
            todo = [entry for entry in batch if entry is not None]
            if todo:
                results = self._transaction(todo)
                self._tell(results)
            if len(todo) < len(batch):
                self._connection.close()
                return

    def _transaction(
        self, todo: list[tuple[Callable[[sqlite3.Connection], Any], asyncio.Future[Any]]]
    ) -> list[tuple[asyncio.Future[Any], Any, BaseException | None]]:
        results: list[tuple[asyncio.Future[Any], Any, BaseException | None]] = []
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for work, future in todo:
                connection.execute("SAVEPOINT work")
                try:
                    results.append((future, work(connection), None))
                except Exception as error:
                    connection.execute("ROLLBACK TO work")
                    results.append((future, None, self._named(error)))
                connection.execute("RELEASE work")
            connection.execute("COMMIT")
        except sqlite3.Error as error:  # full disk, damaged file: nothing of this batch is stored, and all are told
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return [(future, None, self._named(error)) for _, future in todo]
        return results

    def _tell(self, results: list[tuple[asyncio.Future[Any], Any, BaseException | None]]) -> None:
        def tell() -> None:
            for future, value, error in results:
                if future.cancelled():
                    continue
                if error is None:
                    future.set_result(value)
                else:
                    future.set_exception(error)

        try:
            self._loop.call_soon_threadsafe(tell)
        except RuntimeError:  # the loop is gone: the daemon is stopping
            return

    def _named(self, error: Exception) -> Exception:
        if not isinstance(error, sqlite3.Error):
            return error
        return StoreError(f"{self._file}: the store failed: {error}{_advice(error)}")


def _advice(error: Exception) -> str:
    """What to do where the file itself is damaged; all keys and jobs are in it."""
    if not any(sign in str(error) for sign in ("malformed", "not a database")):
        return ""
    return ". Stop the master and put a copy in its place, or save what `sqlite3 FILE .recover` finds"
