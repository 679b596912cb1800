"""How a beacon is configured, and how much it may say."""

from __future__ import annotations

from typing import Any

import pytest

from minion.beacons.item import BURST, BeaconItemError, Item, Told, parse


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            [{"a": {"1m": [0, 2]}}, {"interval": 30}],
            Item(name="x", kind="x", options={"a": {"1m": [0, 2]}}, interval_s=30),
        ),
        ({"/": "90%", "onchangeonly": True}, Item(name="x", kind="x", options={"/": "90%"}, on_change=True)),
        ([{"beacon_module": "load"}, {"enabled": False}], Item(name="x", kind="load", options={}, enabled=False)),
        ([], Item(name="x", kind="x", options={})),
    ],
)
def test_the_forms_that_salt_has_are_read(given: Any, expected: Item) -> None:
    assert parse("x", given) == expected


@pytest.mark.parametrize(
    ("name", "given"), [("x", 5), ("x", ["a"]), ("x", {"interval": 0}), ("x", {"enabled": "yes"}), ("a/b", []), (3, [])]
)
def test_what_makes_no_sense_is_named(name: Any, given: Any) -> None:
    with pytest.raises(BeaconItemError, match="beacons: "):
        parse(name, given)


def test_only_what_changed_is_told_where_that_is_wanted() -> None:
    told = Told(parse("x", {"onchangeonly": True}))
    full = [{"mount": "/", "diskusage": 91}]
    assert told.news(full, 1.0) == full
    assert told.news(full, 2.0) == []
    assert told.news([], 3.0) == []
    assert told.news(full, 4.0) == full


def test_the_first_look_says_nothing_where_that_is_wanted() -> None:
    told = Told(parse("x", {"emitatstartup": False}))
    assert told.news([{"name": "a"}], 1.0) == []
    assert told.news([{"name": "a"}], 2.0) == [{"name": "a"}]


def test_what_comes_too_often_is_left_out_and_counted() -> None:
    told = Told(parse("x", {}))
    news = [{"path": str(number)} for number in range(50)]
    assert len(told.news(news, 100.0)) == int(BURST)
    assert told.news([{"path": "z"}], 105.0) == [{"path": "z", "left_out": 50 - int(BURST)}]
