"""A checkpoint of the network: what the kernel and the files said before a change, as plain frozen values.

Names stand for interfaces everywhere, never indexes: what is deleted and made again has another index.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from saltern.errors import PermanentError


class BadCheckpoint(PermanentError):
    """A checkpoint's file can't be understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedLink:
    """A network interface. `options` are those of its kind by pyroute2's names ("br_forward_delay"), `port` those that
    it has as a port of a bridge; `vlans` its entries of the VLAN filter: (VLAN, BRIDGE_VLAN_INFO_* flags); `settings`
    its parameters below /proc/sys/net by path. `parent_elsewhere`: what it lies on is in another namespace."""

    index: int
    name: str
    kind: str | None
    is_up: bool
    mtu: int
    mac: str | None
    master: str | None = None
    parent: str | None = None
    parent_elsewhere: bool = False
    alias: str = ""
    txqueuelen: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    port: dict[str, int] = field(default_factory=dict)
    vlans: tuple[tuple[int, int], ...] = ()
    settings: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedAddress:
    """An address "10.0.0.1/24" of the interface LINK. `flags` are IFA_F_*; `valid_s` and `preferred_s` are what was
    left of its lifetimes, None: for ever."""

    link: str
    family: int
    address: str
    peer: str | None = None
    broadcast: str | None = None
    label: str | None = None
    scope: int = 0
    flags: int = 0
    valid_s: int | None = None
    preferred_s: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What the kernel knows it by."""
        return self.link, self.address


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One way of a route."""

    link: str | None
    gateway: str | None = None
    weight: int = 0
    onlink: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedRoute:
    """A route (RTM_NEWROUTE) by the numbers of rtnetlink(7). `metrics` are RTAX_* by pyroute2's names ("mtu").
    `special`: names of attributes that no part of this module can set again (an encapsulation, a next-hop object)."""

    family: int
    destination: str
    table: int
    protocol: int
    scope: int
    type: int
    metric: int = 0
    tos: int = 0
    source: str | None = None
    hops: tuple[Hop, ...] = ()
    metrics: dict[str, int] = field(default_factory=dict)
    special: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """As ip-route(8) has it."""
        ways = [
            " ".join([*(["via " + hop.gateway] if hop.gateway else []), *(["dev " + hop.link] if hop.link else [])])
            for hop in self.hops
        ]
        network = "default" if self.destination.endswith("/0") else self.destination
        table = f" table {self.table}" if self.table != 254 else ""
        return f"{network} {' and '.join(ways) or 'nowhere'}{table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What the kernel says of one network namespace, each in the kernel's order."""

    links: tuple[SavedLink, ...] = ()
    addresses: tuple[SavedAddress, ...] = ()
    routes: tuple[SavedRoute, ...] = ()

    def find(self, name: str) -> SavedLink | None:
        """The interface NAME."""
        return next((link for link in self.links if link.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFile:
    """A file, or with `target` a symbolic link."""

    path: str
    mode: int
    uid: int
    gid: int
    data: bytes = b""
    target: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The kernel's network, and all FILES that are in FOLDERS or at PATHS."""

    kernel: Kernel
    folders: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    files: tuple[SavedFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What a run is about to touch, noted before it does: `made`, interfaces that it makes; `named`, all that its
    steps name; `settings`, the values until then of kernel parameters by path; `files`, those outside the folders of
    the checkpoint, as they were (None: there was none)."""

    made: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    settings: dict[str, str] = field(default_factory=dict)
    files: dict[str, SavedFile | None] = field(default_factory=dict)

    def joined(self, later: Touched) -> Touched:
        """Both; the earlier value of a parameter or a file counts."""
        return Touched(
            made=self.made | later.made,
            named=self.named | later.named,
            settings={**later.settings, **self.settings},
            files={**later.files, **self.files},
        )


def encoded(value: object) -> bytes:
    """A value of this module as one line of JSON."""
    import msgspec

    return msgspec.json.encode(value) + b"\n"


def decoded(data: bytes, kind: type[Any]) -> Any:
    """The value of KIND that `encoded` wrote. BadCheckpoint."""
    import msgspec

    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadCheckpoint(f"a {kind.__name__} that was kept is damaged: {error}") from None
