"""Where the boxes of a graph go: columns from the wire to the guests, few crossings, straight lines where possible.

Layered drawing after Sugiyama, Tagawa and Toda (1981): columns by what lies on what; order by the barycentre of the
neighbours; heights by least squares under "no two boxes overlap" (isotonic regression, pool adjacent violators).
A line over several columns runs through an invisible box in each column between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

GAP_X = 64.0  # pixels between columns
GAP_Y = 14.0  # pixels between boxes of a column
_BEND = 6.0  # height of an invisible box
_SWEEPS = 8

Node = Hashable  # a key, or (below, above, column) for an invisible box


@dataclass(frozen=True, slots=True)
class Place:
    """A box: its left upper corner and its size, in pixels; COLUMN from 0."""

    x: float
    y: float
    width: float
    height: float
    column: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The places by key, the points that each line (below, above) runs through, the columns' left edges and widths, and
    the size of all."""

    places: Mapping[str, Place]
    routes: Mapping[tuple[str, str], tuple[tuple[float, float], ...]]
    columns: tuple[tuple[float, float], ...]
    width: float
    height: float


def lay_out(
    sizes: Mapping[str, tuple[float, float]], lines: Iterable[tuple[str, str]], floors: Mapping[str, int]
) -> Layout:
    """Places for boxes of SIZES (width, height). LINES: (below, above). FLOORS: the kind's own level by key: 0 what
    there is, 1 what is made of it, 2 bridges, 3 guests."""
    known = [(below, above) for below, above in dict.fromkeys(lines) if below in sizes and above in sizes]
    column = columns_of(sizes, known, floors)
    chains: dict[tuple[str, str], list[Node]] = {}
    order: dict[int, list[Node]] = {number: [] for number in range(max(column.values(), default=0) + 1)}
    linked = {key for line in known for key in line}
    for key in sorted(sizes, key=lambda key: (key not in linked, natural(key))):
        order[column[key]].append(key)
    for below, above in known:
        if column[below] >= column[above]:
            continue  # a circle: drawn nowhere, since nothing can lie on itself
        bends: list[Node] = [(below, above, number) for number in range(column[below] + 1, column[above])]
        for number, bend in enumerate(bends, column[below] + 1):
            order[number].append(bend)
        chains[below, above] = [below, *bends, above]
    near = _neighbours(chains.values())
    _sort(order, near)
    heights = {node: sizes[node][1] if isinstance(node, str) else _BEND for nodes in order.values() for node in nodes}
    middle = _heights(order, near, heights)
    return _placed(sizes, column, order, chains, heights, middle)


def columns_of(sizes: Iterable[str], lines: Sequence[tuple[str, str]], floors: Mapping[str, int]) -> dict[str, int]:
    """The column of each box: right of all that it lies on, and bridges and guests below each other where possible."""
    below: dict[str, list[str]] = {key: [] for key in sizes}
    for low, high in lines:
        below[high].append(low)
    first = _depths(below, lambda key: min(floors.get(key, 0), 1))
    on_bridge = _reachable(below, {key for key in below if floors.get(key, 0) >= 2})
    last = max((first[key] for key in below if floors.get(key, 0) == 1 and key not in on_bridge), default=0)
    level = {0: 0, 1: 1, 2: last + 1, 3: last + 2}
    depth = _depths(below, lambda key: level[floors.get(key, 0)])
    used = {number: new for new, number in enumerate(sorted(set(depth.values())))}
    return {key: used[number] for key, number in depth.items()}


def _depths(below: Mapping[str, Sequence[str]], least: Callable[[str], int]) -> dict[str, int]:
    """The longest way down from each box, at least LEAST(key). A circle is cut where it is met. Without recursion,
    since a minion says how long the ways are."""
    depth: dict[str, int] = {}
    for start in below:
        open_: list[tuple[str, int]] = [(start, 0)]
        on_way: set[str] = {start}
        while open_:
            key, number = open_.pop()
            lows = below[key]
            while number < len(lows) and (lows[number] in depth or lows[number] in on_way):
                number += 1
            if key in depth:
                on_way.discard(key)
            elif number < len(lows):
                open_ += [(key, number + 1), (lows[number], 0)]
                on_way.add(lows[number])
            else:
                depth[key] = max([least(key), *(depth[low] + 1 for low in lows if low in depth)])
                on_way.discard(key)
    return depth


def _reachable(below: Mapping[str, Sequence[str]], from_: set[str]) -> set[str]:
    """All that lies on one of FROM_, at any distance."""
    above: dict[str, list[str]] = {}
    for high, lows in below.items():
        for low in lows:
            above.setdefault(low, []).append(high)
    found: set[str] = set()
    todo = list(from_)
    while todo:
        for high in above.get(todo.pop(), []):
            if high not in found:
                found.add(high)
                todo.append(high)
    return found


