"""The kernel's links, addresses and routes by rtnetlink(7), as plain frozen values.

`look` sees what the kernel has now. Inside a run (`saltern.kept`) all looks share one conversation with the kernel
(`modules._netshared`), which keeps what it saw and follows what changes; outside each look is one dump of what is asked
for. pyroute2 takes a tenth of a second to import, so it is imported by the first that talks to the kernel.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modules._linkinfo import VxlanInfo, bridge_info_of, info_of, port_info_of
from modules._netvalues import PROTOCOLS
from modules._netview import AF_INET, AF_INET6, Address, DefaultRoute, Link, View
from saltern.errors import PermanentError
from saltern.kept import current
from saltern.marks import may_act

if TYPE_CHECKING:
    from modules._bridgevlans import Vlans

__all__ = ["AF_INET", "AF_INET6", "Address", "DefaultRoute", "Link", "NetworkError", "View", "look", "session"]

IFF_UP = 0x1  # linux/if.h
SKIP_STATS = 8  # RTEXT_FILTER_SKIP_STATS: counters are most of a link's message
_MAIN_TABLE = 254  # RT_TABLE_MAIN
_UNICAST = 1  # RTN_UNICAST
_PERMANENT = 0x80  # IFA_F_PERMANENT
_SECONDARY = 0x01  # IFA_F_SECONDARY
_LOOPBACK = 772  # ARPHRD_LOOPBACK
_READS = ("dump", "get", "show")  # commands of pyroute2; all others write
_PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}


class NetworkError(PermanentError):
    """The kernel refused a change of the network, or the network is not as the change needs it."""


@dataclass(slots=True)
class Counts:
    """Requests that went to the kernel: those that read and those that write."""

    reads: int = 0
    writes: int = 0


class Socket:
    """A netlink socket that counts, and notes the indexes of the links that it wrote to (0: not known which)."""

    def __init__(self, counts: Counts | None = None) -> None:
        """NetworkError where there is no netlink."""
        from pyroute2 import IPRoute

        try:
            self._raw = IPRoute(ext_ack=True, strict_check=True)
        except OSError as error:
            raise NetworkError(f"no netlink socket: {error.strerror}") from None
        self.counts = counts or Counts()
        self.written: set[int] = set()

    def link(self, command: str, **words: Any) -> Any:
        """A request about links, as pyroute2's `IPRoute.link`."""
        self._count(command, words.get("index"))
        return self._raw.link(command, **words)

    def addr(self, command: str, **words: Any) -> Any:
        """A request about addresses, as pyroute2's `IPRoute.addr`."""
        self._count(command, words.get("index"))
        return self._raw.addr(command, **words)

    def route(self, command: str, **words: Any) -> Any:
        """A request about routes, as pyroute2's `IPRoute.route`."""
        self._count(command, words.get("oif"))
        return self._raw.route(command, **words)

    def fdb(self, command: str, **words: Any) -> Any:
        """A request about forwarding entries, as pyroute2's `IPRoute.fdb`."""
        self._count(command, words.get("ifindex"))
        return self._raw.fdb(command, **words)

    def send(self, messages: list[Any]) -> list[Any]:
        """Send MESSAGES that are made already, as one batch; they all write."""
        self.counts.writes += len(messages)
        self.written |= {message["index"] if "index" in message else 0 for message in messages}
        return list(self._raw.nlm_request_batch(messages))

    def close(self) -> None:
        """Close it."""
        self._raw.close()

    def _count(self, command: str, index: int | None) -> None:
        if command in _READS:
            self.counts.reads += 1
        else:
            self.counts.writes += 1
            self.written.add(index or 0)


@contextmanager
def session() -> Iterator[Socket]:
    """A netlink socket: the run's own where there is a run. What the kernel refuses inside becomes a NetworkError with
    the kernel's own words."""
    from pyroute2.netlink.exceptions import NetlinkError

    from modules._netshared import Shared

    scope = current()
    try:
        if scope is None:
            socket = Socket()
            try:
                yield socket
            finally:
                socket.close()
            return
        shared = scope.keep(Shared)
        if may_act():
            shared.claim()
        try:
            yield shared.socket
        except (NetlinkError, NetworkError):
            raise
        except BaseException:
            scope.drop(Shared)  # an answer may still be under way
            raise
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


def look_with(socket: Socket, *, addresses: bool = False, routes: bool = False) -> View:
    """`look` by an open socket."""
    from modules._netshared import Shared

    scope = current()
    shared = scope.find(Shared) if scope else None
    if shared is not None and shared.socket is socket:
        return shared.view(addresses=addresses, routes=routes)
    return View(
        dump_links(socket),
        dump_addresses(socket) if addresses else (),
        dump_default_routes(socket) if routes else (),
    )


def dump_links(socket: Socket) -> list[Link]:
    """All links."""
    return [link_of(message) for message in socket.link("dump", ext_mask=SKIP_STATS)]


def dump_addresses(socket: Socket) -> list[Address]:
    """All addresses."""
    return [address_of(message) for message in socket.addr("dump")]


def dump_routes(socket: Socket, table: int) -> list[Any]:
    """The routes of TABLE (messages of pyroute2)."""
    return [m for m in socket.route("dump", table=table) if m.get_attr("RTA_TABLE") == table]


def dump_default_routes(socket: Socket) -> list[DefaultRoute]:
    """The default routes."""
    return list(default_routes(dump_routes(socket, _MAIN_TABLE)))


def vlans_with(socket: Socket) -> Mapping[int, Vlans]:
    """The VLANs of bridges and their ports, by index; shared in a run."""
    from modules._bridgevlans import dump_vlans
    from modules._netshared import Shared

    scope = current()
    shared = scope.find(Shared) if scope else None
    if shared is not None and shared.socket is socket:
        return shared.vlans()
    return dump_vlans(socket)


def routes_with(socket: Socket, table: int) -> list[Any]:
    """`dump_routes`, shared in a run."""
    from modules._netshared import Shared

    scope = current()
    shared = scope.find(Shared) if scope else None
    if shared is not None and shared.socket is socket:
        return shared.routes(table)
    return dump_routes(socket, table)


def link_of(message: Any) -> Link:
    """A RTM_NEWLINK message of pyroute2 as a Link."""
    info = message.get_attr("IFLA_LINKINFO")
    kind = info.get_attr("IFLA_INFO_KIND") if info else None
    data = info.get_attr("IFLA_INFO_DATA") if info else None
    is_port = bool(info) and info.get_attr("IFLA_INFO_SLAVE_KIND") == "bridge"
    slave = info.get_attr("IFLA_INFO_SLAVE_DATA") if is_port else None
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
        bridge=bridge_info_of(bridge) if bridge else None,
        port=port_info_of(slave) if slave else None,
        alias=message.get_attr("IFLA_IFALIAS"),
        txqueuelen=message.get_attr("IFLA_TXQLEN") or 0,
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
        peer=str(peer) if (peer := message.get_attr("IFA_ADDRESS")) and peer != text else None,
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
