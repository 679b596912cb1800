"""Events for the master's bus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from modules import event
from saltern.context import Context
from saltern.converge.plan import Plan, Step, call
from saltern.converge.state import reaction, state


@state
def send(ctx: Context, name: str, *, data: Mapping[str, Any] | None = None) -> Plan:
    """Tell the master's event bus of the tag NAME (there it is `minion/ID/NAME`) with DATA, in each run; with
    `onchanges` only when something changed."""
    return Plan(None, None, [_told(ctx, name, data)], imperative=True)


@state
def wait(ctx: Context, name: str, *, data: Mapping[str, Any] | None = None) -> Plan:
    """As `event.send`, only when something that it watches changed."""
    return Plan(None, None, comment="nothing that it watches changed")


@reaction(wait)
def send_now(ctx: Context, name: str, *, data: Mapping[str, Any] | None = None) -> Iterator[Step]:
    """Tell it."""
    yield _told(ctx, name, data)


def _told(ctx: Context, name: str, data: Mapping[str, Any] | None) -> Step:
    return Step(f"send the event {name}", None, None, do=call(event.send, ctx, name, dict(data or {})))
