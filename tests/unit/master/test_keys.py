"""Keys: who may join, how tokens are spent, and that a deleted key leaves nothing behind."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from master import keys, store
from master.keys import JoinRefused
from master.uptime import Uptime
from saltern.errors import UsageError
from saltern.names import InvalidName

SEAL = b"s" * 32
NOW = 1_000_000.0


def key(number: int) -> bytes:
    return bytes([number]) * 32


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = store.connect(tmp_path / "master" / "master.db")
    yield connection
    connection.close()


def test_a_stranger_without_a_token_waits(db: sqlite3.Connection) -> None:
    assert keys.join(db, key(1), "n1", b"", SEAL, NOW).state == keys.PENDING


def test_a_token_lets_in_once(db: sqlite3.Connection) -> None:
    secret, _ = keys.new_token(db, "n*", 60, 1, NOW)
    assert keys.join(db, key(1), "n1", secret, SEAL, NOW + 59.9).state == keys.ACCEPTED
    with pytest.raises(JoinRefused, match="unknown, used up or expired"):
        keys.join(db, key(2), "n2", secret, SEAL, NOW + 59.9)


@pytest.mark.parametrize(("at", "good"), [(59.999, True), (60.0, False), (61.0, False)])
def test_a_token_ends_at_its_expiry(db: sqlite3.Connection, at: float, good: bool) -> None:
    secret, expires = keys.new_token(db, "*", 60, 1, NOW)
    assert expires == NOW + 60
    if good:
        assert keys.join(db, key(1), "n1", secret, SEAL, NOW + at).state == keys.ACCEPTED
    else:
        with pytest.raises(JoinRefused):
            keys.join(db, key(1), "n1", secret, SEAL, NOW + at)


@pytest.mark.parametrize(("boot", "seconds", "good"), [("a", 559.9, True), ("a", 560, False), ("b", 10, True)])
def test_a_clock_that_is_set_back_makes_no_token_live_longer(
    db: sqlite3.Connection, boot: str, seconds: float, good: bool
) -> None:
    secret, _ = keys.new_token(db, "*", 60, 1, NOW, Uptime("a", 500.0))
    if good:
        assert keys.join(db, key(1), "n1", secret, SEAL, NOW - 86400, Uptime(boot, seconds)).state == keys.ACCEPTED
    else:
        with pytest.raises(JoinRefused, match="expired"):
            keys.join(db, key(1), "n1", secret, SEAL, NOW - 86400, Uptime(boot, seconds))


def test_a_token_that_was_seen_to_be_over_is_over_for_ever(db: sqlite3.Connection) -> None:
    secret, _ = keys.new_token(db, "*", 60, 1, NOW, Uptime("a", 500.0))
    keys.forget_tokens(db, NOW + 60, Uptime("b", 0.0))
    with pytest.raises(JoinRefused, match="expired"):
        keys.join(db, key(1), "n1", secret, SEAL, NOW, Uptime("b", 1.0))
    assert db.execute("SELECT count(*) FROM token_uptimes").fetchone() == (0,)


def test_a_token_is_for_the_names_it_was_made_for(db: sqlite3.Connection) -> None:
    secret, _ = keys.new_token(db, "on-*", 60, 1, NOW)
    with pytest.raises(JoinRefused, match="for minions named 'on-\\*'"):
        keys.join(db, key(1), "web", secret, SEAL, NOW)


def test_a_token_does_not_take_an_id_from_its_holder(db: sqlite3.Connection) -> None:
    secret, _ = keys.new_token(db, "*", 60, 5, NOW)
    keys.join(db, key(1), "n1", secret, SEAL, NOW)
    with pytest.raises(JoinRefused, match="belongs to another key"):
        keys.join(db, key(2), "n1", secret, SEAL, NOW)
    assert [r.public for r in keys.load(db)] == [key(1)]


def test_the_secret_of_a_token_is_not_in_the_store(db: sqlite3.Connection) -> None:
    secret, _ = keys.new_token(db, "*", 60, 1, NOW)
    assert secret not in b"".join(row[0] for row in db.execute("SELECT digest FROM tokens"))


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".", "..", "a..b", "x" * 255, "n\0", "ä", "a\n", "-a", "a.", "а1"])
def test_an_id_that_is_no_id_is_refused(db: sqlite3.Connection, name: str) -> None:
    with pytest.raises(InvalidName):
        keys.join(db, key(1), name, b"", SEAL, NOW)
    assert keys.load(db) == []


def test_a_rejected_key_stays_out_even_with_a_token(db: sqlite3.Connection) -> None:
    keys.change(db, [keys.join(db, key(1), "n1", b"", SEAL, NOW)], "reject", NOW)
    secret, _ = keys.new_token(db, "*", 60, 1, NOW)
    with pytest.raises(JoinRefused, match="was rejected"):
        keys.join(db, key(1), "n1", secret, SEAL, NOW)


def test_pending_keys_are_limited(db: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "MAX_PENDING", 2)
    keys.join(db, key(1), "n1", b"", SEAL, NOW)
    keys.join(db, key(2), "n2", b"", SEAL, NOW)
    with pytest.raises(JoinRefused, match="waiting already"):
        keys.join(db, key(3), "n3", b"", SEAL, NOW)


def test_deleting_a_key_purges_what_is_its_own_and_nothing_else(db: sqlite3.Connection) -> None:
    for number in (1, 2):
        record = keys.join(db, key(number), f"n{number}", b"", SEAL, NOW)
        keys.change(db, [record], "accept", NOW)
        db.execute("INSERT INTO minions VALUES (?, '{}', 0, '')", (key(number),))
        db.execute(
            "INSERT INTO ends (jid, public, minion, state, at) VALUES ('1', ?, ?, 'done', 0)",
            (key(number), f"n{number}"),
        )
    keys.change(db, keys.select(keys.load(db), "n1", None, keys.STATES), "delete", NOW)
    for table in ("keys", "minions", "ends"):
        assert [row[0] for row in db.execute(f"SELECT public FROM {table}")] == [key(2)]


def test_two_keys_of_one_id_are_not_both_accepted(db: sqlite3.Connection) -> None:
    first = keys.join(db, key(1), "n1", b"", SEAL, NOW)
    second = keys.join(db, key(2), "n1", b"", SEAL, NOW)
    keys.change(db, [first], "accept", NOW)
    with pytest.raises(UsageError, match="belongs to the accepted key"):
        keys.change(db, [second], "accept", NOW)


def test_keys_are_chosen_by_glob_or_by_fingerprint(db: sqlite3.Connection) -> None:
    records = [keys.join(db, key(number), f"n{number}", b"", SEAL, NOW) for number in (1, 2, 3)]
    assert [r.id for r in keys.select(records, "n[12]", None, keys.STATES)] == ["n1", "n2"]
    assert keys.select(records, records[2].fingerprint, None, keys.STATES) == [records[2]]
    assert keys.select(records, None, records[1].fingerprint[:23], keys.STATES) == [records[1]]
    with pytest.raises(UsageError, match="no pending key matches 'x\\*'"):
        keys.select(records, "x*", None, [keys.PENDING])
