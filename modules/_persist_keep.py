"""What one state has kept for the next boot, the same for all that can keep it, and the files that this takes.

A backend (`_persist_networkd`, `_persist_ifupdown`, …) turns a `Keep` into texts by path. Paths are relative to the
root: "etc/systemd/network/10-saltern-br43.netdev".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from saltern.errors import PermanentError

MARK = "Made by Saltern: changes are undone."
CREATED = ("bond", "bridge", "macvlan", "veth", "vlan", "vxlan")  # kinds whose state makes the interface
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")


class PersistError(PermanentError):
    """A link can't be kept for the next boot: something else owns it, or its manager can't express it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteKept:
    """A route. `destination` "10.5.0.0/16" ("0.0.0.0/0": the default); `metric` and `table` None: the usual ones."""

    destination: str
    gateway: str | None = None
    metric: int | None = None
    table: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What one state wants at boot.

    `kind`: the namespace of the state; `name`: what its files are known by, the interface or a name of the address or
    route; `interface`: that which all else is about. `parts`: ports or members. `options`: what a kind has of its own,
    by the names of the state's arguments. `up` None: not managed. `function` and `arguments`: the state itself.
    """

    kind: str
    name: str
    interface: str
    parent: str | None = None
    parts: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    mtu: int | None = None
    mac: str | None = None
    up: bool | None = True
    addresses: tuple[str, ...] = ()
    gateway: str | None = None
    route: RouteKept | None = None
    function: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def creates(self) -> bool:
        """Whether the state makes the interface."""
        return self.kind in CREATED

    @property
    def others(self) -> tuple[str, ...]:
        """The other interfaces that it takes part in: parent, ports, peer."""
        peer = self.options.get("peer")
        return tuple(filter(None, (self.parent, *self.parts, peer if isinstance(peer, str) else None)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who has an interface: a manager, and the file that says so."""

    manager: str
    file: str


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one state for one manager: (path, text), sorted."""

    manager: str
    texts: tuple[tuple[str, str], ...] = ()

    def diff(self, new: Files) -> str:
        """A unified diff from these files to NEW."""
        import difflib

        before, after = dict(self.texts), dict(new.texts)
        lines: list[str] = []
        for path in sorted(before.keys() | after.keys()):
            old, now = before.get(path), after.get(path)
            if old != now:
                one, other = [f"/{path}" if text is not None else "/dev/null" for text in (old, now)]
                was, will = [(text or "").splitlines(keepends=True) for text in (old, now)]
                lines += difflib.unified_diff(was, will, one, other)
        return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def plain(name: str) -> str:
    """NAME if it means nothing else to a shell, a pattern or a configuration file. PersistError."""
    if not _PLAIN.fullmatch(name):
        raise PersistError(
            f"the name {name!r} can't be written to the configuration of the node's network manager, where a sign of it"
            " means something: take another name, or `persist: saltern`"
        )
    return name


def unknown_options(keep: Keep, known: Mapping[str, Any], manager: str) -> None:
    """PersistError where KEEP has an option that MANAGER's files can't express."""
    for option in keep.options:
        if option not in known:
            raise PersistError(
                f"{manager} can't keep `{option}` of the {keep.kind} {keep.interface} for the next boot: "
                "give `persist: saltern`, or `persist: none`"
            )
