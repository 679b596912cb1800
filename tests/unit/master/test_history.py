"""Finding jobs by whatever was asked for gives what looking at each of them gives; the oldest are forgotten."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path

import pytest

from master import history, jobs, store
from master.history import Wanted
from master.job_runners import moment, wanted_of
from master.jobs import End, Job, Target
from saltern.errors import UsageError

NOW = 1000.0
USERS, FUNCTIONS, TARGETS = ("root", "minion/a", "ops"), ("test.ping", "state.apply", "state.sls"), ("*", "a", "web*")


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = store.connect(tmp_path / "master.db")
    yield connection
    connection.close()


def put(db: sqlite3.Connection, number: int, user: str, function: str, target: str, **outcomes: str) -> str:
    """A job at second NUMBER with the outcome of each minion."""
    targets = {name.encode() * 32: Target(name.encode() * 32, name, "sent") for name in outcomes}
    job = Job(f"{number:020d}", function, b"[]", b"{}", target, "glob", user, float(number), targets)
    jobs.create(db, job)
    ends = [
        End(job.jid, name.encode() * 32, outcome, outcome == "done", 0 if outcome == "done" else 1, b"1", 1.0)
        for name, outcome in outcomes.items()
        if outcome != "sent"
    ]
    jobs.store(db, ends, number)
    return job.jid


def fill(db: sqlite3.Connection) -> list[tuple[str, int, str, str, str, dict[str, str]]]:
    made = []
    states = ("done", "failed", "lost", "sent")
    for number, (user, function, target) in enumerate(product(USERS, FUNCTIONS, TARGETS)):
        outcomes = {"a": states[number % 4], "b": "done"} if number % 3 else {"c": states[number % 4]}
        made.append((put(db, number, user, function, target, **outcomes), number, user, function, target, outcomes))
    return made


@pytest.mark.parametrize("user", ["*", "root", "minion/*", "nobody"])
@pytest.mark.parametrize("function", ["*", "state.*", "test.ping"])
@pytest.mark.parametrize("minion", ["", "a", "z"])
@pytest.mark.parametrize("outcome", ["", "done", "failed", "sent"])
@pytest.mark.parametrize("since", [0.0, 9.0])
def test_a_list_holds_what_fits_and_nothing_else(
    db: sqlite3.Connection, user: str, function: str, minion: str, outcome: str, since: float
) -> None:
    expected = [
        jid
        for jid, number, by, what, _, outcomes in fill(db)
        if fnmatchcase(by, user) and fnmatchcase(what, function) and number >= since
        if (minion in outcomes if minion else True)
        if (outcome in ([outcomes[minion]] if minion else outcomes.values()) if outcome else True)
    ]
    for limit in (50, 3):
        wanted = Wanted(user=user, function=function, minion=minion, outcome=outcome, since=since, limit=limit)
        assert list(history.listing(db, wanted)) == expected[-limit:]


def test_a_target_is_found_as_it_was_written_and_by_glob(db: sqlite3.Connection) -> None:
    fill(db)
    assert {job["Target"] for job in history.listing(db, Wanted(target="web*")).values()} == {"web*"}
    assert len(history.listing(db, Wanted(target="*", limit=100))) == 27


def test_the_last_run_comes_with_its_ends(db: sqlite3.Connection) -> None:
    fill(db)
    jid = put(db, 500, "root", "test.ping", "*", a="done", b="failed")
    assert history.last_run(db, Wanted(function="test.*"))["jid"] == jid
    assert history.exit_success(db, jid) == {"a": True, "b": False}
    with pytest.raises(UsageError, match="no such job is kept"):
        history.last_run(db, Wanted(function="pkg.*"))


def test_jobs_are_forgotten_by_age_in_small_bites(db: sqlite3.Connection) -> None:
    for number in range(10):
        put(db, number, "root", "test.ping", "*", a="done")
    assert [history.prune(db, 7.0, None, 5) for _ in range(3)] == [5, 2, 0]
    assert len(history.listing(db, Wanted())) == 3
    history.tidy(db)
    assert db.execute("SELECT count(*) FROM kinds").fetchone()[0] == 1


def test_beyond_the_number_that_is_kept_the_oldest_go(db: sqlite3.Connection) -> None:
    for number in range(10):
        put(db, number, "root", "test.ping", "*", a="done", b="done")
    while history.prune(db, 0.0, 10, 1):
        pass
    assert sorted(history.listing(db, Wanted())) == [f"{number:020d}" for number in range(5, 10)]
    assert history.results(db) == 10


def test_what_has_not_ended_is_kept_longer(db: sqlite3.Connection) -> None:
    jid = put(db, 5, "root", "test.ping", "*", a="sent")
    assert history.prune(db, 1e6, 0) == 0
    assert list(history.active(db)) == [jid]
    assert history.prune(db, 1e6 + history.OPEN_KEPT_S) == 1
    assert history.results(db) == 0


def test_an_older_store_gets_its_kinds(tmp_path: Path) -> None:
    file = tmp_path / "master.db"
    old = sqlite3.connect(file)
    old.execute(
        "CREATE TABLE jobs (jid TEXT PRIMARY KEY, function TEXT NOT NULL, args TEXT NOT NULL, kwargs TEXT NOT NULL, "
        "target TEXT NOT NULL, form TEXT NOT NULL, user TEXT NOT NULL, started REAL NOT NULL) WITHOUT ROWID"
    )
    old.execute("INSERT INTO jobs VALUES ('1', 'test.ping', '[]', '{}', '*', 'glob', 'root', 5)")
    old.commit()
    old.close()
    connection = store.connect(file)
    assert list(history.listing(connection, Wanted(function="test.*"))) == ["1"]
    connection.close()


@pytest.mark.parametrize(("given", "expected"), [("90m", NOW - 5400), ("2d", NOW - 172800), ("1970-01-02", None)])
def test_a_time_is_a_date_or_how_long_ago(given: str, expected: float | None) -> None:
    found = moment("since", given, NOW)
    assert found == expected if expected is not None else abs(found - 86400) <= 14 * 3600


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": True}, {"outcome": "bad"}, {"since": "yesterday"}])
def test_a_filter_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    given: dict[str, object] = {
        "limit": 5,
        "user": "*",
        "function": "*",
        "target": "*",
        "minion": "",
        "since": None,
        "until": None,
        "outcome": "",
    }
    with pytest.raises(UsageError):
        wanted_of(**{**given, **wrong})  # type: ignore[arg-type]
