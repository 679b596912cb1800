"""Who is told of what, and under which names."""

from __future__ import annotations

import json
from typing import Any

import pytest

from master.events import Bus, checked_tag, custom_tag
from saltern.errors import UsageError


def test_those_who_follow_a_tag_are_told_until_they_end_it() -> None:
    bus = Bus(lambda: 0.5)
    told: list[Any] = []
    end = bus.follow("salt/job/*", told.append)
    bus.fire("salt/job/1/new", {"jid": "1"})
    bus.fire("salt/key", {})
    end()
    bus.fire("salt/job/2/new", {})
    assert [json.loads(line) for line in told] == [
        {"event": "event", "tag": "salt/job/1/new", "data": {"jid": "1", "_stamp": "1970-01-01T00:00:00.500000"}}
    ]


def test_the_data_of_an_event_that_nobody_follows_is_not_made() -> None:
    def never() -> dict[str, object]:
        raise AssertionError

    Bus().fire("salt/key", never)


@pytest.mark.parametrize("tag", ["", "/a", "a/", "a//b", "a b", "a\n", "{{ a }}", "a/" * 20 + "a", "x" * 70, "ä", 5])
def test_a_tag_that_is_none_is_refused(tag: object) -> None:
    with pytest.raises(UsageError, match="a tag is words with slashes"):
        checked_tag(tag)  # type: ignore[arg-type]


@pytest.mark.parametrize("tag", ["salt/job/1/new", "minion/n1/x", "salt", "minion"])
def test_nobody_speaks_as_the_master_or_as_a_minion(tag: str) -> None:
    assert checked_tag(tag) == tag
    with pytest.raises(UsageError, match="are the master's own"):
        custom_tag(tag)
