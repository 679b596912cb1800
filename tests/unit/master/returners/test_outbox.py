"""The outbox: each end is in it, in the transaction that stored it, until all returners had it."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from master import jobs
from master.jobs import Job, Target
from master.returners import outbox
from tests.unit.master.returners.places import Kept


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "var" / "master.db")


def jids(batch: outbox.Batch) -> list[str]:
    return [one.jid for one in batch.returns]


def test_every_kind_of_end_is_noted_once(kept: Kept) -> None:
    kept.begin("x")
    returned = kept.end("state.apply", b'{"a": "\\u00e4"}')
    targets = {name: Target(name, name.decode(), state) for name, state in ((b"a", "offline"), (b"b", "queued"))}
    with kept.lock:
        jobs.create(kept.connection, Job("1" * 20, "test.ping", b"[]", b"{}", "*", "glob", "root", 5.0, targets))
        jobs.keep_until(kept.connection, "1" * 20, 10.0)
        assert jobs.expire(kept.connection, 20.0, 60.0) == 1
    batch = outbox.read(kept.connection, 0)
    lines = [json.loads(one.line) for one in batch.returns]
    assert [(line["jid"], line["id"], line["outcome"]) for line in lines] == [
        (returned, "n1", "done"),
        ("1" * 20, "a", "offline"),
        ("1" * 20, "b", "expired"),
    ]
    assert lines[0] == {
        "jid": returned,
        "id": "n1",
        "fun": "state.apply",
        "outcome": "done",
        "success": True,
        "retcode": 0,
        "at": "1970-01-01T00:00:01Z",
        "return": {"a": "ä"},
    }
    assert [line["success"] for line in lines[1:]] == [False, False]
    assert (batch.last, outbox.waiting(kept.connection, 0), outbox.waiting(kept.connection, 2)) == (3, 3, 1)


def test_an_end_that_was_not_stored_is_not_noted(kept: Kept) -> None:
    kept.begin("x")
    with kept.lock:
        kept.connection.execute("BEGIN")
    kept.end()
    with kept.lock:
        kept.connection.execute("ROLLBACK")
    assert outbox.read(kept.connection, 0) == outbox.Batch((), 0)
    stored = kept.end()
    assert outbox.read(kept.connection, 0).last == 1
    assert jids(outbox.read(kept.connection, 0)) == [stored]


def test_what_all_have_is_taken_away_and_a_new_returner_begins_now(kept: Kept) -> None:
    kept.begin("x", "y")
    for _ in range(4):
        kept.end()
    kept.delivered("x", 3)
    kept.delivered("y", 2)
    assert [seq for (seq,) in kept.connection.execute("SELECT seq FROM outbox")] == [3, 4]
    assert kept.begin("x", "z") == {"x": 3, "z": 4}
    assert kept.begin("x") == {"x": 3}
    assert kept.begin() == {}
    assert kept.connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


def test_a_master_without_returners_notes_nothing(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "var" / "master.db")
    kept.begin()
    kept.end()
    assert kept.connection.execute("SELECT count(*) FROM outbox").fetchone() == (0,)


def test_a_batch_is_bounded_in_number_and_in_bytes(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.begin("x")
    for _ in range(120):
        kept.end()
    assert len(outbox.read(kept.connection, 0).returns) == 100
    monkeypatch.setattr(outbox, "AT_ONCE_BYTES", 300)
    few = outbox.read(kept.connection, 0)
    assert 1 < len(few.returns) < 5
    assert few.last == len(few.returns)


def test_functions_are_globs_and_others_are_passed_over(kept: Kept) -> None:
    kept.begin("x")
    kept.end("test.ping")
    wanted = kept.end("state.apply")
    kept.end("test.ping")
    batch = outbox.read(kept.connection, 0, ["state.*", "x"])
    assert (jids(batch), batch.last, batch.lost) == ([wanted], 3, 0)


def test_the_reader_can_not_write(kept: Kept) -> None:
    kept.begin("x")
    source = outbox.Outbox(None, kept.file, lambda work: None)  # type: ignore[arg-type]
    connection = source.reader()
    with pytest.raises(sqlite3.OperationalError):
        connection.execute("DELETE FROM outbox")
    connection.close()
