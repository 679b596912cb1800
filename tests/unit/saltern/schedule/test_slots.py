"""When an item is due, on clocks that people change twice a year."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.schedule.item import parse
from saltern.schedule.slots import following

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str, fold: int = 0) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold).timestamp()


def walk(start: str, count: int, **options: Any) -> list[str]:
    """The next COUNT times after START, as the wall shows them."""
    item = parse("it", {"function": "test.ping", **options})
    now, found = at(start), []
    for _ in range(count):
        due = following(item, now, minion="m1", zone=BERLIN)
        if due is None:
            break
        found.append(datetime.fromtimestamp(due, BERLIN).strftime("%m-%d %H:%M%z"))
        now = due
    return found


@pytest.mark.parametrize(
    ("start", "options", "expected"),
    [
        # the clocks go from 02:00 to 03:00 on 29 March 2026 and from 03:00 to 02:00 on 25 October
        ("2026-03-28T12:00", {"cron": "30 2 * * *"}, ["03-29 03:30+0200", "03-30 02:30+0200"]),
        ("2026-10-24T12:00", {"cron": "30 2 * * *"}, ["10-25 02:30+0200", "10-26 02:30+0100"]),
        ("2026-03-28T12:00", {"when": "2:30am"}, ["03-29 03:30+0200", "03-30 02:30+0200"]),
        ("2026-10-24T12:00", {"when": "2:30am"}, ["10-25 02:30+0200", "10-26 02:30+0100"]),
        (
            "2026-10-25T01:15",
            {"cron": "0 * * * *"},
            ["10-25 02:00+0200", "10-25 02:00+0100", "10-25 03:00+0100", "10-25 04:00+0100"],
        ),
        ("2026-03-29T00:15", {"cron": "0 * * * *"}, ["03-29 01:00+0100", "03-29 03:00+0200", "03-29 04:00+0200"]),
        ("2026-11-21T00:00", {"when": "Monday 5:00pm"}, ["11-23 17:00+0100", "11-30 17:00+0100"]),
        ("2026-11-21T00:00", {"when": ["6am", "2026-11-21 05:00"]}, ["11-21 05:00+0100", "11-21 06:00+0100"]),
        ("2026-11-21T00:00", {"once": "2026-11-20 05:00"}, []),
        (
            "2026-11-21T00:30",
            {"cron": "0 * * * *", "range": {"start": "8am", "end": "10am"}},
            ["11-21 08:00+0100", "11-21 09:00+0100", "11-22 08:00+0100"],
        ),
        (
            "2026-11-21T00:30",
            {"cron": "0 * * * *", "until": "2026-11-21 02:30"},
            ["11-21 01:00+0100", "11-21 02:00+0100"],
        ),
        ("2026-11-21T00:30", {"cron": "0 * * * *", "after": "2027-01-01 00:30"}, ["01-01 01:00+0100"]),
        ("2026-11-21T00:30", {"hours": 1, "range": {"start": "8am", "end": "8am"}}, []),
    ],
)
def test_the_times_on_the_wall(start: str, options: dict[str, Any], expected: list[str]) -> None:
    assert walk(start, len(expected) or 1, **options) == expected


def test_an_interval_keeps_its_distance_and_its_phase() -> None:
    item = parse("it", {"function": "test.ping", "minutes": 10})
    due = following(item, at("2026-03-28T23:00"), minion="m1", zone=BERLIN)
    assert due is not None
    assert following(item, due, minion="m1", zone=BERLIN) == due + 600
    assert following(item, due + 6000 - 1, minion="m1", zone=BERLIN) == due + 6000


def test_a_fleet_does_not_come_at_once() -> None:
    item = parse("it", {"function": "test.ping", "hours": 1})
    due = {following(item, 1.8e9, minion=f"m{number}", zone=BERLIN) for number in range(100)}
    assert len(due) > 90


@given(st.text(min_size=1, max_size=20), st.integers(0, 600), st.integers(0, 600))
def test_the_splay_is_the_minions_own_and_within_its_bounds(minion: str, least: int, more: int) -> None:
    splay = {"start": least, "end": least + more}
    item = parse("it", {"function": "test.ping", "cron": "0 5 * * *", "splay": splay})
    start = at("2026-11-21T00:00")
    due = following(item, start, minion=minion, zone=BERLIN)
    assert due is not None
    assert least <= due - at("2026-11-21T05:00") <= least + more
    assert following(item, due - 1, minion=minion, zone=BERLIN) == due
