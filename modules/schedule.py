"""The minion's schedule. The agent answers these; here is what they are, for the rest."""

from __future__ import annotations

from typing import Any, NoReturn

from saltern.errors import PermanentError
from saltern.marks import acting, reading


class OnlyInAgent(PermanentError):
    """A function that only a running agent can answer."""


@reading
def list(show_all: bool = True, show_disabled: bool = True) -> dict[str, Any]:
    """The items of the schedule as they were given, with the next time of each."""
    _only_in_agent("list")


@acting
def add(name: str, **item: Any) -> dict[str, Any]:
    """Add the item NAME: schedule.add highstate function=state.apply hours=1 splay=300."""
    _only_in_agent("add")


@acting
def modify(name: str, **item: Any) -> dict[str, Any]:
    """Change what ITEM names of the item NAME; None takes an option away."""
    _only_in_agent("modify")


@acting
def delete(name: str) -> dict[str, Any]:
    """Take the item NAME away; one of the configuration or the pillar stays away until it is added again."""
    _only_in_agent("delete")


@acting
def enable() -> dict[str, Any]:
    """Let the schedule run."""
    _only_in_agent("enable")


@acting
def disable() -> dict[str, Any]:
    """Let nothing of the schedule run."""
    _only_in_agent("disable")


@acting
def enable_job(name: str) -> dict[str, Any]:
    """Let the item NAME run."""
    _only_in_agent("enable_job")


@acting
def disable_job(name: str) -> dict[str, Any]:
    """Don't let the item NAME run."""
    _only_in_agent("disable_job")


@reading
def is_enabled(name: str | None = None) -> bool:
    """Whether the schedule runs, or its item NAME does."""
    _only_in_agent("is_enabled")


@acting
def run_job(name: str) -> dict[str, Any]:
    """Run the item NAME now; that changes nothing of when it is due."""
    _only_in_agent("run_job")


@acting
def skip_job(name: str, time: str | None = None) -> dict[str, Any]:
    """Leave the next run of the item NAME out, or the one at the local TIME (2026-11-21T05:00:00)."""
    _only_in_agent("skip_job")


@acting
def postpone_job(name: str, new_time: str, time: str | None = None) -> dict[str, Any]:
    """Run the item NAME at the local NEW_TIME instead of its next time, or of TIME."""
    _only_in_agent("postpone_job")


@reading
def show_next_fire_time(name: str) -> str | None:
    """When the item NAME runs next, local time."""
    _only_in_agent("show_next_fire_time")


@reading
def reload() -> bool:
    """Look at the pillar for items anew; that happens by itself after each connection to the master."""
    _only_in_agent("reload")


def _only_in_agent(name: str) -> NoReturn:
    raise OnlyInAgent(f"schedule.{name} is answered by a running agent: ask it by `saltern ID schedule.{name}`")