def _neighbours(chains: Iterable[Sequence[Node]]) -> dict[Node, tuple[list[Node], list[Node]]]:
    """For each node those on its left and on its right."""
    near: dict[Node, tuple[list[Node], list[Node]]] = {}
    for chain in chains:
        for low, high in pairwise(chain):
            near.setdefault(low, ([], []))[1].append(high)
            near.setdefault(high, ([], []))[0].append(low)
    return near


def _sort(order: dict[int, list[Node]], near: Mapping[Node, tuple[list[Node], list[Node]]]) -> None:
    """Sort each column by the mean position of the neighbours, to and fro. What has none on that side stays where it
    is."""
    position = {node: index for nodes in order.values() for index, node in enumerate(nodes)}
    for sweep in range(_SWEEPS):
        side = sweep % 2
        for number in sorted(order, reverse=side == 1):
            nodes = order[number]
            mean = {
                node: sum(position[other] for other in others) / len(others)
                for node in nodes
                if (others := near.get(node, ([], []))[side])
            }
            moved = iter(sorted(mean, key=mean.__getitem__))
            order[number] = [next(moved) if node in mean else node for node in nodes]
            position |= {node: index for index, node in enumerate(order[number])}


def _heights(
    order: Mapping[int, Sequence[Node]],
    near: Mapping[Node, tuple[list[Node], list[Node]]],
    heights: Mapping[Node, float],
) -> dict[Node, float]:
    """The middle of each node, as near to its neighbours' as the order of its column allows."""
    middle: dict[Node, float] = {}
    for nodes in order.values():
        top = 0.0
        for node in nodes:
            middle[node] = top + heights[node] / 2
            top += heights[node] + GAP_Y
    joined = {number: [node for node in nodes if node in near] for number, nodes in order.items()}
    for sweep in range(_SWEEPS):
        side = sweep % 2
        for number in sorted(order, reverse=side == 1):
            nodes = joined[number]
            wished = []
            for node in nodes:
                left, right = near[node]
                others = (left, right)[side] or (right, left)[side]
                wished.append(sum(middle[other] for other in others) / len(others))
            middle |= dict(zip(nodes, apart(wished, [heights[node] for node in nodes], GAP_Y), strict=True))
    top = min((middle[node] - heights[node] / 2 for nodes in joined.values() for node in nodes), default=0.0)
    for number, nodes in order.items():  # what hangs on nothing stands below the rest
        bottom = max((middle[node] + heights[node] / 2 + GAP_Y for node in joined[number]), default=top)
        for node in nodes:
            if node not in near:
                middle[node] = bottom + heights[node] / 2
                bottom += heights[node] + GAP_Y
    return middle


def apart(wished: Sequence[float], heights: Sequence[float], gap: float) -> list[float]:
    """The middles nearest to WISHED (least squares) at which boxes of HEIGHTS keep their order and GAP."""
    offsets, total = [], 0.0
    for index, height in enumerate(heights):
        total += height / 2 + (heights[index - 1] / 2 + gap if index else 0.0)
        offsets.append(total)
    blocks: list[tuple[float, int]] = []  # mean and size, rising
    for wish, offset in zip(wished, offsets, strict=True):
        mean, size = wish - offset, 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean, size = (before * count + mean * size) / (count + size), count + size
        blocks.append((mean, size))
    starts = [mean for mean, size in blocks for _ in range(size)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]


def _placed(
    sizes: Mapping[str, tuple[float, float]],
    column: Mapping[str, int],
    order: Mapping[int, Sequence[Node]],
    chains: Mapping[tuple[str, str], Sequence[Node]],
    heights: Mapping[Node, float],
    middle: Mapping[Node, float],
) -> Layout:
    widths = [max([sizes[key][0] for key in sizes if column[key] == number], default=0.0) for number in sorted(order)]
    lefts = [sum(widths[:number]) + GAP_X * number for number in range(len(widths))]
    top = min((middle[node] - heights[node] / 2 for node in middle), default=0.0)
    places = {
        key: Place(
            lefts[column[key]], middle[key] - heights[key] / 2 - top, widths[column[key]], heights[key], column[key]
        )
        for key in sizes
    }
    routes: dict[tuple[str, str], tuple[tuple[float, float], ...]] = {}
    for (below, above), chain in chains.items():
        points: list[tuple[float, float]] = []
        for number, node in enumerate(chain, column[below]):
            y = middle[node] - top
            if number > column[below]:
                points.append((lefts[number], y))
            if number < column[above]:
                points.append((lefts[number] + widths[number], y))
        routes[below, above] = tuple(points)
    bottom = max((place.y + place.height for place in places.values()), default=0.0)
    width = lefts[-1] + widths[-1] if widths else 0.0
    return Layout(places, routes, tuple(zip(lefts, widths, strict=True)), width, bottom)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sorting key by which eth2 comes before eth10."""
    return [
        (0, int(part[:18]), part) if part.isascii() and part.isdigit() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    ]
