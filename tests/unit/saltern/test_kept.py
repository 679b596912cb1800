"""What a run keeps: made once, closed at its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from modules._file import safe
from saltern import kept
from saltern.marks import acting, permit_acting


class Line:
    """Something to close."""

    def __init__(self, scope: kept.Scope) -> None:
        self.open = True

    def close(self) -> None:
        assert self.open, "closed twice"
        self.open = False


@acting
def act() -> None:
    """Do nothing."""


def test_it_is_made_once_and_closed_with_the_run() -> None:
    with kept.scope() as run:
        assert run.find(Line) is None
        line = run.keep(Line)
        assert run.keep(Line) is line is run.find(Line)
        assert line.open
    assert not line.open


def test_what_was_dropped_is_closed_and_made_anew() -> None:
    with kept.scope() as run:
        line = run.keep(Line)
        run.drop(Line)
        assert not line.open
        assert run.keep(Line) is not line


def test_it_is_closed_when_the_run_fails() -> None:
    made: list[Line] = []

    def failing() -> None:
        with kept.scope() as run:
            made.append(run.keep(Line))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert not made[0].open
    assert kept.current() is None


def test_a_run_inside_a_run_has_its_own() -> None:
    assert kept.current() is None
    with kept.scope() as outer:
        with kept.scope() as inner:
            assert kept.current() is inner
            assert inner.keep(Line) is not outer.keep(Line)
        assert kept.current() is outer
    assert kept.current() is None


def test_what_modules_count_is_told_by_the_run_and_by_the_one_around_it(tmp_path: Path) -> None:
    kept.count("nobody's")
    with kept.scope() as outer:
        safe.write(str(tmp_path / "a"), [b"text"])
        with kept.scope() as inner:
            safe.write(str(tmp_path / "b"), [b"text"])
            kept.count("netlink reads", 3)
        assert inner.counts == {"file writes": 1, "netlink reads": 3}
    assert outer.counts == {"file writes": 2, "netlink reads": 3}


def test_acting_functions_are_counted() -> None:
    with permit_acting():
        act()
        with kept.scope() as run:
            act()
            act()
    assert run.acts == 2
