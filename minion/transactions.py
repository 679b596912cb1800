"""Gives a context the network transaction, which is loaded only when a network step comes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from minion.identity import Identity
    from saltern.context import Context
    from saltern.converge.transaction import Transaction


def offered(identity: Identity | None, renew: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """What `Context.extra` has of it. IDENTITY is whose master confirms; None: a run without a master, which has a
    transaction only with `confirm=`. RENEW is called when the network has become another, since connections may be dead
    without knowing it."""

    def make(ctx: Context) -> Transaction:
        from minion.transaction import NetworkTransaction

        return NetworkTransaction(ctx.config, identity, ctx.jid, ctx.extra.get("confirm_s"), renew)

    return {"network_transaction": make}
