"""The store's thread: one transaction for what waits, an error for whom it concerns only."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from master.store import Store, StoreError


def test_one_failing_piece_of_work_does_not_undo_its_neighbours(tmp_path: Path) -> None:
    async def run() -> None:
        store = Store(tmp_path / "master.db")

        def put(connection: sqlite3.Connection, name: str) -> None:
            connection.execute("INSERT INTO tokens VALUES (?, ?, 0, 1)", (name.encode(), name))

        futures = [store.do(lambda c, n=name: put(c, n)) for name in ("a", "b", "a", "c")]  # type: ignore[misc]
        results = await asyncio.gather(*futures, return_exceptions=True)
        assert [type(result) for result in results] == [type(None), type(None), StoreError, type(None)]
        count = await store.do(lambda c: c.execute("SELECT count(*) FROM tokens").fetchone()[0])
        assert count == 3
        store.close()

    asyncio.run(run())


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "master.db").write_bytes(b"this is not a database at all" * 100)

    async def run() -> None:
        with pytest.raises(StoreError, match=r"master\.db: the store can't be opened"):
            Store(tmp_path / "master.db")

    asyncio.run(run())


def test_the_database_is_its_owners_alone(tmp_path: Path) -> None:
    async def run() -> None:
        store = Store(tmp_path / "master" / "master.db")
        await store.do(lambda c: c.execute("INSERT INTO tokens VALUES (x'00', '*', 0, 1)"))
        for file in [tmp_path / "master", *(tmp_path / "master").iterdir()]:
            assert file.stat().st_mode & 0o077 == 0, file
        store.close()

    asyncio.run(run())
