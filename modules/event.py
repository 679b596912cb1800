"""Events: what this node tells its master's bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saltern.context import Context
from saltern.errors import PermanentError
from saltern.marks import acting


class NoBus(PermanentError):
    """This node has no master to tell."""


@acting
def send(ctx: Context, tag: str, data: Mapping[str, Any] | None = None, **more: Any) -> str:
    """Tell the master's event bus of TAG with DATA and MORE: the tag as those who follow the bus see it, which is
    `minion/ID/TAG`. TemporaryError where the master is away."""
    if ctx.ask is None:
        raise NoBus("event.send: this node has no master to tell")
    return str(ctx.ask("event.send", {"tag": tag, "data": {**(data or {}), **more}}))


@acting
def fire(ctx: Context, data: Mapping[str, Any], tag: str) -> bool:
    """As `send`, with the arguments in the order that Salt has here."""
    send(ctx, tag, data)
    return True
