"""Changes to any network interface: up and down, MTU, addresses, the default route. Each takes effect at once in the
running kernel and lasts until the node restarts."""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from modules._network.addressing import family_of, metric
from modules._network.linkvalues import alias as checked_alias
from modules._network.linkvalues import mac_address, queue_length
from modules._network.netlink import AF_INET6, Link, NetworkError, View, look_with, session
from modules._network.netvalues import gateway_address, interface_address, interface_name
from modules._network.netvalues import mtu as checked_mtu
from saltern.marks import acting

_LOCAL = 255  # RT_TABLE_LOCAL: the kernel's own
_KERNEL = 2  # RTPROT_KERNEL: routes that the kernel makes with an address
_COPIED = ("family", "dst_len", "src_len", "tos", "proto", "scope", "type")  # of struct rtmsg
_ONLINK = 4  # RTNH_F_ONLINK; the other flags are the kernel's own findings
_NOT_COPIED = ("RTA_CACHEINFO", "RTA_TABLE", "RTA_OIF", "RTA_PREF", "UNKNOWN")
_CREATE_OR_REPLACE = 0x1 | 0x4 | 0x100 | 0x400  # NLM_F_REQUEST, ACK, REPLACE, CREATE


@acting
def up(name: str) -> bool:
    """Bring the interface NAME up (`ip link set NAME up`)."""
    with session() as socket:
        socket.link("set", index=found(look_with(socket), name).index, state="up")
    return True


@acting
def down(name: str) -> bool:
    """Take the interface NAME down."""
    with session() as socket:
        socket.link("set", index=found(look_with(socket), name).index, state="down")
    return True


@acting
def set_mtu(name: str, mtu: int) -> bool:
    """Set the largest packet of the interface NAME, in bytes."""
    with session() as socket:
        socket.link("set", index=found(look_with(socket), name).index, mtu=checked_mtu(mtu))
    return True


@acting
def set_alias(name: str, alias: str) -> bool:
    """Give the interface NAME the text ALIAS, which only people read; "" for none."""
    with session() as socket:
        socket.link("set", index=found(look_with(socket), name).index, ifalias=checked_alias(alias))
    return True


@acting
def set_txqueuelen(name: str, length: int) -> bool:
    """Let LENGTH packets wait to be sent by the interface NAME."""
    with session() as socket:
        socket.link("set", index=found(look_with(socket), name).index, txqlen=queue_length(length))
    return True


@acting
def set_mac(name: str, mac: str) -> bool:
    """Give the interface NAME the MAC address ("02:00:00:00:00:01"). Where its driver can't do that while it is up, it
    goes down for a moment; its routes are kept."""
    with session() as socket:
        link = found(look_with(socket), name)
        set_or_interrupt(socket, link, address=mac_address(mac))
    return True


@acting
def add_address(name: str, address: str) -> bool:
    """Give the interface NAME the ADDRESS ("192.168.43.1/24")."""
    with session() as socket:
        _add(socket, found(look_with(socket), name).index, interface_address(address))
    return True


@acting
def remove_address(name: str, address: str) -> bool:
    """Take the ADDRESS from the interface NAME, and nothing else: other addresses and routes that the kernel drops
    along with it (addresses of the same network, the default route) are put back."""
    with session() as socket:
        link = found(look_with(socket), name)
        _remove(socket, link.index, link.index, address)
    return True


@acting
def move_address(name: str, address: str, source: str, new: str | None = None) -> bool:
    """Give the interface NAME the ADDRESS that the interface SOURCE has (as NEW, where the prefix length changes), and
    the routes that go by it. It is never without a holder."""
    with session() as socket:
        view = look_with(socket, addresses=True)
        target, holder = found(view, name), found(view, source)
        wanted = interface_address(new or address)
        if not any(entry.index == target.index and entry.address == wanted for entry in view.addresses):
            _add(socket, target.index, wanted)
        _remove(socket, holder.index, target.index, address)
    return True


@acting
def set_default_route(name: str, gateway: str) -> bool:
    """Lead the default route over GATEWAY through the interface NAME. The metric of the route that it replaces is
    kept."""
    gateway = gateway_address(gateway, None)
    with session() as socket:
        view = look_with(socket, routes=True)
        link = found(view, name)
        six = family_of(gateway) == AF_INET6
        priority = metric(view, link.index, gateway)
        socket.route(
            "replace",
            dst="::/0" if six else "0.0.0.0/0",
            gateway=gateway,
            oif=link.index,
            **({"priority": priority} if priority else {}),
        )
    return True


def found(view: View, name: str) -> Link:
    """The link NAME. NetworkError with the nearest name where there is none."""
    link = view.find(interface_name(name))
    if link is None:
        raise NetworkError(view.missing(name))
    return link


def set_or_interrupt(socket: Any, link: Link, **change: Any) -> None:
    """CHANGE the LINK as it is, or, where the kernel says that it is busy, while it is down for a moment."""
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        socket.link("set", index=link.index, **change)
    except NetlinkError as error:
        if error.code != errno.EBUSY or not link.is_up:
            raise
        with interrupted(socket, link):
            socket.link("set", index=link.index, **change)


