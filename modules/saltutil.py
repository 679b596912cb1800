"""What concerns the agent itself. The agent answers these where only it can; here is what they are, for the rest."""

from __future__ import annotations

from typing import Any

from modules._only_in_agent import only_in_agent
from saltern.context import Context
from saltern.errors import PermanentError
from saltern.marks import acting, reading


@reading
def running() -> list[dict[str, Any]]:
    """The jobs that run on the node now: jid, fun, pid, since when."""
    only_in_agent("saltutil.running")


@reading
def is_running(fun: str) -> list[dict[str, Any]]:
    """The running jobs whose function matches the glob FUN."""
    only_in_agent("saltutil.is_running")


@reading
def find_job(jid: str) -> dict[str, Any]:
    """The running job JID, or {}."""
    only_in_agent("saltutil.find_job")


@acting
def kill_job(jid: str) -> str:
    """End the job JID at once (SIGKILL to it and what it started)."""
    only_in_agent("saltutil.kill_job")


@acting
def term_job(jid: str) -> str:
    """Ask the job JID to end (SIGTERM)."""
    only_in_agent("saltutil.term_job")


@acting
def refresh_pillar() -> bool:
    """Have the master compile this node's pillar anew; each state run does so by itself."""
    return True


@acting
def refresh_grains() -> bool:
    """Detect the grains anew."""
    return True


@acting
def refresh_modules(ctx: Context) -> bool:
    """Bring the modules of the tree; each job loads them anew."""
    _synced(ctx, ("modules", "states", "utils"))
    return True


@acting
def sync_modules(ctx: Context) -> list[str]:
    """Bring the `_modules` of the tree to this node: those that were new or another, and those that have gone."""
    return _synced(ctx, ("modules",))["modules"]


@acting
def sync_states(ctx: Context) -> list[str]:
    """Bring the `_states` of the tree, as `sync_modules`."""
    return _synced(ctx, ("states",))["states"]


@acting
def sync_grains(ctx: Context) -> list[str]:
    """Bring the `_grains` of the tree, as `sync_modules`, and detect the grains anew."""
    return _synced(ctx, ("grains",))["grains"]


@acting
def sync_utils(ctx: Context) -> list[str]:
    """Bring the `_utils` of the tree, as `sync_modules`."""
    return _synced(ctx, ("utils",))["utils"]


@acting
def sync_all(ctx: Context) -> dict[str, list[str]]:
    """Bring the `_modules`, `_states`, `_grains` and `_utils` of the tree: what was new or another, by kind. A state
    run does so by itself."""
    return _synced(ctx, ("modules", "states", "grains", "utils"))


def _synced(ctx: Context, kinds: tuple[str, ...]) -> dict[str, list[str]]:
    from saltern.custom.custom import Closed

    custom = ctx.extra.get("custom")
    if isinstance(custom, Closed):
        raise PermanentError(custom.saltern_hint.strip())
    synced = custom.sync(ctx.files, kinds) if custom is not None else None
    if synced is None:  # the tree is here
        return {kind: [] for kind in kinds}
    if synced.problems:
        raise PermanentError("; ".join(["the rest was brought, but not all can be used", *synced.problems]))
    return {kind: list(synced.changed[kind]) for kind in kinds}
