"""What one state has kept for the next boot, the same for all that can keep it, and the files that this takes.

A backend (`_persist.networkd`, `_persist.ifupdown`, …) turns a `Keep` into texts by path. Paths are relative to the
root: "etc/systemd/network/10-saltern-br43.netdev".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from saltern.errors import PermanentError

MARK = "Made by Saltern: changes are undone."
CREATED = ("bond", "bridge", "macvlan", "veth", "vlan", "vxlan")  # kinds whose state makes the interface
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+-]*")


class PersistError(PermanentError):
    """A link can't be kept for the next boot: something else owns it, or its manager can't express it."""


class Inexpressible(PersistError):
    """The manager's files have no word for something; Saltern itself can keep it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteKept:
    """A route. `destination` "10.5.0.0/16" ("0.0.0.0/0": the default); `metric` and `table` None: the usual ones."""

    destination: str
    gateway: str | None = None
    metric: int | None = None
    table: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VlansKept:
    """The VLANs of a bridge's port: `untagged` and `tagged` as numbers and ranges ("10-20")."""

    pvid: int | None = None
    untagged: tuple[str, ...] = ()
    tagged: tuple[str, ...] = ()

    @classmethod
    def of(cls, words: str) -> VlansKept:
        """From the words of `modules._network.bridgevlans.Vlans`: "PVID 43, untagged 43, tagged 1,10-20"."""
        found = {key: value.strip(",").split(",") for key, value in re.findall(r"(\w+) ([\d,-]+)", words)}
        pvid = int(found["PVID"][0]) if "PVID" in found else None
        return cls(pvid=pvid, untagged=tuple(found.get("untagged", ())), tagged=tuple(found.get("tagged", ())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """What one state wants at boot.

    `kind`: the namespace of the state; `name`: what its files are known by, the interface or a name of the address or
    route; `interface`: that which all else is about. `parts`: ports or members. `options`: what a kind has of its own,
    by the names of the state's arguments; of a bridge further `port_options` by port and option, and `vlans` by port,
    its own under its name. `up` None: not managed. `function` and `arguments`: the state itself.
    """

    kind: str
    name: str
    interface: str
    parent: str | None = None
    parts: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    port_options: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    vlans: Mapping[str, VlansKept] = field(default_factory=dict)
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


def unknown_options(keep: Keep, known: Mapping[str, Any], ports: Mapping[str, Any], manager: str) -> None:
    """Inexpressible where KEEP has an option that MANAGER's files have no word for: KNOWN are those of its kind, PORTS
    those of a bridge's port."""
    for option in keep.options:
        if option not in known:
            raise inexpressible(manager, f"`{option}` of the {keep.kind} {keep.interface}")
    for port, options in keep.port_options.items():
        for option in options:
            if option not in ports:
                raise inexpressible(manager, f"`{option}` of the port {port} of {keep.interface}")


def check_default_vlan(keep: Keep, manager: str) -> None:
    """Inexpressible where a port is not in the VLAN that the kernel gives it: MANAGER takes none away."""
    default = keep.options.get("vlan_default_pvid", 1)
    for port, vlans in keep.vlans.items():
        if default and (vlans.pvid is None or default not in numbers((*vlans.untagged, *vlans.tagged))):
            raise inexpressible(manager, f"that {port} is not in VLAN {default}, the default of {keep.name},")


def inexpressible(manager: str, what: str) -> Inexpressible:
    """MANAGER can't keep WHAT."""
    return Inexpressible(
        f"{manager} can't keep {what} for the next boot: leave `persist` at auto, or give `persist: saltern`"
    )


def numbers(ranges: Iterable[str]) -> frozenset[int]:
    """RANGES ("10-20", "43") as their numbers."""
    ends = [(one.partition("-")[0], one.rpartition("-")[2]) for one in ranges]
    return frozenset(number for first, last in ends for number in range(int(first), int(last) + 1))
