"""What a schedule may say, and what is said of one that makes no sense."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

import pytest
import yaml

from saltern.schedule.item import Item, Moment, ScheduleError, Window, parse


def item(text: str) -> Item:
    return parse("it", {"function": "test.ping", **yaml.safe_load(text)})


def test_three_lines_of_pillar_make_an_hourly_highstate() -> None:
    found = parse("highstate", yaml.safe_load("{function: state.apply, hours: 1, splay: 300}"))
    assert found == Item(name="highstate", function="state.apply", interval_s=3600, splay=(0, 300))


def test_units_add_up() -> None:
    assert item("{days: 1, hours: 2, minutes: 3, seconds: 4}").interval_s == 93784


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("5:00pm", Moment(time(17))),
        ("Monday 5:00pm", Moment(time(17), 0)),
        ("tue 08:30", Moment(time(8, 30), 1)),
        ("12:30", Moment(time(12, 30))),
    ],
)
def test_a_time_of_day_comes_every_day_or_week(when: str, expected: Moment) -> None:
    assert item(f"when: {when}").moments == (expected,)


def test_a_date_comes_once() -> None:
    assert item("when: ['2026-11-21 05:00', 5pm]").once == (datetime(2026, 11, 21, 5),)
    assert item("once: 2026-11-21 05:00:00").once == (datetime(2026, 11, 21, 5),)


def test_windows() -> None:
    night = item("{hours: 1, range: {start: '22:00', end: '6:00'}}").windows[0]
    assert [night.holds(time(hour)) for hour in (21, 22, 3, 6)] == [False, True, True, False]
    (day,) = item("{hours: 1, skip_during_range: {start: 8am, end: 5pm}}").windows
    assert day == Window(time(8), time(17), invert=True)
    assert [day.holds(time(hour)) for hour in (7, 8, 17)] == [True, False, True]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", "does not say when"),
        ("{hours: 1, cron: '0 * * * *'}", "says when by seconds/minutes/hours/days and by cron"),
        ("{hour: 1}", "has no option 'hour'. Did you mean 'hours'?"),
        ("{hours: -1}", "wants a whole number as hours, not -1"),
        ("{seconds: 0}", "wants an interval from 1 second"),
        ("{days: 4000}", "wants an interval from 1 second to 366 days"),
        ("{cron: '61 * * * *'}", "has a cron that is none: '61 * * * *'"),
        ("{cron: '* * * * * *'}", "It is five fields"),
        ("{cron: '0 0 30 2 *'}", "has a cron that"),
        ("{when: noonish}", "has no time as when: 'noonish'. Write 5:00pm"),
        ("{when: Nov 21 05:00}", "has half a date"),
        ("{when: Monday 2026-11-21 05:00}", "names a date and a day of the week"),
        ("{when: '2026-11-21T05:00+02:00'}", "Times are local"),
        ("{hours: 1, splay: -5}", "as splay, not -5"),
        ("{hours: 1, splay: {start: 9, end: 3}}", "as splay"),
        ("{hours: 1, range: 5}", "wants `start` and `end` in range"),
        ("{hours: 1, maxrunning: 0}", "wants a number from 1 as maxrunning"),
        ("{hours: 1, catch_up: twice}", "wants one of skip, once as catch_up"),
        ("{hours: 1, enabled: 'on'}", "wants true or false as enabled"),
        ("{hours: 1, args: a}", "wants a list as args"),
        ("{hours: 1, until: 5pm}", "wants a date as until"),
        ("{hours: 1, function: rm}", "wants `function: MODULE.FUNCTION`"),
    ],
)
def test_a_mistake_is_told(text: str, expected: str) -> None:
    with pytest.raises(ScheduleError) as error:
        item(text)
    assert str(error.value).startswith("schedule: the item 'it' ")
    assert expected in str(error.value)


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 200, 5])
def test_a_name_that_is_none_is_refused(name: Any) -> None:
    with pytest.raises(ScheduleError, match="is no name"):
        parse(name, {"function": "test.ping", "hours": 1})


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(ScheduleError, match="is a mapping with a `function`"):
        parse("it", ["test.ping"])
