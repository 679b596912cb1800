"""The runner `network.graph`: what is declared of each node's network beside what is real."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

from master.collecting import Collected, collect
from master.dispatch import Dispatch
from saltern.errors import UsageError
from saltern.network_graph.compare import compare
from saltern.network_graph.graph import net_of


async def graph(master: Dispatch, target: str, form: str = "glob", timeout: float = 60) -> dict[str, Any]:
    """The networks of the minions that TARGET matches: by minion `declared`, `real` and `differences`, and `error`
    where one of them is not to be had. With --out-file FILE.svg as a picture. FORM: how TARGET is read ("glob", "list",
    "compound", …). TIMEOUT: seconds that are waited for the minions."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= 3600:
        raise UsageError(f"timeout wants a number of seconds up to 3600, not {timeout!r}")
    chosen = await master.select(str(target), str(form))
    if not chosen:
        raise UsageError(f"no minion matches {target!r}")
    asked = [
        collect(master, chosen, function, target=str(target), form=str(form), user="saltern-run", timeout_s=timeout)
        for function in ("network.declared", "network.topology")
    ]
    declared, real = await asyncio.gather(*asked)
    nothing = Collected("failed", "it gave no answer")
    return {minion.id: _node(declared.get(minion.id, nothing), real.get(minion.id, nothing)) for minion in chosen}


def _node(declared: Collected, real: Collected) -> dict[str, Any]:
    if not real.ok:
        return {"error": str(real.value)[:2000]}
    found: dict[str, Any] = {"declared": declared.value if declared.ok else {}, "real": real.value}
    comparison = compare(net_of(found["declared"]), net_of(real.value))
    found["differences"] = [asdict(difference) for difference in comparison.differences]
    if not declared.ok:
        found["error"] = str(declared.value)[:2000]
    return found
