"""One beacon as it was configured, in Salt's form, and how often it may speak. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saltern.errors import PermanentError

INTERVAL_S = 10.0
_INTERVALS_S = {"drift": 600.0}  # of kinds that look at more
RATE_S, BURST = 1.0, 20.0  # events of one beacon


class BeaconItemError(PermanentError):
    """A beacon is not configured as one; the message has its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """The beacon NAME of KIND, which looks every INTERVAL_S seconds. ON_CHANGE: it tells only what differs from what it
    told last; AT_START: with what it finds first, too."""

    name: str
    kind: str
    options: Mapping[str, Any]
    interval_s: float = INTERVAL_S
    enabled: bool = True
    on_change: bool = False
    at_start: bool = True


def parse(name: Any, given: Any) -> Item:
    """The beacon NAME from a list of mappings, or a mapping. BeaconItemError."""
    if not isinstance(name, str) or not name.replace("_", "").replace("-", "").isalnum() or len(name) > 64:
        raise BeaconItemError(f"beacons: {name!r} is no name for a beacon: letters, digits, _ and - only")
    options = _joined(name, given)
    kind = options.pop("beacon_module", name)
    interval = options.pop("interval", _INTERVALS_S.get(str(kind), INTERVAL_S))
    if isinstance(interval, bool) or not isinstance(interval, int | float) or not 0.1 <= interval <= 86400:
        raise BeaconItemError(f"beacons: {name}: `interval` is a number of seconds from 0.1 to 86400, not {interval!r}")
    defaults = {"enabled": True, "onchangeonly": False, "emitatstartup": True}
    flags = {key: options.pop(key, default) for key, default in defaults.items()}
    options.pop("disable_during_state_run", None)
    for key, value in flags.items():
        if not isinstance(value, bool):
            raise BeaconItemError(f"beacons: {name}: `{key}` is True or False, not {value!r}")
    return Item(
        name=name,
        kind=str(kind),
        options=options,
        interval_s=float(interval),
        enabled=flags["enabled"],
        on_change=flags["onchangeonly"],
        at_start=flags["emitatstartup"],
    )


def _joined(name: str, given: Any) -> dict[str, Any]:
    parts = [given] if isinstance(given, Mapping) else given if isinstance(given, list) else None
    if parts is None or not all(isinstance(part, Mapping) for part in parts):
        raise BeaconItemError(f"beacons: below {name} stands a list of `option: value`, not {given!r}")
    found: dict[str, Any] = {}
    for part in parts:
        found.update({str(key): value for key, value in part.items()})
    return found


class Told:
    """What a beacon told last, and how much it may tell now."""

    def __init__(self, item: Item) -> None:
        self._item, self._first = item, True
        self._last: dict[str, str] = {}
        self._allowed, self._at, self._left_out = BURST, 0.0, 0

    def news(self, found: Sequence[Mapping[str, Any]], now: float) -> list[dict[str, Any]]:
        """Which of what a look FOUND is to be told at NOW (any clock in seconds)."""
        first, self._first = self._first, False
        fresh = self._fresh(found) if self._item.on_change else list(found)
        if first and not self._item.at_start:
            return []
        told = []
        self._allowed = min(BURST, self._allowed + (now - self._at) * RATE_S)
        self._at = now
        for one in fresh:
            if self._allowed < 1:
                self._left_out += 1
                continue
            self._allowed -= 1
            told.append({**one, "left_out": self._left_out} if self._left_out else dict(one))
            self._left_out = 0
        return told

    def _fresh(self, found: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        now = {_subject(one): json.dumps(one, sort_keys=True, default=str) for one in found}
        fresh = [one for one in found if self._last.get(_subject(one)) != now[_subject(one)]]
        self._last = now
        return fresh


def _subject(one: Mapping[str, Any]) -> str:
    """What a piece of news is about."""
    return next((str(one[key]) for key in ("mount", "service_name", "name", "path", "interface") if key in one), "")
