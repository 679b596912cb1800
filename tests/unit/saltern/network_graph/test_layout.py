"""Where boxes go: columns, no box over another, lines that go to the right only."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.network_graph.layout import GAP_Y, apart, columns_of, lay_out, natural

FLOORS = {"eth0": 0, "eth1": 0, "bond0": 1, "bond0.43": 1, "br43": 2, "br43.7": 1, "web": 3, "br9": 2}


def test_columns_go_from_the_wires_to_the_guests() -> None:
    lines = [
        *(("eth0", "bond0"), ("eth1", "bond0"), ("bond0", "bond0.43"), ("bond0.43", "br43"), ("br43", "web")),
        ("br43", "br43.7"),
    ]
    assert columns_of(FLOORS, lines, FLOORS) == {
        "eth0": 0,
        "eth1": 0,
        "bond0": 1,
        "bond0.43": 2,
        "br43": 3,
        "br9": 3,
        "web": 4,
        "br43.7": 4,
    }


def test_empty_columns_are_left_out() -> None:
    assert columns_of({"eth0": 0, "web": 3}, [("eth0", "web")], {"eth0": 0, "web": 3}) == {"eth0": 0, "web": 1}


@pytest.mark.parametrize("lines", [[("a", "b"), ("b", "a")], [("a", "a")], [("a", "b"), ("b", "c"), ("c", "a")]])
def test_a_circle_ends(lines: list[tuple[str, str]]) -> None:
    layout = lay_out(dict.fromkeys("abc", (10.0, 10.0)), lines, {})
    assert set(layout.places) == set("abc")


def test_a_long_chain_is_no_deep_recursion() -> None:
    names = [f"v{number}" for number in range(3000)]
    assert columns_of(names, list(pairwise(names)), {})["v2999"] == 2999


@given(
    boxes=st.lists(st.tuples(st.floats(-500, 500), st.floats(1, 80)), min_size=1, max_size=12),
)
def test_boxes_of_a_column_keep_their_order_and_their_distance(boxes: list[tuple[float, float]]) -> None:
    wished, heights = [wish for wish, _ in boxes], [height for _, height in boxes]
    middles = apart(wished, heights, 10)
    for (above, up), (below, down) in pairwise(zip(middles, heights, strict=True)):
        assert below - above >= (up + down) / 2 + 10 - 1e-6
    if all(b - a >= (x + y) / 2 + 10 for (a, x), (b, y) in pairwise(boxes)):
        assert middles == pytest.approx(wished)  # where there is room, all wishes hold


NAMES = st.sampled_from([f"n{number}" for number in range(9)])


@given(
    lines=st.lists(st.tuples(NAMES, NAMES), max_size=20),
    floors=st.dictionaries(NAMES, st.integers(0, 3)),
    heights=st.lists(st.floats(20, 90), min_size=9, max_size=9),
)
def test_no_box_lies_on_another_and_lines_go_to_the_right(
    lines: list[tuple[str, str]], floors: dict[str, int], heights: list[float]
) -> None:
    sizes = {f"n{number}": (100.0, height) for number, height in enumerate(heights)}
    layout = lay_out(sizes, lines, floors)
    by_column: dict[int, list[Any]] = {}
    for place in layout.places.values():
        assert place.x >= -1e-6
        assert place.y >= -1e-6
        assert place.x + place.width <= layout.width + 1e-6
        assert place.y + place.height <= layout.height + 1e-6
        by_column.setdefault(place.column, []).append(place)
    for places in by_column.values():
        for above, below in pairwise(sorted(places, key=lambda place: place.y)):
            assert above.y + above.height + GAP_Y <= below.y + 1e-6
    for (below_key, above_key), route in layout.routes.items():
        assert [x for x, _ in route] == sorted(x for x, _ in route)
        assert route[0][0] == layout.places[below_key].x + layout.places[below_key].width
        assert route[-1][0] == layout.places[above_key].x


def test_numbers_in_names_are_numbers() -> None:
    assert sorted(["eth10", "eth2", "br", "eth2.43"], key=natural) == ["br", "eth2", "eth2.43", "eth10"]
