"""Jobs of one node for others, through the master, which lets through what its option `peer` grants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saltern.context import Context
from saltern.errors import PermanentError
from saltern.marks import acting


class NoPeers(PermanentError):
    """This node has no master that could publish for it."""


@acting
def publish(
    ctx: Context,
    tgt: str,
    fun: str,
    arg: Any = None,
    tgt_type: str = "glob",
    timeout: float = 5,
    **kwarg: Any,
) -> dict[str, Any]:
    """Have the minions that TGT means run FUN with ARG (one argument, or a list), and give what each returned by id.
    Those that do not return within TIMEOUT seconds (at most 15) are left out. Refused, unless the master grants it."""
    return {minion: end["ret"] for minion, end in full_data(ctx, tgt, fun, arg, tgt_type, timeout, **kwarg).items()}


@acting
def full_data(
    ctx: Context,
    tgt: str,
    fun: str,
    arg: Any = None,
    tgt_type: str = "glob",
    timeout: float = 5,
    **kwarg: Any,
) -> dict[str, Any]:
    """As `publish.publish`, with {"fun", "ret", "success"} for each minion."""
    import os

    if ctx.ask is None:
        raise NoPeers("publish: this node has no master")
    args = [] if arg is None else list(arg) if isinstance(arg, Sequence) and not isinstance(arg, str) else [arg]
    found = ctx.ask(
        "publish.publish",
        {
            "once": os.urandom(16).hex(),  # the question may arrive twice, the job must not
            "tgt": str(tgt),
            "form": tgt_type,
            "function": fun,
            "args": args,
            "kwargs": kwarg,
            "timeout": float(timeout),
        },
    )
    return dict(found)
