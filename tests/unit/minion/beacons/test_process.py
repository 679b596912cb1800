"""The process of the beacons: one that throws is named and made anew later, one that goes on by itself is kept."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from minion.beacons import process
from minion.beacons.item import Told, parse
from minion.beacons.process import Loop, Watched
from minion.pipe import News, Trouble
from modules._beacon.away import StillAway


class Fake:
    """A beacon that raises or tells what it is given."""

    made = 0
    is_looking = False

    def __init__(self) -> None:
        type(self).made += 1
        self.next: Any = {"name": "x"}
        self.open = True

    def look(self) -> Iterator[Mapping[str, Any]]:
        if isinstance(self.next, Exception):
            raise self.next
        yield self.next

    def fileno(self) -> None:
        return None

    def close(self) -> None:
        self.open = False


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> tuple[Watched, list[object], Loop]:
    Fake.made = 0
    monkeypatch.setattr(process, "_made", lambda item, root, minion_id: Fake())
    ours, theirs = socket.socketpair()
    theirs.close()
    with ours:
        loop = Loop(ours, Path("/"), "n1")
    said: list[object] = []
    loop._pipe = SimpleNamespace(send=said.append)  # type: ignore[assignment]
    return Watched(parse("fake", [{"interval": 5}]), Path("/"), "n1"), said, loop


def test_one_that_throws_is_named_and_made_anew_later_and_then_not_named_any_more(watched: Any) -> None:
    one, said, loop = watched
    loop._look(one, 100.0)
    first = one.beacon
    first.next = ValueError("broken")
    loop._look(one, 105.0)
    assert (first.open, one.beacon, one.due) == (False, None, 165.0)
    loop._look(one, 165.0)
    assert said == [
        News("fake", b'{"name": "x"}'),
        Trouble("fake", "beacons: fake: broken"),
        Trouble("fake", ""),
        News("fake", b'{"name": "x"}'),
    ]


def test_one_that_goes_on_by_itself_is_kept_and_looks_again_at_its_interval(watched: Any) -> None:
    one, said, loop = watched
    loop._look(one, 100.0)
    one.beacon.next = StillAway("the daemon is down")
    loop._look(one, 105.0)
    assert (one.beacon.open, one.due, Fake.made) == (True, 110.0, 1)
    one.beacon.next = {"name": "y"}
    loop._look(one, 110.0)
    assert said[1:] == [
        Trouble("fake", "beacons: fake: the daemon is down"),
        Trouble("fake", ""),
        News("fake", b'{"name": "y"}'),
    ]


def test_a_look_that_is_under_way_is_none_yet(watched: Any) -> None:
    one, said, loop = watched
    one.told = Told(parse("fake", [{"emitatstartup": False}]))
    loop._look(one, 100.0)
    assert said == []  # the first look tells nothing
    one.told = Told(parse("fake", [{"emitatstartup": False}]))
    one.beacon.is_looking = True
    loop._look(one, 105.0)
    one.beacon.is_looking = False
    loop._look(one, 106.0)
    assert said == []  # and this was the first that found something
    loop._look(one, 110.0)
    assert said == [News("fake", b'{"name": "x"}')]
