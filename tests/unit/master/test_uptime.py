"""The clock that nobody sets, and what it tells of the one that somebody did set."""

from __future__ import annotations

from master.uptime import SET_S, TRUSTED_AFTER_S, Jumps, uptime

NOW = 1_000_000.0
DAY = 86400.0


def test_uptime_goes_on_within_one_boot() -> None:
    first, second = uptime(), uptime()
    assert first.boot == second.boot
    assert 0 < first.seconds <= second.seconds


def test_a_clock_that_only_goes_on_was_not_set() -> None:
    jumps = Jumps(NOW, 10.0)
    assert not any(jumps.lately(NOW + passed + 0.01 * passed, 10.0 + passed) for passed in (0.0, 3600.0, 7200.0))


def test_a_clock_that_was_set_is_not_trusted_for_a_day_of_uptime() -> None:
    for by in (DAY, -DAY, SET_S + 1):
        jumps = Jumps(NOW, 10.0)
        assert jumps.lately(NOW + by, 10.0)
        assert jumps.lately(NOW + by + TRUSTED_AFTER_S - 1, 10.0 + TRUSTED_AFTER_S - 1)
        assert not jumps.lately(NOW + by + TRUSTED_AFTER_S, 10.0 + TRUSTED_AFTER_S)


def test_setting_it_right_again_begins_another_day() -> None:
    jumps = Jumps(NOW, 10.0)
    assert jumps.lately(NOW + DAY, 10.0)
    assert jumps.lately(NOW + DAY / 2, 10.0 + DAY / 2)
    assert jumps.lately(NOW + DAY, 10.0 + DAY)
