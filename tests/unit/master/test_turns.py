"""Whose turn it is, how many at once, and when it is nobody's any more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from master.turns import Pace, Turns, share_of, size_of
from saltern.errors import UsageError


def keys(count: int) -> list[bytes]:
    return [bytes([number]) for number in range(count)]


@pytest.mark.parametrize(("text", "total", "size"), [("10", 3, 10), ("25%", 10, 3), ("1%", 10, 1), ("100%", 7, 7)])
def test_a_batch_is_a_number_or_a_share(text: str, total: int, size: int) -> None:
    assert size_of(text, total) == size


@pytest.mark.parametrize("text", ["0", "0%", "101%", "-1", "1.5", "many", ""])
def test_a_batch_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a batch is a number of minions or a percentage"):
        size_of(text, 10)


def test_a_failure_that_is_excused_keeps_nobody_from_a_turn() -> None:
    first, second, *_ = minions = keys(3)
    turns = Turns(minions, Pace(size=1, most_failed=0.0, excused=frozenset({first})), 3)
    assert turns.take(0.0) == [first]
    turns.ended(first, False, 0.0)
    assert turns.take(0.0) == [second]
    turns.ended(second, False, 0.0)
    assert (turns.stopped, turns.take(0.0)) == (True, [])


def test_a_share_is_a_percentage() -> None:
    assert (share_of("20%"), share_of("0")) == (0.2, 0.0)
    with pytest.raises(UsageError, match="from 0 to 100"):
        share_of("120")


@given(st.integers(1, 40), st.integers(1, 12), st.randoms(use_true_random=False))
def test_each_gets_one_turn_and_never_more_than_the_size_at_once(count: int, size: int, chance: object) -> None:
    turns, running, had = Turns(keys(count), Pace(size=size), count), set[bytes](), []
    while True:
        taken = turns.take(0.0)
        running.update(taken)
        had += taken
        assert len(running) <= size
        if not running:
            break
        one = sorted(running)[chance.randrange(len(running))]  # type: ignore[attr-defined]
        running.discard(one)
        turns.ended(one, True, 0.0)
    assert had == keys(count)


def test_the_next_waits_after_an_end() -> None:
    turns = Turns(keys(3), Pace(size=1, wait_s=10), 3)
    assert turns.take(0) == [b"\0"]
    turns.ended(b"\0", True, 5)
    assert (turns.take(14.9), turns.next_at()) == ([], 15)
    assert turns.take(15) == [b"\1"]


def test_the_first_failure_stops_where_none_is_allowed() -> None:
    turns = Turns(keys(4), Pace(size=1, most_failed=0), 4)
    turns.take(0)
    turns.ended(b"\0", False, 0)
    assert (turns.stopped, turns.take(0), turns.next_at()) == (True, [], None)
    assert turns.rest() == keys(4)[1:]
    assert turns.rest() == []


def test_a_share_of_all_minions_may_fail() -> None:
    turns = Turns(keys(4), Pace(size=4, most_failed=0.25), 4)
    turns.take(0)
    turns.ended(b"\0", False, 0)
    assert not turns.stopped
    turns.ended(b"\1", False, 0)
    assert turns.stopped


def test_one_that_was_never_there_counts_as_failed() -> None:
    turns = Turns(keys(2), Pace(size=1, most_failed=0), 3)
    turns.ended(b"x", False, 0)
    assert turns.stopped
