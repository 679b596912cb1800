"""The minion's schedule. The agent answers these; here is what they are, for the rest."""

from __future__ import annotations

from typing import Any

from modules._only_in_agent import only_in_agent
from saltern.marks import acting, reading


@reading
def list(show_all: bool = True, show_disabled: bool = True) -> dict[str, Any]:
    """The items of the schedule as they were given, with the next time of each."""
    only_in_agent("schedule.list")


@acting
def add(name: str, **item: Any) -> dict[str, Any]:
    """Add the item NAME: schedule.add highstate function=state.apply hours=1 splay=300."""
    only_in_agent("schedule.add")


@acting
def modify(name: str, **item: Any) -> dict[str, Any]:
    """Change what ITEM names of the item NAME; None takes an option away."""
    only_in_agent("schedule.modify")


@acting
def delete(name: str) -> dict[str, Any]:
    """Take the item NAME away; one of the configuration or the pillar stays away until it is added again."""
    only_in_agent("schedule.delete")


@acting
def enable() -> dict[str, Any]:
    """Let the schedule run."""
    only_in_agent("schedule.enable")


@acting
def disable() -> dict[str, Any]:
    """Let nothing of the schedule run."""
    only_in_agent("schedule.disable")


@acting
def enable_job(name: str) -> dict[str, Any]:
    """Let the item NAME run."""
    only_in_agent("schedule.enable_job")


@acting
def disable_job(name: str) -> dict[str, Any]:
    """Don't let the item NAME run."""
    only_in_agent("schedule.disable_job")


@reading
def is_enabled(name: str | None = None) -> bool:
    """Whether the schedule runs, or its item NAME does."""
    only_in_agent("schedule.is_enabled")


@acting
def run_job(name: str) -> dict[str, Any]:
    """Run the item NAME now; that changes nothing of when it is due."""
    only_in_agent("schedule.run_job")


@acting
def skip_job(name: str, time: str | None = None) -> dict[str, Any]:
    """Leave the next run of the item NAME out, or the one at the local TIME (2026-11-21T05:00:00)."""
    only_in_agent("schedule.skip_job")


@acting
def postpone_job(name: str, new_time: str, time: str | None = None) -> dict[str, Any]:
    """Run the item NAME at the local NEW_TIME instead of its next time, or of TIME."""
    only_in_agent("schedule.postpone_job")


@reading
def show_next_fire_time(name: str) -> str | None:
    """When the item NAME runs next, local time."""
    only_in_agent("schedule.show_next_fire_time")


@reading
def reload() -> bool:
    """Look at the pillar for items anew; that happens by itself after each connection to the master."""
    only_in_agent("schedule.reload")
