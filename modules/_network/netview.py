"""What one look at the kernel's network saw: links, addresses and default routes as plain frozen values.

A View never changes. The next one shares with it whatever did not change, so that following a change costs what the
change is, whatever the number of links.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from modules._network.linkinfo import BridgeInfo, Info, PortInfo, TunInfo
from saltern.errors import nearest

AF_INET, AF_INET6 = 2, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A network interface (RTM_NEWLINK). `master` and `parent` are indexes: what it is a port of, what it lies on;
    `parent_elsewhere`: that parent is in another network namespace. The fields of a bridge and of a VLAN are None for
    other kinds, `info` is what other kinds have of their own, `bridge` what a bridge has beside, `port` what a port of
    a bridge has. `forward_delay` is in 1/100 s; `operstate` as in Documentation/networking/operstates.rst ("up",
    "lowerlayerdown", …)."""

    index: int
    name: str
    kind: str | None
    is_up: bool
    mtu: int
    hwaddr: str | None
    master: int | None = None
    parent: int | None = None
    parent_elsewhere: bool = False
    altnames: tuple[str, ...] = ()
    stp: bool | None = None
    forward_delay: int | None = None
    vlan_filtering: bool | None = None
    vlan_id: int | None = None
    vlan_protocol: str | None = None
    is_loopback: bool = False
    operstate: str = "unknown"
    info: Info | None = None
    bridge: BridgeInfo | None = None
    port: PortInfo | None = None
    alias: str | None = None
    txqueuelen: int = 0

    @property
    def is_guests(self) -> bool:
        """Whether it is a guest's end on this node: a tap (of an emulator), or a veth whose other end was moved into
        another network namespace (of a container)."""
        if isinstance(self.info, TunInfo):
            return self.info.is_tap
        return self.kind == "veth" and self.parent_elsewhere


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address of an interface (RTM_NEWADDR). `address` is "192.168.43.1/24". `permanent`: no lifetime, so somebody
    set it; an IPv6 address that is not came from a router's advertisement and is the kernel's own affair. `peer`: the
    address of the other end, of a point-to-point link."""

    index: int
    family: int
    address: str
    scope: int
    label: str | None
    broadcast: str | None
    permanent: bool
    secondary: bool
    peer: str | None = None

    @property
    def is_link_local_6(self) -> bool:
        """Whether the kernel makes such an address itself for each link that is up (fe80::/10)."""
        return self.family == AF_INET6 and self.address[:3].lower() in ("fe8", "fe9", "fea", "feb")


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultRoute:
    """A default route of the main table. `gateway` is None for one without (a point-to-point link), `index` is None
    for one over several next hops."""

    family: int
    index: int | None
    gateway: str | None
    metric: int


class View:
    """What one look saw."""

    __slots__ = ("_addresses", "_altnames", "_children", "_holders", "_links", "_names", "_ports", "default_routes")

    def __init__(
        self,
        links: Iterable[Link] = (),
        addresses: Iterable[Address] = (),
        default_routes: Iterable[DefaultRoute] = (),
    ) -> None:
        self._links: dict[int, Link] = {link.index: link for link in links}
        self._names: dict[str, Link] = {}
        self._altnames: dict[str, Link] = {}
        self._ports: dict[int, frozenset[int]] = {}
        self._children: dict[int, frozenset[int]] = {}
        for link in self._links.values():
            self._put(link)
        self._addresses: dict[int, tuple[Address, ...]] = {}
        for entry in addresses:
            self._addresses[entry.index] = (*self._addresses.get(entry.index, ()), entry)
        self._holders: dict[str, tuple[Address, ...]] | None = None
        self.default_routes = tuple(default_routes)

    @property
    def links(self) -> tuple[Link, ...]:
        """All links."""
        return tuple(self._links.values())

    @property
    def addresses(self) -> tuple[Address, ...]:
        """All addresses."""
        return tuple(entry for entries in self._addresses.values() for entry in entries)

    def find(self, name: str) -> Link | None:
        """The link with this name or alternative name."""
        return self._names.get(name) or self._altnames.get(name)

    def at(self, index: int | None) -> Link | None:
        """The link with this index."""
        return self._links.get(index) if index is not None else None

    def name_at(self, index: int | None) -> str:
        """The name of the link with this index, for messages."""
        found = self.at(index)
        return found.name if found else "nothing"

    def ports(self, index: int) -> tuple[Link, ...]:
        """The links whose master is the one with this index."""
        return tuple(self._links[port] for port in sorted(self._ports.get(index, ())))

    def carried(self, index: int) -> tuple[Link, ...]:
        """The links that lie on the one with this index (VLANs, macvlans, …) and end when it is deleted."""
        children = (self._links[child] for child in sorted(self._children.get(index, ())))
        return tuple(
            link for link in children if link.index != index and not link.parent_elsewhere and link.kind != "veth"
        )

    def addresses_of(self, index: int | None) -> tuple[Address, ...]:
        """The addresses of the link with this index."""
        return self._addresses.get(index, ()) if index is not None else ()

    def having(self, plain: str) -> tuple[Address, ...]:
        """Where the address PLAIN (without prefix length) is."""
        if self._holders is None:
            self._holders = {}
            for entry in self.addresses:
                key = entry.address.partition("/")[0]
                self._holders[key] = (*self._holders.get(key, ()), entry)
        return self._holders.get(plain, ())

    def missing(self, name: str) -> str:
        """What to say where there is no interface NAME."""
        return f"there is no interface {name!r} on this node.{nearest(name, list(self._names))}"

    def with_links(self, changed: Mapping[int, Link | None]) -> View:
        """This view with the CHANGED links, by index; None for one that is gone, with its addresses."""
        new = self._copy()
        new._links, new._names, new._altnames = dict(self._links), dict(self._names), dict(self._altnames)
        new._ports, new._children = dict(self._ports), dict(self._children)
        for index in changed:
            new._take(index)
        for index, link in changed.items():
            if link is None:
                new._links.pop(index, None)
            else:
                new._links[index] = link
                new._put(link)
        gone = [index for index, link in changed.items() if link is None and index in self._addresses]
        return new.with_addresses(dict.fromkeys(gone, ())) if gone else new

    def with_addresses(self, changed: Mapping[int, tuple[Address, ...]]) -> View:
        """This view where the links with these indexes have exactly these addresses."""
        new = self._copy()
        new._addresses = {**self._addresses, **changed}
        for index in [index for index, entries in changed.items() if not entries]:
            del new._addresses[index]
        new._holders = None
        return new

    def with_default_routes(self, routes: Collection[DefaultRoute]) -> View:
        """This view with other default routes."""
        new = self._copy()
        new.default_routes = tuple(routes)
        return new

    def _copy(self) -> View:
        new = View.__new__(View)
        for slot in View.__slots__:
            setattr(new, slot, getattr(self, slot))
        return new

    def _put(self, link: Link) -> None:
        self._names[link.name] = link
        for altname in link.altnames:
            self._altnames[altname] = link
        if link.master:
            self._ports[link.master] = self._ports.get(link.master, frozenset()) | {link.index}
        if link.parent:
            self._children[link.parent] = self._children.get(link.parent, frozenset()) | {link.index}

    def _take(self, index: int) -> None:
        link = self._links.get(index)
        if link is None:
            return
        _drop(self._names, link.name, link)
        for altname in link.altnames:
            _drop(self._altnames, altname, link)
        for table, above in ((self._ports, link.master), (self._children, link.parent)):
            if above:
                table[above] = table.get(above, frozenset()) - {index}


def _drop(table: dict[str, Link], name: str, link: Link) -> None:
    if table.get(name) is link:
        del table[name]
