"""Runners: functions of the master itself, called by `saltern-run`. One table, so that nothing else can be called."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from master import events, job_runners, mine, network_runners, orchestrate, pillar_runners, vnet_runners
from master.caller import Answer, Caller
from master.dispatch import Dispatch
from master.explain_runner import explain
from master.keys import iso
from saltern.errors import UsageError, nearest

Runner = Callable[..., Awaitable[Any]]


async def up(master: Dispatch) -> list[str]:
    """The ids of the minions that are connected."""
    return sorted(minion.id for minion in master.presence.connected())


async def down(master: Dispatch) -> list[str]:
    """The ids of the accepted minions that are not connected."""
    return sorted(minion.id for minion in master.presence.minions.values() if not minion.session)


async def status(master: Dispatch) -> dict[str, Any]:
    """Who is up (since when, from where, round-trip time) and who is down (last seen)."""
    here = {
        minion.id: {
            "since": iso(minion.session.since),
            "address": minion.session.peer,
            "round_trip_ms": None if minion.session.round_trip_ms is None else round(minion.session.round_trip_ms, 2),
        }
        for minion in sorted(master.presence.connected(), key=lambda minion: minion.id)
        if minion.session
    }
    away = {
        minion.id: {"last_seen": iso(minion.seen) if minion.seen else None}
        for minion in sorted(master.presence.minions.values(), key=lambda minion: minion.id)
        if not minion.session
    }
    return {"up": here, "down": away}


async def mine_get(master: Dispatch, tgt: str, fun: str, tgt_type: str = "glob") -> dict[str, Any]:
    """What the minions that TGT matches tell under the name FUN, by id (see the option mine_functions)."""
    chosen = {minion.id for minion in await master.select(str(tgt), tgt_type)}
    return (await master.store.look(lambda c: mine.get(c, chosen, [str(fun)], None)))[str(fun)]


async def returners(master: Dispatch) -> dict[str, Any]:
    """How the returners do: what each delivered, what waits, what was dropped, and what keeps it."""
    return await master.returners.counts()


async def send_event(master: Dispatch, tag: str, data: Any = None, **more: Any) -> str:
    """Tell the bus of TAG with DATA, a mapping, and MORE: event.send deploy/done version=3."""
    if data is not None and not isinstance(data, Mapping):
        raise UsageError(f"the data of an event is a mapping, not {data!r}")
    master.bus.fire(events.custom_tag(tag), {**(data or {}), **more})
    return tag


async def followers(master: Dispatch) -> int:
    """How many follow the bus now."""
    return master.bus.followers


async def schedule(master: Dispatch) -> Mapping[str, Any]:
    """What the master calls by itself, when each item is due next, and what is wrong with those that don't run."""
    return master.schedule()


async def doc(_master: Dispatch) -> dict[str, str]:
    """The runners and what they do."""
    return {name: inspect.getdoc(runner) or "" for name, (runner, _) in sorted(TABLE.items())}


TABLE: Mapping[str, tuple[Runner, str]] = {
    "jobs.list_jobs": (job_runners.list_jobs, "nested"),
    "jobs.lookup_jid": (job_runners.lookup_jid, "job"),
    "jobs.print_job": (job_runners.print_job, "job"),
    "jobs.last_run": (job_runners.last_run, "job"),
    "jobs.exit_success": (job_runners.exit_success, "nested"),
    "jobs.active": (job_runners.active, "nested"),
    "jobs.why": (job_runners.why, "nested"),
    "jobs.stop": (orchestrate.stop, "nested"),
    "jobs.prune": (job_runners.prune, "nested"),
    "drift.report": (job_runners.drift_report, "table"),
    "mine.get": (mine_get, "nested"),
    "manage.returners": (returners, "nested"),
    "manage.up": (up, "nested"),
    "manage.down": (down, "nested"),
    "manage.status": (status, "nested"),
    "network.graph": (network_runners.graph, "network"),
    "vnet.leases": (vnet_runners.leases, "table"),
    "vnet.reserve": (vnet_runners.reserve, "nested"),
    "vnet.release": (vnet_runners.release, "nested"),
    "vnet.move": (vnet_runners.move, "nested"),
    "state.orchestrate": (orchestrate.orchestrate, "orchestration"),
    "state.orch": (orchestrate.orchestrate, "orchestration"),
    "state.sls": (orchestrate.orchestrate, "orchestration"),
    "state.explain": (explain, "nested"),
    "pillar.show_pillar": (pillar_runners.show_pillar, "nested"),
    "pillar.encrypt": (pillar_runners.encrypt, "nested"),
    "pillar.sealed": (pillar_runners.sealed_values, "nested"),
    "pillar.rotate": (pillar_runners.rotate, "nested"),
    "pillar.reseal": (pillar_runners.reseal, "nested"),
    "schedule.list": (schedule, "nested"),
    "event.send": (send_event, "nested"),
    "event.followers": (followers, "nested"),
    "doc.runner": (doc, "nested"),
}


_ACTING = (
    *("jobs.prune", "jobs.stop", "vnet.reserve", "vnet.release", "vnet.move", "event.send"),
    *("pillar.encrypt", "pillar.rotate", "pillar.reseal"),
)
TELLING = frozenset(name for name in TABLE if name not in _ACTING and not name.startswith("state."))
"""The runners that only tell: they change nothing anywhere."""


def check(function: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """UsageError where FUNCTION is no runner or can't be called so."""
    if function not in TABLE:
        raise UsageError(
            f"there is no runner {function!r}.{nearest(function, TABLE)} (saltern-run doc.runner lists all)"
        )
    own = inspect.signature(TABLE[function][0])
    known = own.replace(parameters=[one for name, one in own.parameters.items() if name != "caller"])
    try:
        known.bind(None, *args, **kwargs)
    except TypeError as error:
        raise UsageError(f"{function}: {error}") from None


async def run(
    function: str, args: Sequence[Any], kwargs: Mapping[str, Any], master: Dispatch, caller: Caller
) -> Answer:
    """Call the runner FUNCTION for CALLER: what it answers. UsageError for a wrong call."""
    check(function, args, kwargs)
    runner, out = TABLE[function]
    more = {"caller": caller} if "caller" in inspect.signature(runner).parameters else {}
    found = await runner(master, *args, **kwargs, **more)
    return found if isinstance(found, Answer) else Answer(found, out)
