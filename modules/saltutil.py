"""What concerns the agent itself. The agent answers these where only it can; here is what they are, for the rest."""

from __future__ import annotations

from typing import Any, NoReturn

from saltern.errors import PermanentError
from saltern.marks import acting, reading


class OnlyInAgent(PermanentError):
    """A function that only a running agent can answer."""


@reading
def running() -> list[dict[str, Any]]:
    """The jobs that run on the node now: jid, fun, pid, since when."""
    _only_in_agent("running")


@reading
def is_running(fun: str) -> list[dict[str, Any]]:
    """The running jobs whose function matches the glob FUN."""
    _only_in_agent("is_running")


@reading
def find_job(jid: str) -> dict[str, Any]:
    """The running job JID, or {}."""
    _only_in_agent("find_job")


@acting
def kill_job(jid: str) -> str:
    """End the job JID at once (SIGKILL to it and what it started)."""
    _only_in_agent("kill_job")


@acting
def term_job(jid: str) -> str:
    """Ask the job JID to end (SIGTERM)."""
    _only_in_agent("term_job")


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


def _only_in_agent(name: str) -> NoReturn:
    raise OnlyInAgent(f"saltutil.{name} is answered by a running agent: ask it by `saltern ID saltutil.{name}`")
