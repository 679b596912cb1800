"""What templates ask of the node's network, by Salt's names."""

from __future__ import annotations

import ipaddress
import socket

from modules._network.netlink import look
from saltern.errors import UsageError
from saltern.marks import reading


@reading
def get_hostname() -> str:
    """The name of the node."""
    return socket.gethostname()


@reading
def hw_addr(iface: str) -> str:
    """The hardware address of the interface IFACE. UsageError where there is no such interface."""
    view = look(addresses=False)
    link = view.find(iface)
    if link is None:
        raise UsageError(view.missing(iface))
    return link.hwaddr or ""


@reading
def interface_ip(iface: str) -> str:
    """The first IPv4 address of the interface IFACE, "" where it has none."""
    from modules import network

    return next(iter(network.ip_addrs(iface, include_loopback=True)), "")


@reading
def subnets(interfaces: str | None = None) -> list[str]:
    """The IPv4 networks that the node is in, sorted; those of INTERFACES (names with commas) alone."""
    return _subnets(4, interfaces)


@reading
def subnets6() -> list[str]:
    """The IPv6 networks that the node is in, sorted."""
    return _subnets(6, None)


@reading
def in_subnet(cidr: str) -> bool:
    """Whether the node has an IPv4 address in the network CIDR."""
    from modules import network

    return bool(network.ip_addrs(include_loopback=True, cidr=cidr))


@reading
def ip_in_subnet(ip_addr: str, cidr: str) -> bool:
    """Whether the address IP_ADDR is in the network CIDR."""
    try:
        return ipaddress.ip_address(ip_addr) in ipaddress.ip_network(cidr, strict=False)
    except ValueError as error:
        raise UsageError(str(error)) from None


@reading
def is_private(ip_addr: str) -> bool:
    """Whether IP_ADDR is of a private network."""
    return _ip(ip_addr).is_private


@reading
def is_loopback(ip_addr: str) -> bool:
    """Whether IP_ADDR is a loopback address."""
    return _ip(ip_addr).is_loopback


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _subnets(version: int, names: str | None) -> list[str]:
    view = look(addresses=True)
    wanted = None if names is None else {one.index for name in names.split(",") if (one := view.find(name.strip()))}
    found = {
        ipaddress.ip_interface(entry.address).network
        for entry in view.addresses
        if wanted is None or entry.index in wanted
    }
    return [
        str(one) for one in sorted((one for one in found if one.version == version), key=str) if not one.is_loopback
    ]
