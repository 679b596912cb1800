"""Who may have whom run what: the master's option `peer`. What is not granted there is refused.

peer:
  "web*":                    # these minions (a glob of ids)
    - test.ping              # on any minion
    - "db*": [mysql.*]       # on these
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from saltern.errors import ConfigError, UsageError

# Whoever may call these may call anything, or have it called later, so a grant of theirs would be one of everything.
CALLERS = frozenset(
    {"publish", "schedule", "mine", "beacons", "module", "saltutil", "event", "peer", "test.arg_call", "state.single"}
)
# These do whatever their arguments say: a glob does not grant them, only their whole name does.
BY_NAME = frozenset({"cmd", "file", "state", "cp", "pkg", "user", "cloud_init", "lxc", "virt", "test.try_"})
ONCE_KEPT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Grant:
    """The minions FROM_ may have FUNCTION run on the minions ON (globs all three)."""

    from_: str
    function: str
    on: str = "*"


class Peers:
    """The grants of the option GIVEN. ConfigError where it can't be understood, or grants a generic caller."""

    def __init__(self, given: Mapping[Any, Any]) -> None:
        self.grants = list(_grants(given))

    def check(self, minion: str, function: str, on: Sequence[str]) -> None:
        """Pass, if MINION may have FUNCTION run on every one of ON. UsageError names the first on which it may not."""
        generic = is_generic(function)
        for target in on or ("",):
            if generic or not any(self._holds(grant, minion, function, target) for grant in self.grants):
                place = f" on {target}" if target else ""
                raise UsageError(
                    f"{minion} may not have {function} run{place}: the master's option `peer` grants it nowhere"
                )

    def _holds(self, grant: Grant, minion: str, function: str, target: str) -> bool:
        named = grant.function == function
        wide = fnmatchcase(function, grant.function) and not _whole_name_only(function)
        return fnmatchcase(minion, grant.from_) and (named or wide) and (not target or fnmatchcase(target, grant.on))


def is_generic(function: str) -> bool:
    """Whether FUNCTION calls what its arguments name."""
    return function in CALLERS or function.partition(".")[0] in CALLERS


def _whole_name_only(function: str) -> bool:
    return function in BY_NAME or function.partition(".")[0] in BY_NAME


def _grants(given: Mapping[Any, Any]) -> list[Grant]:
    found = []
    for minion, rules in given.items():
        if not isinstance(rules, list):
            raise ConfigError(f"peer: below {minion!r} stands a list of functions, not {rules!r}")
        for rule in rules:
            pairs = rule.items() if isinstance(rule, Mapping) else [("*", [rule])]
            for on, functions in pairs:
                if not isinstance(functions, list) or not all(isinstance(one, str) and one for one in functions):
                    raise ConfigError(f"peer: {minion!r} on {on!r}: functions are a list of names, not {functions!r}")
                found += [Grant(str(minion), function, str(on)) for function in functions]
    for grant in found:
        if is_generic(grant.function):
            raise ConfigError(f"peer: {grant.function} can't be granted: it calls whatever its arguments name")
    return found


def first(connection: sqlite3.Connection, minion: str, once: str, now: float) -> bool:
    """Whether MINION asks this for the first time; it is remembered durably, so a job never runs twice."""
    connection.execute("DELETE FROM asked WHERE at < ?", (now - ONCE_KEPT_S,))
    return bool(connection.execute("INSERT OR IGNORE INTO asked VALUES (?, ?, ?)", (minion, once, now)).rowcount)
