"""When it is said that a node goes by old states."""

from __future__ import annotations

import logging

import pytest

from minion.staleness import Absence, warning

HOUR = 3600.0


def test_a_run_says_so_from_the_limit_on() -> None:
    assert warning(0.0, 24 * HOUR - 1, 24.0) == ""
    assert warning(0.0, 24 * HOUR, 24.0).startswith("old: these states and this pillar came 24 hours ago, at 19")
    assert warning(0.0, 1e9, 0.0) == ""


def test_an_absence_is_told_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    clock = iter([0.0, 1.0, 2 * HOUR - 1, 2 * HOUR, 3 * HOUR, 3 * HOUR, 4 * HOUR, 5 * HOUR + 1])
    absence = Absence(2.0, lambda: next(clock))
    with caplog.at_level(logging.INFO):
        for _ in range(4):
            absence.look(here=False)
        absence.look(here=True)
        for _ in range(2):
            absence.look(here=False)
    old = "the master has not been here for 2 hours: what runs here by itself goes by old states and pillar"
    assert [record.getMessage() for record in caplog.records] == [old, "the master is back after 3 hours", old]


def test_without_a_limit_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    clock = iter([0.0, 1e9])
    Absence(0.0, lambda: next(clock)).look(here=False)
    assert caplog.records == []
