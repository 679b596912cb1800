"""What templates ask of the node's network, by Salt's names."""

from __future__ import annotations

import ipaddress
import socket

from modules._network.netlink import AF_INET, AF_INET6, look
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
def ip_addrs(
    interface: str | None = None, include_loopback: bool = False, cidr: str | None = None, type: str | None = None
) -> list[str]:
    """The IPv4 addresses, sorted: of INTERFACE, inside CIDR ("10.0.0.0/8"), of TYPE "public" or "private"."""
    return _addresses(AF_INET, interface, include_loopback, cidr, type)


@reading
def ip_addrs6(interface: str | None = None, include_loopback: bool = False, cidr: str | None = None) -> list[str]:
    """The IPv6 addresses, sorted; as `network.ip_addrs`."""
    return _addresses(AF_INET6, interface, include_loopback, cidr, None)


def _addresses(family: int, interface: str | None, loopback: bool, cidr: str | None, type_: str | None) -> list[str]:
    if type_ not in (None, "public", "private"):
        raise UsageError(f"type must be public or private, not {type_!r}")
    try:
        inside = ipaddress.ip_network(cidr, strict=False) if cidr else None
    except ValueError as error:
        raise UsageError(f"not a network: {cidr!r}: {error}") from None
    view = look(addresses=True)
    wanted = view.find(interface) if interface else None
    if interface and wanted is None:
        raise UsageError(view.missing(interface))
    found = {
        ipaddress.ip_interface(entry.address).ip
        for entry in view.addresses
        if entry.family == family and (wanted is None or entry.index == wanted.index)
    }
    return [
        str(address)
        for address in sorted(found, key=int)
        if (loopback or not address.is_loopback)
        and (inside is None or address in inside)
        and (type_ is None or address.is_private == (type_ == "private"))
    ]


@reading
def interface_ip(iface: str) -> str:
    """The first IPv4 address of the interface IFACE, "" where it has none."""
    return next(iter(ip_addrs(iface, include_loopback=True)), "")


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
    return bool(ip_addrs(include_loopback=True, cidr=cidr))


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
