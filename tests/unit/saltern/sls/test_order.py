"""The rules of the order: the tree's own, `order`, then requisites, and circles shown as a path."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.sls.order import positions, sort

SIZES = st.integers(1, 12)


def order_of(*wanted: Any) -> list[int]:
    """The indexes of states with these `order`, sorted by where they belong."""
    places = positions([(order, 10000 + number) for number, order in enumerate(wanted)])
    return sorted(range(len(wanted)), key=places.__getitem__)


def test_without_order_the_tree_decides() -> None:
    assert order_of(None, None, None) == [0, 1, 2]


def test_first_and_numbers_come_before_and_last_and_negative_ones_after() -> None:
    assert order_of(None, "last", -1, 5, "first", -2, 1) == [4, 6, 3, 0, 5, 2, 1]


def test_a_number_may_be_far_behind_and_last_is_behind_it() -> None:
    assert order_of("last", 5_000_000, None) == [2, 1, 0]


@pytest.mark.parametrize("order", ["early", True, [1], "1"])
def test_an_order_that_is_none_is_refused(order: Any) -> None:
    with pytest.raises(ValueError, match="order wants a number, first or last"):
        positions([(order, 10000.0)])


@st.composite
def acyclic(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]]]:
    """A number of states and edges that follow a hidden order, so that there is no circle."""
    count = draw(SIZES)
    hidden = draw(st.permutations(range(count)))
    pairs = draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=30))
    return count, [(hidden[min(a, b)], hidden[max(a, b)]) for a, b in pairs if a != b]


@given(acyclic())
def test_what_is_required_always_comes_first(graph: tuple[int, list[tuple[int, int]]]) -> None:
    count, edges = graph
    order, cycle = sort(range(count), edges)
    assert cycle == []
    assert sorted(order) == list(range(count))
    assert all(order.index(before) < order.index(after) for before, after in edges)


@given(acyclic())
def test_of_those_that_may_go_the_earlier_one_goes(graph: tuple[int, list[tuple[int, int]]]) -> None:
    count, edges = graph
    order, _ = sort(range(count), edges)
    for number, current in enumerate(order):
        done = set(order[:number])
        free = [n for n in range(count) if n not in done and all(b in done for b, a in edges if a == n)]
        assert current == min(free)


@given(acyclic(), st.randoms(use_true_random=False))
def test_the_order_of_the_edges_does_not_matter(graph: tuple[int, list[tuple[int, int]]], random: Any) -> None:
    count, edges = graph
    shuffled = list(edges)
    random.shuffle(shuffled)
    assert sort(range(count), edges) == sort(range(count), shuffled)


@given(acyclic(), st.lists(st.integers(0, 11), min_size=1, max_size=5, unique=True))
def test_a_circle_is_found_and_is_one(graph: tuple[int, list[tuple[int, int]]], members: list[int]) -> None:
    count, edges = graph
    ring = [n for n in members if n < count] or [0]
    edges = [*edges, *zip(ring, [*ring[1:], ring[0]], strict=True)]
    order, cycle = sort(range(count), edges)
    assert len(order) < count
    assert cycle[0] == cycle[-1]
    assert len(set(cycle)) == len(cycle) - 1
    assert all((before, after) in edges for after, before in pairwise(cycle))
