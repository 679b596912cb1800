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
CREATE TABLE IF NOT EXISTS minions (
    public BLOB PRIMARY KEY, grains TEXT NOT NULL, seen REAL NOT NULL, address TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (
    jid TEXT PRIMARY KEY, function TEXT NOT NULL, args TEXT NOT NULL, kwargs TEXT NOT NULL,
    target TEXT NOT NULL, form TEXT NOT NULL, user TEXT NOT NULL, started REAL NOT NULL
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
CREATE INDEX IF NOT EXISTS ends_open ON ends (public, jid) WHERE state IN ('queued', 'sent', 'received');
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
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{file}: the store can't be opened: {error}") from None
    return connection


class Store:
    """The database in FILE behind its thread. Give `do` and `soon` functions of the connection."""

    def __init__(self, file: Path) -> None:
        self._connection = connect(file)
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

    def close(self) -> None:
        """Finish what is waiting and close the database."""
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
                    results.append((future, None, _named(error)))
                connection.execute("RELEASE work")
            connection.execute("COMMIT")
        except sqlite3.Error as error:  # full disk, damaged file: nothing of this batch is stored, and all are told
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return [(future, None, _named(error)) for _, future in todo]
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


def _named(error: Exception) -> Exception:
    return StoreError(f"the store failed: {error}") if isinstance(error, sqlite3.Error) else error
