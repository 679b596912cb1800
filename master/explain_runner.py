"""The runner `state.explain`: asks a minion why a state of it would run, wait, be left out or react."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from master.caller import Answer, Caller
from master.collecting import Collected, collect
from master.dispatch import Dispatch
from saltern.errors import UsageError, nearest

TIMEOUT_S = 300.0
_FUNCTION = "state.explain"


async def explain(
    master: Dispatch,
    minion: str,
    id_: str,
    mods: str | None = None,
    saltenv: str | None = None,
    pillar: Mapping[str, Any] | None = None,
    pillarenv: str | None = None,
    *,
    caller: Caller,
) -> Answer:
    """Why the states with the id or name ID_ of MINION would run, wait, be left out or react now: in the SLS MODS, or
    in its highstate. Nothing is changed; arguments as `state.explain` on a minion."""
    known = {one.id: one for one in master.presence.minions.values()}
    if minion not in known:
        raise UsageError(f"there is no accepted minion {minion!r}.{nearest(str(minion), known)}")
    given = {"mods": mods, "saltenv": saltenv, "pillar": pillar, "pillarenv": pillarenv}
    found = await collect(
        master,
        [known[minion]],
        _FUNCTION,
        args=[id_],
        kwargs={name: value for name, value in given.items() if value is not None},
        target=minion,
        form="list",
        user=caller.user,
        timeout_s=TIMEOUT_S,
    )
    end = found.get(minion, Collected("timed out", f"{minion} has not answered within {TIMEOUT_S:g} s"))
    return Answer(end.value, "nested", ok=end.ok and end.success and end.retcode == 0)
