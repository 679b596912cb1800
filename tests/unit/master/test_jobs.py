"""Job ids and the store of ends: each end is stored once, and only for who was given the job."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master import history, jobs, store
from master.jobs import End, JidMaker, Job, Target
from saltern import names
from saltern.errors import UsageError

A, B = b"a" * 32, b"b" * 32
JID = "20260101000000000001"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = store.connect(tmp_path / "master.db")
    yield connection
    connection.close()


def job(jid: str = JID, user: str = "root", *targets: Target) -> Job:
    return Job(jid, "test.ping", b"[]", b"{}", "*", "glob", user, 5.0, {t.public: t for t in targets})


def end(public: bytes = A, jid: str = JID) -> End:
    return End(jid, public, "done", True, 0, b"true", 1.5)


@given(st.lists(st.floats(min_value=0, max_value=4e9), min_size=1, max_size=30), st.just("20300101000000000000"))
def test_job_ids_grow_whatever_the_clock_does(moments: list[float], last: str) -> None:
    make = JidMaker(last)
    made = [make(moment) for moment in moments]
    assert all(names.jid(jid) for jid in made)
    assert made == sorted(set(made))
    assert made[0] > last


def test_an_end_is_stored_once(db: sqlite3.Connection) -> None:
    jobs.create(db, job(JID, "root", Target(A, "a", "sent")))
    assert jobs.store(db, [end(), end()], 9.0) == ["stored", "duplicate"]
    assert history.lookup(db, JID)["Result"]["a"]["return"] is True


def test_an_end_of_a_job_that_was_not_given_is_unknown(db: sqlite3.Connection) -> None:
    jobs.create(db, job(JID, "root", Target(A, "a", "sent")))
    assert jobs.store(db, [end(B)], 9.0) == ["unknown"]
    assert list(history.lookup(db, JID)["Result"]) == ["a"]


def test_what_a_minion_owes_is_what_it_does_not_hold(db: sqlite3.Connection) -> None:
    second = "20260101000000000002"
    jobs.create(db, job(JID, "root", Target(A, "a", "sent")))
    jobs.create(db, job(second, "root", Target(A, "a", "sent"), Target(B, "b", "sent")))
    jobs.received(db, [(second, A)])
    assert [(j.jid, state) for j, state in jobs.open_for(db, A, [])] == [(JID, "sent"), (second, "received")]
    assert [j.jid for j, _ in jobs.open_for(db, A, [second])] == [JID]


def test_a_minion_can_not_store_its_own_call_under_anothers_job(db: sqlite3.Connection) -> None:
    jobs.create(db, job(JID, "root", Target(B, "b", "sent")))
    mine = job(JID, "minion/a", Target(A, "a", "received"))
    verdict, stored = jobs.create_called(db, mine, end())
    assert (verdict, stored.jid) == ("stored", f"{int(JID) + 1:020d}")
    assert [history.lookup(db, jid)["User"] for jid in (JID, stored.jid)] == ["root", "minion/a"]


def test_calls_that_minions_made_in_the_same_microsecond_are_stored_once_each(db: sqlite3.Connection) -> None:
    calls = [
        (job(JID, f"minion/{one}", Target(one.encode() * 32, one, "received")), one.encode() * 32) for one in "abc"
    ]
    told = [jobs.create_called(db, mine, end(public)) for _ in range(2) for mine, public in calls]
    assert [verdict for verdict, _ in told] == ["stored"] * 3 + ["duplicate"] * 3
    kept = [f"{int(JID) + number:020d}" for number in range(3)]
    assert [stored.jid for _, stored in told] == kept * 2
    assert [list(history.lookup(db, jid)["Result"]) for jid in kept] == [["a"], ["b"], ["c"]]


def test_a_job_id_that_is_taken_is_not_used_again(db: sqlite3.Connection) -> None:
    assert jobs.create_new(db, job(JID, "minion/a", Target(A, "a", "received")))
    assert not jobs.create_new(db, job(JID, "root", Target(B, "b", "sent")))
    assert history.lookup(db, JID)["User"] == "minion/a"


def test_a_job_that_is_not_kept_is_said_so(db: sqlite3.Connection) -> None:
    with pytest.raises(UsageError, match="there is no job"):
        history.lookup(db, JID)
