"""One look at the kernel's links, addresses and default routes by rtnetlink(7), as plain frozen values.

A look is one dump each of what is asked for and is never kept: what a plan compares is what the kernel has now.
pyroute2 takes a tenth of a second to import, so it is imported by the first that talks to the kernel.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from modules._linkinfo import Info, VxlanInfo, info_of
from modules._netvalues import PROTOCOLS
from saltern.errors import PermanentError, nearest

IFF_UP = 0x1  # linux/if.h
_SKIP_STATS = 8  # RTEXT_FILTER_SKIP_STATS: counters are most of a link's message
_MAIN_TABLE = 254  # RT_TABLE_MAIN
_UNICAST = 1  # RTN_UNICAST
_PERMANENT = 0x80  # IFA_F_PERMANENT
_SECONDARY = 0x01  # IFA_F_SECONDARY
_LOOPBACK = 772  # ARPHRD_LOOPBACK
AF_INET, AF_INET6 = 2, 10
_PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}


class NetworkError(PermanentError):
    """The kernel refused a change of the network, or the network is not as the change needs it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A network interface (RTM_NEWLINK). `master` and `parent` are indexes: what it is a port of, what it lies on;
    `parent_elsewhere`: that parent is in another network namespace. The fields of a bridge and of a VLAN are None for
    other kinds, `info` is what other kinds have of their own. `forward_delay` is in 1/100 s; `operstate` as in
    Documentation/networking/operstates.rst ("up", "lowerlayerdown", …)."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address of an interface (RTM_NEWADDR). `address` is "192.168.43.1/24". `permanent`: no lifetime, so somebody
    set it; an IPv6 address that is not came from a router's advertisement and is the kernel's own affair."""

    index: int
    family: int
    address: str
    scope: int
    label: str | None
    broadcast: str | None
    permanent: bool
    secondary: bool

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


@dataclass(frozen=True, slots=True)
class View:
    """What one look saw."""

    links: tuple[Link, ...]
    addresses: tuple[Address, ...] = ()
    default_routes: tuple[DefaultRoute, ...] = ()

    def find(self, name: str) -> Link | None:
        """The link with this name or alternative name."""
        for link in self.links:
            if link.name == name:
                return link
        return next((link for link in self.links if name in link.altnames), None)

    def at(self, index: int | None) -> Link | None:
        """The link with this index."""
        return next((link for link in self.links if link.index == index), None)

    def name_at(self, index: int | None) -> str:
        """The name of the link with this index, for messages."""
        found = self.at(index)
        return found.name if found else "nothing"

    def ports(self, index: int) -> tuple[Link, ...]:
        """The links whose master is the one with this index."""
        return tuple(link for link in self.links if link.master == index)

    def carried(self, index: int) -> tuple[Link, ...]:
        """The links that lie on the one with this index (VLANs, macvlans, …) and end when it is deleted."""
        return tuple(
            link
            for link in self.links
            if link.parent == index and link.index != index and not link.parent_elsewhere and link.kind != "veth"
        )

    def missing(self, name: str) -> str:
        """What to say where there is no interface NAME."""
        return f"there is no interface {name!r} on this node.{nearest(name, [link.name for link in self.links])}"


@contextmanager
def session() -> Iterator[Any]:
    """A netlink socket. What the kernel refuses inside becomes a NetworkError with the kernel's own words."""
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with IPRoute(ext_ack=True, strict_check=True) as socket:
            yield socket
    except NetlinkError as error:
        raise NetworkError(words(error)) from None


def words(error: Any) -> str:
    """What the kernel said: its extended acknowledgement where there is one, with a hint for the known ones."""
    said = str(error.args[1]) if len(error.args) > 1 else os.strerror(error.code)
    hint = {
        errno.EPERM: "this needs root (CAP_NET_ADMIN)",
        errno.EOPNOTSUPP: "this kernel lacks it: a module to load, or an option of its build",
        errno.ENETUNREACH: "the gateway must lie in a network of the interface's addresses",
    }.get(error.code)
    return f"{said} ({hint})" if hint else said


