"""Why a state runs, waits, is left out or reacts: what `state.explain` tells of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from saltern.converge.compare import plain
from saltern.converge.requisites import Links
from saltern.converge.result import RunResult, StateResult, Verdict
from saltern.errors import UsageError, nearest
from saltern.sls.low import Low


def explained(lows: Sequence[Low], id: str, result: RunResult) -> list[dict[str, Any]]:
    """What is to be known of the states of LOWS with this ID or name, given the RESULT of a run of LOWS in test mode.

    UsageError where there is none.
    """
    links = Links(lows)
    found = [position for position, low in enumerate(lows) if id in (low.id, low.name)]
    if not found:
        known = [name for low in lows for name in (low.id, low.name)]
        raise UsageError(f"there is no state with the id or name {id!r} in this run.{nearest(id, known)}")
    ends = _by_position(lows, result)
    return [_one(lows, position, links, ends) for position in found]


def _one(lows: Sequence[Low], position: int, links: Links, ends: Sequence[StateResult | None]) -> dict[str, Any]:
    low = lows[position]
    own = ends[position]
    told: dict[str, Any] = {
        "state": f"{low.module}.{low.fun}",
        "id": low.id,
        "name": low.name,
        "declared": f"{low.sls} ({low.place})",
        "runs": f"{position + 1} of {len(lows)}",
        "arguments": plain(dict(low.args)),
        "would": ended(own.verdict) if own else "not reached",
    }
    if own and own.verdict.comment:
        told["because"] = own.verdict.comment
    if low.options:
        told["options"] = plain(dict(low.options))
    waits = [
        f"{need.kind} {need.module}: {need.ref} ({need.place}): {_named(lows, others, ends)}"
        for need, others in links.of(position)
    ]
    if waits:
        told["looks at"] = waits
    asked = [
        f"{lows[other].module}: {lows[other].id} ({need.kind}, {need.place})"
        for other in range(len(lows))
        for need, others in links.of(other)
        if position in others
    ]
    if asked:
        told["is looked at by"] = asked
    return told


def ended(verdict: Verdict) -> str:
    """How a state of a run in test mode ended, in a few words."""
    if verdict.result is False:
        return "fail" if verdict.ran else "fail without being run"
    if not verdict.ran:
        return "be left out" if not verdict.skipped else "be skipped by its own condition"
    if verdict.changed:
        return "react" if "reaction" in verdict.changes and len(verdict.changes) == 1 else "change"
    return "change nothing"


def _named(lows: Sequence[Low], others: Iterable[int], ends: Sequence[StateResult | None]) -> str:
    """The states that a requisite names, with how they would end."""
    parts = []
    for other in others:
        end = ends[other]
        parts.append(f"{lows[other].id} would {ended(end.verdict)}" if end else f"{lows[other].id} is not reached")
    return ", ".join(parts) or "names nothing"


def _by_position(lows: Sequence[Low], result: RunResult) -> list[StateResult | None]:
    """The results of the states themselves, by their position in LOWS."""
    places = {id(low): position for position, low in enumerate(lows)}
    found: list[StateResult | None] = [None] * len(lows)
    for one in result.results:
        if one.fun == one.low.fun:
            found[places[id(one.low)]] = one
    return found
