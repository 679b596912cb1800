"""The event bus: what happens on the master, as it happens, for those who follow it.

Tags are Salt's: `salt/job/JID/new`, `salt/job/JID/ret/ID`, `salt/job/JID/prog/ID/STEP`, `salt/minion/ID/start`,
`salt/presence/change`, `salt/auth`, `salt/key`. What a minion sends is `minion/ID/TAG`; the master writes that, so no
minion can speak as another or as the master.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from saltern.errors import UsageError

Follower = Callable[[bytes], None]  # takes one line of the control protocol
Listener = Callable[[str, Callable[[], Mapping[str, Any]]], None]  # takes a tag, and what gives the data

MAX_DATA_BYTES = 256 * 1024
_PART = r"(?!\.+(?:/|\Z))[A-Za-z0-9_.:-]{1,64}"  # none that a reader could take for a way up
_TAG = re.compile(rf"{_PART}(/{_PART}){{0,15}}")
_OURS = ("salt", "minion")


def checked_tag(tag: str) -> str:
    """TAG, if it is one: words with slashes between them. UsageError."""
    if not isinstance(tag, str) or not _TAG.fullmatch(tag):
        raise UsageError(f"a tag is words with slashes between them, like deploy/web/done, not {tag!r}")
    return tag


def custom_tag(tag: str) -> str:
    """TAG, if a person may send it: what the master tells of itself and of minions, it tells alone. UsageError."""
    if checked_tag(tag).partition("/")[0] in _OURS:
        raise UsageError(f"tags below {' and '.join(f'{one}/' for one in _OURS)} are the master's own, not {tag!r}")
    return tag


class Bus:
    """Who follows, and what is told to them. Without followers an event costs nothing."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._followers: dict[int, tuple[str, Follower]] = {}
        self.listeners: list[Listener] = []  # parts of the master itself
        self._number = 0

    @property
    def followers(self) -> int:
        """How many follow."""
        return len(self._followers)

    def follow(self, pattern: str, follower: Follower) -> Callable[[], None]:
        """Tell FOLLOWER of the events whose tag matches the glob PATTERN; call what is returned to end that."""
        self._number += 1
        number = self._number
        self._followers[number] = (pattern, follower)

        def end() -> None:
            self._followers.pop(number, None)

        return end

    def fire(self, tag: str, data: Callable[[], Mapping[str, Any]] | Mapping[str, Any]) -> None:
        """Tell all who follow TAG. DATA may be a function, called only where somebody does."""
        now = self._clock()

        def stamped() -> dict[str, Any]:
            return {**(data() if callable(data) else data), "_stamp": _stamp(now)}

        for listener in self.listeners:
            listener(tag, stamped)
        followers = [follower for pattern, follower in self._followers.values() if fnmatchcase(tag, pattern)]
        if not followers:
            return
        shown = stamped()
        line = json.dumps({"event": "event", "tag": tag, "data": shown}, default=str).encode() + b"\n"
        for follower in followers:
            follower(line)


def _stamp(now: float) -> str:
    """The time in UTC, as Salt writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}"
