"""Each run that is due runs once: over restarts, clocks that jump, and a year of daylight saving."""

from __future__ import annotations

import json
import random
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from saltern.schedule.item import Item, parse
from saltern.schedule.scheduler import Left, Scheduler, Start

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600.0


def item(name: str = "it", **options: Any) -> Item:
    return parse(name, {"function": "state.apply", **options})


class Minion:
    """A minion on a clock of its own, that can be ended and begun anew."""

    def __init__(self, *items: Item, now: float) -> None:
        self.items, self.now = items, now
        self.running: dict[str, int] = {}
        self.runs: list[Start] = []
        self.left: list[Left] = []
        self._memory: dict[str, Any] = {}
        self.begin()

    def begin(self) -> None:
        self.scheduler = Scheduler("m1", BERLIN, lambda name: self.running.get(name, 0), self._memory)
        self.scheduler.set_items(self.items, self.now, starting=True)
        self.decide()

    def decide(self) -> None:
        for one in self.scheduler.decide(self.now):
            (self.runs if isinstance(one, Start) else self.left).append(one)  # type: ignore[arg-type]
        self._memory = json.loads(json.dumps(self.scheduler.memory()))

    def live(self, until: float) -> None:
        """Let time pass, waking up as the scheduler asks."""
        while (wake := self.scheduler.wake_at(self.now)) is not None and wake <= until:
            self.now = max(self.now, wake)
            self.decide()
        self.now = until

    def sleep(self, until: float) -> None:
        """Be switched off until then."""
        self.now = until
        self.begin()

    def times(self) -> list[float]:
        return [run.due for run in self.runs]


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


@pytest.mark.parametrize("when", [{"hours": 1}, {"hours": 1, "splay": 600}, {"cron": "0 * * * *"}])
def test_hourly_runs_over_a_year_of_restarts_jumps_and_daylight_saving_each_ran_once(when: dict[str, Any]) -> None:
    begin, end = at("2026-01-01T00:00"), at("2027-01-01T00:00")
    chance = random.Random(7)
    minion = Minion(item(**when, catch_up="once"), now=begin)
    while minion.now < end:
        minion.live(min(end, minion.now + chance.uniform(60, 40 * HOUR)))
        match chance.randrange(4):
            case 0:
                minion.begin()  # ended and begun at once
            case 1:
                minion.now -= chance.uniform(1, 0.9 * HOUR)  # a clock that was fast
                minion.decide()
            case 2:
                minion.now += chance.uniform(0, 0.5 * HOUR)  # one that was slow
                minion.decide()
            case 3:
                minion.sleep(minion.now + chance.uniform(1, 50))
    due = minion.times()
    assert due == sorted(set(due))
    assert {round(b - a) for a, b in pairwise(due)} == {3600}
    assert len(due) == pytest.approx((end - begin) / HOUR, abs=2)
    assert minion.left == []


def test_a_local_time_ran_once_each_day_of_the_year() -> None:
    minion = Minion(item(cron="30 2 * * *"), now=at("2026-01-01T00:00"))
    minion.live(at("2027-01-01T00:00"))
    days = [datetime.fromtimestamp(time, BERLIN).date() for time in minion.times()]
    assert len(days) == len(set(days)) == 365


@pytest.mark.parametrize(("catch_up", "runs"), [("skip", 0), ("once", 1)])
def test_what_was_missed_is_left_out_or_made_up_for_by_one_run(catch_up: str, runs: int) -> None:
    minion = Minion(item(hours=1, catch_up=catch_up), now=1.8e9)
    minion.sleep(minion.now + 24 * HOUR)
    assert [run.reason for run in minion.runs] == ["catch_up"] * runs
    assert [left.why for left in minion.left] == ["it was due while nothing ran here"] * (1 - runs)
    minion.runs.clear()
    minion.live(minion.now + 2.01 * HOUR)
    assert len(minion.runs) == 2


def test_a_clock_that_goes_back_by_days_does_not_stop_the_schedule() -> None:
    minion = Minion(item(hours=1), now=1.8e9)
    minion.live(minion.now + 5 * HOUR)
    minion.now -= 72 * HOUR
    minion.decide()
    minion.runs.clear()
    minion.live(minion.now + 3.01 * HOUR)
    assert len(minion.runs) == 3


def test_a_run_that_lasts_too_long_is_not_begun_again() -> None:
    minion = Minion(item(hours=1), now=1.8e9)
    minion.running["it"] = 1
    minion.live(minion.now + 1.01 * HOUR)
    assert (minion.runs, [left.why for left in minion.left]) == ([], ["1 of it still run"])


def test_what_is_disabled_does_not_run_and_has_nothing_to_make_up_for() -> None:
    minion = Minion(item(hours=1, enabled=False, catch_up="once"), now=1.8e9)
    minion.sleep(minion.now + 5 * HOUR)
    minion.items = (item(hours=1, catch_up="once"),)
    minion.scheduler.set_items(minion.items, minion.now)
    minion.decide()
    assert minion.runs == []


def test_run_on_start_runs_at_each_start() -> None:
    minion = Minion(item(run_on_start=True), now=1.8e9)
    minion.live(minion.now + HOUR)
    minion.sleep(minion.now + 60)
    assert [run.reason for run in minion.runs] == ["run_on_start"] * 2


def test_a_run_can_be_skipped_or_postponed() -> None:
    minion = Minion(item(hours=1), now=1.8e9)
    first = minion.scheduler.next_of("it", minion.now)
    assert first is not None
    minion.scheduler.skip("it", first)
    assert minion.scheduler.next_of("it", minion.now) == first + HOUR
    minion.scheduler.postpone("it", first + HOUR, first + HOUR + 60)
    minion.live(first + 2 * HOUR)
    assert minion.times() == [first + HOUR + 60, first + 2 * HOUR]
    assert [left.due for left in minion.left] == [first, first + HOUR]


def test_an_item_whose_times_change_has_nothing_to_make_up_for() -> None:
    minion = Minion(item(days=300, catch_up="once"), now=1.8e9)
    minion.live(minion.now + 5 * HOUR)
    minion.scheduler.set_items([item(hours=1, catch_up="once")], minion.now)
    minion.decide()
    assert minion.runs == []


def test_a_memory_that_makes_no_sense_is_forgotten() -> None:
    scheduler = Scheduler("m1", BERLIN, lambda name: 0, {"it": {"last": "x"}, "other": 5})
    scheduler.set_items([item(hours=1)], 1.8e9, starting=True)
    assert list(scheduler.decide(1.8e9)) == []
