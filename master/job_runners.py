"""The runners `jobs.*` and `drift.*`: what was run, what came of it, and what differs since when."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from master import drift, history, runs
from master.dispatch import Dispatch
from master.history import OUTCOMES, Wanted
from saltern import names
from saltern.errors import UsageError, nearest

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


async def list_jobs(
    master: Dispatch,
    limit: int = 50,
    user: str = "*",
    function: str = "*",
    target: str = "*",
    minion: str = "",
    since: object = None,
    until: object = None,
    outcome: str = "",
) -> Any:
    """The latest jobs, the latest last: function, arguments, target, user, start.

    limit: how many (50). user, function, target: globs of what the job was called with. minion: an id that it went to.
    since, until: a time (2026-11-21T05:00) or how long ago (90m, 2d). outcome: one that some minion had (failed, lost).
    """
    wanted = wanted_of(limit, user, function, target, minion, since, until, outcome)
    return await master.store.look(lambda c: history.listing(c, wanted))


async def last_run(
    master: Dispatch, function: str = "*", target: str = "*", minion: str = "", user: str = "*", outcome: str = ""
) -> Any:
    """The latest job of that FUNCTION (a glob) with what each of its targets returned; arguments as list_jobs."""
    wanted = wanted_of(1, user, function, target, minion, None, None, outcome)
    return await master.store.look(lambda c: history.last_run(c, wanted))


async def lookup_jid(master: Dispatch, jid: str) -> Any:
    """One job with the end on each of its targets."""
    return await master.store.look(lambda c: history.lookup(c, names.jid(str(jid))))


async def print_job(master: Dispatch, jid: str) -> Any:
    """As lookup_jid."""
    return await lookup_jid(master, jid)


async def exit_success(master: Dispatch, jid: str) -> Any:
    """Whether the job ended well, for each of its targets."""
    return await master.store.look(lambda c: history.exit_success(c, names.jid(str(jid))))


async def active(master: Dispatch) -> Any:
    """The jobs that have not ended everywhere, with the state on each target that is still open."""
    return await master.store.look(history.active)


async def why(master: Dispatch, minion: str) -> Any:
    """Why the state runs of MINION fail: what failed first and since when, and what had become another (trees, pillar,
    grains) since the last run that went well. Nothing where the last run of each kind went well."""
    if master.presence.by_id(str(minion)) is None:
        raise UsageError(
            f"there is no minion {minion!r}.{nearest(str(minion), [m.id for m in master.presence.minions.values()])}"
        )
    found = await master.store.look(lambda c: runs.why(c, str(minion)))
    return found or f"no state run of {minion} fails: the last one of each that is kept went well"


async def prune(master: Dispatch, hours: float) -> int:
    """Forget the jobs that are older than HOURS: how many."""
    if isinstance(hours, bool) or not isinstance(hours, int | float) or hours < 0:
        raise UsageError("hours wants a number")
    return await history.forget(master.store, time.time() - hours * 3600)


async def drift_report(master: Dispatch, target: str = "*", form: str = "glob") -> Any:
    """What differs from the states on the minions that match TARGET, and since when, by the last highstate of each that
    is known (state.apply test=True, by hand or by schedule)."""
    chosen = [minion.id for minion in await master.select(str(target), form)]
    return await master.store.look(lambda c: drift.report(c, chosen))


def wanted_of(
    limit: int,
    user: object,
    function: object,
    target: object,
    minion: object,
    since: object,
    until: object,
    outcome: object,
) -> Wanted:
    """The filters of a list. UsageError names the one that is wrong."""
    if type(limit) is not int or not 0 < limit <= history.MOST:
        raise UsageError(f"limit wants a whole number from 1 to {history.MOST}, not {limit!r}")
    if outcome and outcome not in OUTCOMES:
        raise UsageError(
            f"an outcome is one of {', '.join(OUTCOMES)}, not {outcome!r}.{nearest(str(outcome), OUTCOMES)}"
        )
    now = time.time()
    return Wanted(
        user=str(user),
        function=str(function),
        target=str(target),
        minion=str(minion),
        since=0.0 if since is None else moment("since", since, now),
        until=1e12 if until is None else moment("until", until, now),
        outcome=str(outcome),
        limit=limit,
    )


def moment(name: str, given: object, now: float) -> float:
    """GIVEN, a local time or how long before NOW, in seconds since the epoch. UsageError."""
    text = str(given).strip()
    if text[:-1].isdecimal() and text[-1:] in _UNITS:
        return now - int(text[:-1]) * _UNITS[text[-1]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{name} wants a time like 2026-11-21T05:00, or how long ago like 90m or 2d, not {given!r}"
        ) from None
