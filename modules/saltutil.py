"""What concerns the agent itself. The agent answers these where only it can; here is what they are, for the rest."""

from __future__ import annotations

from typing import Any

from modules._only_in_agent import only_in_agent
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
def sync_all() -> dict[str, list[str]]:
    """Bring custom modules, states and grains of the tree to the node: what was new, by kind. None are known yet."""
    return {"modules": [], "states": [], "grains": []}
