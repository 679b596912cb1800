"""What this node watches and tells. The agent answers these; here is what they are, for the rest."""

from __future__ import annotations

from typing import Any, NoReturn

from saltern.errors import PermanentError
from saltern.marks import acting, reading


class OnlyInAgent(PermanentError):
    """A function that only a running agent can answer."""


@reading
def list() -> dict[str, Any]:
    """The beacons as they were given, and what is wrong with them."""
    _only_in_agent("list")


@reading
def list_available() -> Any:
    """The kinds of beacons that there are."""
    _only_in_agent("list_available")


@acting
def add(name: str, beacon_data: Any = None, **more: Any) -> dict[str, Any]:
    """Watch NAME too: beacons.add load '[{averages: {1m: [0, 4]}}]'."""
    _only_in_agent("add")


@acting
def modify(name: str, beacon_data: Any = None, **more: Any) -> dict[str, Any]:
    """Watch NAME in another way."""
    _only_in_agent("modify")


@acting
def delete(name: str) -> dict[str, Any]:
    """Watch NAME no more; one of the configuration or the pillar stays away until it is added again."""
    _only_in_agent("delete")


@acting
def enable() -> dict[str, Any]:
    """Let the beacons watch."""
    _only_in_agent("enable")


@acting
def disable() -> dict[str, Any]:
    """Watch nothing."""
    _only_in_agent("disable")


@acting
def enable_beacon(name: str) -> dict[str, Any]:
    """Let the beacon NAME watch."""
    _only_in_agent("enable_beacon")


@acting
def disable_beacon(name: str) -> dict[str, Any]:
    """Don't let the beacon NAME watch."""
    _only_in_agent("disable_beacon")


def _only_in_agent(name: str) -> NoReturn:
    raise OnlyInAgent(f"beacons.{name} is answered by a running agent: ask it by `saltern ID beacons.{name}`")
