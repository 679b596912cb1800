"""What a minion may have others run, and what it may know of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from master import mine, peer_asks, peers, store
from master.peers import Peers
from saltern.errors import ConfigError, UsageError

GRANTS = {"web*": ["test.ping", "cmd.run", {"db*": ["mysql.*", "*"]}], "ops": ["*"]}


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = store.connect(tmp_path / "master.db")
    yield connection
    connection.close()


@pytest.mark.parametrize(
    ("minion", "function", "on", "allowed"),
    [
        ("web1", "test.ping", ["x"], True),
        ("web1", "test.ping", [], True),
        ("web1", "test.version", ["x"], False),
        ("web1", "mysql.query", ["db1"], True),
        ("web1", "mysql.query", ["db1", "x"], False),
        ("db1", "test.ping", ["web1"], False),
        ("web1", "cmd.run", ["x"], True),  # by its whole name
        ("web1", "cmd.shell", ["db1"], False),  # a glob grants no function that does what its arguments say
        ("ops", "state.apply", ["x"], False),
        ("ops", "test.ping", ["x"], True),
        ("ops", "publish.publish", ["x"], False),
        ("ops", "schedule.add", ["x"], False),
        ("ops", "state.single", ["x"], False),
        ("ops", "mine.send", ["x"], False),
    ],
)
def test_only_what_is_granted_is_let_through(minion: str, function: str, on: list[str], allowed: bool) -> None:
    check = Peers(GRANTS)
    if allowed:
        check.check(minion, function, on)
    else:
        with pytest.raises(UsageError, match="grants it nowhere"):
            check.check(minion, function, on)


def test_nothing_is_granted_by_nothing() -> None:
    with pytest.raises(UsageError):
        Peers({}).check("a", "test.ping", ["b"])


@pytest.mark.parametrize(
    "given", [{"a": ["publish.publish"]}, {"a": [{"*": ["schedule.add"]}]}, {"a": "test.ping"}, {"a": [{"b": "x"}]}]
)
def test_a_grant_of_everything_or_of_nothing_sensible_ends_the_start(given: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Peers(given)


def test_a_question_that_comes_twice_is_known(db: sqlite3.Connection) -> None:
    assert peers.first(db, "a", "1", 5.0)
    assert not peers.first(db, "a", "1", 6.0)
    assert peers.first(db, "b", "1", 6.0)
    assert peers.first(db, "a", "1", 5.0 + 2 * peers.ONCE_KEPT_S)


def test_a_value_of_the_mine_goes_to_whom_it_is_meant_for(db: sqlite3.Connection) -> None:
    mine.put(db, "a", "f", {"x": 1}, "", "glob", 1.0)
    mine.put(db, "b", "f", 2, "web*", "glob", 1.0)
    mine.put(db, "c", "f", 3, "a,z", "list", 1.0)
    everybody = {"a", "b", "c"}
    assert mine.get(db, everybody, ["f"], "a") == {"f": {"a": {"x": 1}, "c": 3}}
    assert mine.get(db, everybody, ["f"], "web1") == {"f": {"b": 2}}
    assert mine.get(db, {"b"}, ["f", "g"], None) == {"f": {"b": 2}, "g": {}}
    assert mine.delete(db, "a", "f")
    assert not mine.delete(db, "a", "f")


def test_the_mine_of_one_minion_is_bounded_and_its_own(db: sqlite3.Connection) -> None:
    for number in range(mine.MOST_FUNCTIONS):
        mine.put(db, "a", f"f{number}", 1, "", "glob", 1.0)
    mine.put(db, "a", "f1", 2, "", "glob", 1.0)
    with pytest.raises(UsageError, match="at most 100"):
        mine.put(db, "a", "more", 1, "", "glob", 1.0)
    mine.put(db, "b", "f1", 3, "", "glob", 1.0)
    mine.flush(db, "a", ["f1"])
    assert mine.get(db, {"a", "b"}, ["f1", "f2"], None) == {"f1": {"a": 2, "b": 3}, "f2": {}}


@pytest.mark.parametrize(
    ("form", "expression"),
    [("pcre", "(a+)+b"), ("pillar", "x:1"), ("compound", "web* and I@secret:x"), ("compound", "not ( a or E@x )")],
)
def test_a_minion_aims_without_regular_expressions_and_pillar(form: str, expression: str) -> None:
    class Asking:
        async def select(self, expression: str, form: str) -> list[object]:
            raise AssertionError("it was asked")

    with pytest.raises(UsageError, match="a minion may aim by"):
        asyncio.run(peer_asks._chosen(Asking(), expression, form))  # type: ignore[arg-type]
