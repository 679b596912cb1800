"""Which states wait for, react to or depend on which others, and what that means for one whose turn has come.

The graph is built once for a run. The words of the comments are Salt's, since people search for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from saltern.converge.result import StateResult, Verdict
from saltern.errors import UsageError, nearest
from saltern.sls.low import Low, Requisite

_GLOB = re.compile(r"[*?\[]")
_DEPENDS = frozenset({"require", "watch", "onchanges", "onchanges_all"})  # each of them must not have failed
_DEPENDS_ANY = frozenset({"require_any", "watch_any", "onchanges_any"})  # one of them must not have failed
_ONCHANGES = frozenset({"onchanges", "onchanges_any"})
_ONFAIL = frozenset({"onfail", "onfail_any"})
REACTING = frozenset({"watch", "watch_any"})

NOT_CHANGED = "State was not run because none of the onchanges reqs changed"
NOT_ALL_CHANGED = "State was not run because not all of the onchanges reqs changed"
NOT_FAILED = "State was not run because onfail req did not change"
NO_CHANGES = "No changes detected"

Results = Sequence[StateResult | None]


class Link(NamedTuple):
    """A requisite and the positions of the states that it names."""

    requisite: Requisite
    positions: tuple[int, ...]


class Links:
    """The requisites of LOWS, resolved; positions count from 0 in their order."""

    def __init__(self, lows: Sequence[Low]) -> None:
        self._lows = lows
        self._of: dict[int, tuple[Link, ...]] = {}
        self._first: dict[int, list[int]] = {}  # by a state: those that have it as `prereq`, so that come first
        self._watchers: dict[tuple[int, str], list[int]] = {}
        if any(low.requisites for low in lows):
            index = _Index(lows)
            for position, low in enumerate(lows):
                if low.requisites:
                    self._add(position, tuple(Link(need, index.find(need, position)) for need in low.requisites))

    def _add(self, position: int, links: tuple[Link, ...]) -> None:
        self._of[position] = links
        for need, positions in links:
            reaction = "watch" if need.kind in REACTING else need.kind
            for other in positions:
                if reaction == "prereq":
                    self._first.setdefault(other, []).append(position)
                elif reaction in ("watch", "listen"):
                    watchers = self._watchers.setdefault((other, reaction), [])
                    if position not in watchers:
                        watchers.append(position)

    def of(self, position: int) -> tuple[Link, ...]:
        """The requisites of the state at POSITION."""
        return self._of.get(position, ())

    def looked_at(self, position: int) -> set[int]:
        """The states whose result the one at POSITION needs before it runs."""
        return {other for _, others in self.of(position) for other in others} | set(self._first.get(position, ()))

    def free(self, position: int, results: Results) -> bool:
        """Whether the state at POSITION could run now, before its turn: all that it needs has run, and lets it."""
        needs = [(need, others) for need, others in self.of(position) if need.kind != "listen"]
        if any(need.kind == "prereq" or need.kind in REACTING for need, _ in needs) or self._first.get(position):
            return False
        if any(results[other] is None for _, others in needs for other in others):
            return False
        return not needs or self.hindrance(position, results, lambda _: False) is None

    def binds(self, position: int) -> bool:
        """Whether anything must be asked before the state at POSITION runs."""
        return position in self._of or position in self._first

    def named(self, position: int, kinds: Iterable[str]) -> list[int]:
        """The states that the one at POSITION names by requisites of these KINDS."""
        return [other for need, positions in self.of(position) if need.kind in kinds for other in positions]

    def watchers(self, position: int) -> list[tuple[int, str]]:
        """Who reacts to a change of the state at POSITION: (position, "watch" or "listen")."""
        return [(who, kind) for kind in ("watch", "listen") for who in self._watchers.get((position, kind), ())]

    def listening(self) -> list[int]:
        """The states with a `listen`, in order."""
        return [position for position, links in self._of.items() if any(need.kind == "listen" for need, _ in links)]

    def hindrance(self, position: int, results: Results, would_change: Callable[[int], bool]) -> Verdict | None:
        """Why the state at POSITION does not run, or None where it does. WOULD_CHANGE plans a later state."""
        links = self.of(position)
        for need, positions in links:
            if not positions:
                message = f"{need.place}: {need.kind}: there is no state {need.module}: {need.ref} in this run"
                return Verdict(False, message, ran=False)
        failed = self._failed(position, links, results)
        if failed:
            named = ", ".join(f"{self._lows[other].sls}.{self._lows[other].id}" for other in failed)
            return Verdict(False, f"One or more requisite failed: {named}", ran=False)
        reason = _unmet(links, results, would_change)
        return Verdict(True, reason, ran=False) if reason else None

    def _failed(self, position: int, links: Sequence[Link], results: Results) -> list[int]:
        """The states whose failure keeps the one at POSITION from running, each once."""
        found = [other for other in self._first.get(position, ()) if _has_failed(results[other])]
        for kinds, enough in ((_DEPENDS, all), (_DEPENDS_ANY, any)):
            for kind in kinds:
                wanted = [other for need, positions in links if need.kind == kind for other in positions]
                bad = [other for other in wanted if results[other] is None or _has_failed(results[other])]
                if bad and not (enough is any and len(bad) < len(wanted)):
                    found += bad
        return sorted(set(found))


def with_needs(lows: Sequence[Low], ids: Sequence[str]) -> list[Low]:
    """Of LOWS, in their order, the states with these IDS (or names), and all that they need; whom they listen to is
    left out. UsageError where an id is not there."""
    for id in ids:
        if not any(id in (low.id, low.name) for low in lows):
            raise UsageError(f"there is no id {id!r} in these SLS.{nearest(id, [low.id for low in lows])}")
    links = Links(lows)
    queue = [position for position, low in enumerate(lows) if low.id in ids or low.name in ids]
    wanted: set[int] = set()
    while queue:
        position = queue.pop()
        if position not in wanted:
            wanted.add(position)
            queue += [o for need, others in links.of(position) if need.kind != "listen" for o in others]
    return [_without_listen(lows[position]) for position in sorted(wanted)]


def _without_listen(low: Low) -> Low:
    kept = tuple(need for need in low.requisites if need.kind != "listen")
    return low if len(kept) == len(low.requisites) else replace(low, requisites=kept)


def _unmet(links: Sequence[Link], results: Results, would_change: Callable[[int], bool]) -> str | None:
    """Why there is no reason for a state to run, or None."""
    changed = [has_changed(results[o]) for need, positions in links if need.kind in _ONCHANGES for o in positions]
    if changed and not any(changed):
        return NOT_CHANGED
    if not all(has_changed(results[o]) for need, ps in links if need.kind == "onchanges_all" for o in ps):
        return NOT_ALL_CHANGED
    failed = [_has_failed(results[o]) for need, positions in links if need.kind in _ONFAIL for o in positions]
    if failed and not any(failed):
        return NOT_FAILED
    if not all(_has_failed(results[o]) for need, ps in links if need.kind == "onfail_all" for o in ps):
        return NOT_FAILED
    coming = [o for need, positions in links if need.kind == "prereq" for o in positions]
    if coming and not any(would_change(other) for other in coming):
        return NO_CHANGES
    return None


def has_changed(result: StateResult | None) -> bool:
    """Whether a state changed something, or would."""
    return result is not None and result.verdict.changed


def _has_failed(result: StateResult | None) -> bool:
    return result is not None and result.verdict.result is False


class _Index:
    """Finds states by what a requisite names: an id or a name of a namespace, an id alone, or a whole SLS."""

    def __init__(self, lows: Sequence[Low]) -> None:
        self._by: dict[tuple[str, str], list[int]] = {}
        for position, low in enumerate(lows):
            for key in {(low.module, low.id), (low.module, low.name), ("id", low.id), ("sls", low.sls)}:
                self._by.setdefault(key, []).append(position)

    def find(self, need: Requisite, own: int) -> tuple[int, ...]:
        """The positions that NEED names, without the state's OWN."""
        found: Iterable[int] = self._by.get((need.module, need.ref), ())
        if not found and _GLOB.search(need.ref):
            from fnmatch import fnmatchcase

            keys = [key for key in self._by if key[0] == need.module and fnmatchcase(key[1], need.ref)]
            found = sorted({position for key in keys for position in self._by[key]})
        return tuple(position for position in found if position != own)