def look(*, addresses: bool = False, routes: bool = False) -> View:
    """All links now, and where asked for all addresses and the default routes."""
    with session() as socket:
        return look_with(socket, addresses=addresses, routes=routes)


def look_with(socket: Any, *, addresses: bool = False, routes: bool = False) -> View:
    """`look` by an open socket."""
    return View(
        tuple(link_of(message) for message in socket.link("dump", ext_mask=_SKIP_STATS)),
        tuple(address_of(message) for message in socket.addr("dump")) if addresses else (),
        tuple(default_routes(socket.route("dump", table=_MAIN_TABLE))) if routes else (),
    )


def link_of(message: Any) -> Link:
    """A RTM_NEWLINK message of pyroute2 as a Link."""
    info = message.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info else None
    data = info.get_attr("IFLA_INFO_DATA") if info else None
    bridge = data if data and kind == "bridge" else None
    vlan = data if data and kind == "vlan" else None
    details = info_of(kind, data)
    on = message.get_attr("IFLA_LINK")
    properties = message.get_attr("IFLA_PROP_LIST")
    return Link(
        index=message["index"],
        name=message.get_attr("IFLA_IFNAME"),
        kind=kind,
        is_up=bool(message["flags"] & IFF_UP),
        mtu=message.get_attr("IFLA_MTU"),
        hwaddr=message.get_attr("IFLA_ADDRESS"),
        master=message.get_attr("IFLA_MASTER"),
        parent=details.parent if on is None and isinstance(details, VxlanInfo) else on,
        parent_elsewhere=message.get_attr("IFLA_LINK_NETNSID") is not None,
        altnames=tuple(properties.get_attrs("IFLA_ALT_IFNAME")) if properties else (),
        stp=bool(bridge.get_attr("IFLA_BR_STP_STATE")) if bridge else None,
        forward_delay=bridge.get_attr("IFLA_BR_FORWARD_DELAY") if bridge else None,
        vlan_filtering=bool(bridge.get_attr("IFLA_BR_VLAN_FILTERING")) if bridge else None,
        vlan_id=vlan.get_attr("IFLA_VLAN_ID") if vlan else None,
        vlan_protocol=_protocol(vlan.get_attr("IFLA_VLAN_PROTOCOL")) if vlan else None,
        is_loopback=message["ifi_type"] == _LOOPBACK,
        operstate=str(message.get_attr("IFLA_OPERSTATE") or "unknown").lower(),
        info=details,
    )


def _protocol(number: int | None) -> str:
    return _PROTOCOL_NAMES.get(number, hex(number)) if number is not None else "802.1q"


def address_of(message: Any) -> Address:
    """A RTM_NEWADDR message of pyroute2 as an Address."""
    import ipaddress

    text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    flags = message.get_attr("IFA_FLAGS")
    flags = message["flags"] if flags is None else flags
    return Address(
        index=message["index"],
        family=message["family"],
        address=str(ipaddress.ip_interface((text, message["prefixlen"]))),
        scope=message["scope"],
        label=message.get_attr("IFA_LABEL"),
        broadcast=message.get_attr("IFA_BROADCAST"),
        permanent=bool(flags & _PERMANENT),
        secondary=bool(flags & _SECONDARY),
    )


def default_routes(messages: Any) -> Iterator[DefaultRoute]:
    """The default routes of the main table among RTM_NEWROUTE messages of pyroute2."""
    for message in messages:
        if message["dst_len"] or message["type"] != _UNICAST or message.get_attr("RTA_TABLE") != _MAIN_TABLE:
            continue
        via = message.get_attr("RTA_VIA")
        yield DefaultRoute(
            family=message["family"],
            index=message.get_attr("RTA_OIF"),
            gateway=message.get_attr("RTA_GATEWAY") or (via and via["addr"]) or None,
            metric=message.get_attr("RTA_PRIORITY") or 0,
        )
