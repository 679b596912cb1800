"""State runs of what is in no SLS of the tree: another top file, high data, one low call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modules._state.run import NO_STATES, converged, job_of
from saltern.context import Context
from saltern.errors import PermanentError
from saltern.marks import acting


class StateDataError(PermanentError):
    """Data that is no state."""


@acting
def top(ctx: Context, topfn: str, test: bool | None = None, saltenv: str | None = None, queue: bool = False) -> Any:
    """Converge to what the top files called TOPFN give the node, in the place of `top.sls`."""
    from saltern.sls.state_tree import StateTree

    job = job_of(ctx, test, saltenv, None)
    found = StateTree(job, top_file=topfn)
    return converged(job, "state.top", lambda tree: found.low(None, saltenv), queue, False, NO_STATES)


@acting
def high(ctx: Context, data: Mapping[str, Any], test: bool | None = None, queue: bool = False) -> Any:
    """Converge to the high DATA: {id: {"file.managed": [{argument: value}, …]}}."""
    if not isinstance(data, Mapping):
        raise StateDataError(f"high data is a mapping of ids, not {data!r}")
    return converged(
        job_of(ctx, test, None, None), "state.high", lambda tree: tree.data(data, "state.high"), queue, False
    )


@acting
def low(ctx: Context, data: Mapping[str, Any], test: bool | None = None, queue: bool = False) -> Any:
    """Converge to one low call: {"state": "file", "fun": "managed", "name": …, argument: value}."""
    missing = [key for key in ("state", "fun", "name") if not (isinstance(data, Mapping) and data.get(key))]
    if missing:
        raise StateDataError(f"a low call has state, fun and name; there is no {missing[0]} in {data!r}")
    given = {key: value for key, value in data.items() if key not in ("state", "fun", "order") and key[:2] != "__"}
    fun, id = f"{data['state']}.{data['fun']}", str(data.get("__id__", data["name"]))
    body = {id: {fun: [{key: value} for key, value in given.items()]}}
    return converged(
        job_of(ctx, test, None, None), "state.low", lambda tree: tree.data(body, "state.low"), queue, False
    )