@contextmanager
def interrupted(socket: Any, link: Link) -> Iterator[None]:
    """Take the LINK down for the block. Afterwards it is up again if it was, with the routes and the IPv6
    addresses that the kernel drops on the way."""
    if not link.is_up:
        yield
        return
    routes = routes_of(socket, link.index)
    before = look_with(socket, addresses=True).addresses
    mine = [entry for entry in before if entry.index == link.index and entry.permanent and not entry.is_link_local_6]
    socket.link("set", index=link.index, state="down")
    try:
        yield
    finally:
        socket.link("set", index=link.index, state="up")
        left = {entry.address for entry in look_with(socket, addresses=True).addresses if entry.index == link.index}
        for entry in mine:
            if entry.address not in left:
                _add(socket, link.index, entry.address)
        there = [_key(message) for message in routes_of(socket, link.index)]
        for message in routes:
            if _key(message) not in there:
                put_route(socket, message, link.index)


def _add(socket: Any, index: int, address: str) -> None:
    value = ipaddress.ip_interface(address)
    extra = {}
    if isinstance(value, ipaddress.IPv4Interface) and value.network.prefixlen < 31:
        extra["broadcast"] = str(value.network.broadcast_address)
    socket.addr("add", index=index, address=str(value.ip), prefixlen=value.network.prefixlen, **extra)


def _remove(socket: Any, index: int, onto: int, address: str) -> None:
    """Take ADDRESS from the link INDEX; what the kernel drops along with it is put back, routes on the link ONTO."""
    value = ipaddress.ip_interface(address)
    before = look_with(socket, addresses=True)
    routes = routes_of(socket, index)
    socket.addr("del", index=index, address=str(value.ip), prefixlen=value.network.prefixlen)
    after = look_with(socket, addresses=True)
    left = {entry.address for entry in after.addresses if entry.index == index}
    for entry in before.addresses:
        if entry.index == index and entry.address != address and entry.permanent and entry.address not in left:
            _add(socket, index, entry.address)
    now = [_key(message) for message in routes_of(socket, index)]
    for message in routes:
        if _key(message) not in now:
            put_route(socket, message, onto, without_source=str(value.ip) if onto == index else None)
        elif onto != index and _goes_by(message, value):
            delete_route(socket, message)
            put_route(socket, message, onto)


def routes_of(socket: Any, index: int) -> list[Any]:
    """The routes through the link that somebody set (pyroute2 messages), of all tables, those without a gateway first,
    since those with one may stand on them."""
    mine = [
        message
        for message in socket.route("dump")
        if message.get_attr("RTA_OIF") == index
        and message["proto"] != _KERNEL
        and message.get_attr("RTA_TABLE") != _LOCAL
    ]
    return sorted(mine, key=lambda message: message.get_attr("RTA_GATEWAY") is not None)


def put_route(socket: Any, message: Any, index: int, *, without_source: str | None = None) -> None:
    """Set the route of MESSAGE again, through the link INDEX, without the source address that is gone."""
    from pyroute2.netlink.rtnl import RTM_NEWROUTE

    _send(socket, message, index, RTM_NEWROUTE, _CREATE_OR_REPLACE, without_source)


def delete_route(socket: Any, message: Any) -> None:
    """Delete exactly the route of MESSAGE."""
    from pyroute2.netlink.rtnl import RTM_DELROUTE

    _send(socket, message, message.get_attr("RTA_OIF"), RTM_DELROUTE, 0x1 | 0x4, None)


def _send(socket: Any, message: Any, index: int | None, kind: int, flags: int, without_source: str | None) -> None:
    from pyroute2.netlink.rtnl.rtmsg import rtmsg

    copy, table = rtmsg(), message.get_attr("RTA_TABLE")
    for field in _COPIED:
        copy[field] = message[field]
    copy["table"] = table if table < 256 else 0  # struct rtmsg has one byte for it, RTA_TABLE four
    copy["flags"] = message["flags"] & _ONLINK
    copy["attrs"] = [
        (name, value)
        for name, value in ((entry[0], entry[1]) for entry in message["attrs"])
        if name not in _NOT_COPIED and not (name == "RTA_PREFSRC" and value == without_source)
    ] + [("RTA_TABLE", table), *([("RTA_OIF", index)] if index else [])]
    copy["header"] = {"type": kind, "flags": flags}
    socket.send([copy])


def _key(message: Any) -> tuple[Any, ...]:
    names = ("RTA_TABLE", "RTA_DST", "RTA_GATEWAY", "RTA_PRIORITY")
    return (message["family"], message["dst_len"], message["tos"], *(message.get_attr(name) for name in names))


def _goes_by(message: Any, value: ipaddress.IPv4Interface | ipaddress.IPv6Interface) -> bool:
    """Whether the route of MESSAGE needs the address VALUE: its gateway lies in that network, or it is the source."""
    via = message.get_attr("RTA_GATEWAY")
    if message.get_attr("RTA_PREFSRC") == str(value.ip):
        return True
    return via is not None and ipaddress.ip_address(via) in value.network
