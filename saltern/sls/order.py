"""The order of the low state: that of the tree, changed by `order` and then, as little as needed, by requisites."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Any

_FAR = 1_000_000  # behind every number that `order` may give


def positions(wanted: Sequence[tuple[Any, float]]) -> list[float]:
    """Where each state belongs, of WANTED = (its `order` or None, its place in the tree), by Salt's rules: `first` is
    0, a number N is N, states without `order` keep the place in the tree (10000 and up), `last` is behind all, and a
    negative number counts from there backwards. ValueError names an `order` that is none of these."""
    top = max((order + 100 for order, _ in wanted if _is_number(order) and order > 0), default=1)
    last = max([top, *(place for _, place in wanted)]) + _FAR
    return [_position(order, place, last) for order, place in wanted]


def _position(order: Any, place: float, last: float) -> float:
    if order is None:
        return place
    if order == "last":
        return last
    if order == "first":
        return 0.0
    if not _is_number(order):
        raise ValueError(f"order wants a number, first or last, not {order!r}")
    fraction = place % 1  # keeps the names of one state apart
    return float(order) + fraction if order >= 0 else last + order + fraction


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def sort(keys: Sequence[Any], edges: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """The indexes 0…len(KEYS)-1 so that of each edge (before, after) the first stands first; of those that are free
    to go, the one with the smallest key goes. Second: a cycle as indexes (the first one repeated), or nothing.
    """
    if not edges:
        return sorted(range(len(keys)), key=keys.__getitem__), []
    after: list[list[int]] = [[] for _ in keys]
    waits = [0] * len(keys)
    for first, second in edges:
        after[first].append(second)
        waits[second] += 1
    ready = [(keys[n], n) for n in range(len(keys)) if not waits[n]]
    heapify(ready)
    done: list[int] = []
    while ready:
        _, current = heappop(ready)
        done.append(current)
        for follower in after[current]:
            waits[follower] -= 1
            if not waits[follower]:
                heappush(ready, (keys[follower], follower))
    if len(done) == len(keys):
        return done, []
    return done, _cycle(edges, {n for n in range(len(keys)) if waits[n]})


def _cycle(edges: Sequence[tuple[int, int]], stuck: set[int]) -> list[int]:
    """One cycle among the STUCK: each of them waits for another, so going back from any one must come round."""
    before: dict[int, int] = {}
    for first, second in edges:
        if first in stuck and second in stuck:
            before.setdefault(second, first)
    path: list[int] = []
    seen: dict[int, int] = {}
    current = min(before)
    while current not in seen:
        seen[current] = len(path)
        path.append(current)
        current = before[current]
    cycle = path[seen[current] :]
    start = cycle.index(min(cycle))
    cycle = cycle[start:] + cycle[:start]
    return [*cycle, cycle[0]]
