"""What this node watches and tells. The agent answers these; here is what they are, for the rest."""

from __future__ import annotations

from typing import Any

from modules._only_in_agent import only_in_agent
from saltern.marks import acting, reading


@reading
def list() -> dict[str, Any]:
    """The beacons as they were given, and what is wrong with them."""
    only_in_agent("beacons.list")


@reading
def list_available() -> Any:
    """The kinds of beacons that there are."""
    only_in_agent("beacons.list_available")


@acting
def add(name: str, beacon_data: Any = None, **more: Any) -> dict[str, Any]:
    """Watch NAME too: beacons.add load '[{averages: {1m: [0, 4]}}]'."""
    only_in_agent("beacons.add")


@acting
def modify(name: str, beacon_data: Any = None, **more: Any) -> dict[str, Any]:
    """Watch NAME in another way."""
    only_in_agent("beacons.modify")


@acting
def delete(name: str) -> dict[str, Any]:
    """Watch NAME no more; one of the configuration or the pillar stays away until it is added again."""
    only_in_agent("beacons.delete")


@acting
def enable() -> dict[str, Any]:
    """Let the beacons watch."""
    only_in_agent("beacons.enable")


@acting
def disable() -> dict[str, Any]:
    """Watch nothing."""
    only_in_agent("beacons.disable")


@acting
def enable_beacon(name: str) -> dict[str, Any]:
    """Let the beacon NAME watch."""
    only_in_agent("beacons.enable_beacon")


@acting
def disable_beacon(name: str) -> dict[str, Any]:
    """Don't let the beacon NAME watch."""
    only_in_agent("beacons.disable_beacon")
