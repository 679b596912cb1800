"""What names and numbers of the network may be, by the kernel's own rules: checked before anything is done with them.

Each function gives the value in its one canonical form, or raises BadValue with what is wrong and what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from saltern.errors import PermanentError

PROTOCOLS = {"802.1q": 0x8100, "802.1ad": 0x88A8}  # linux/if_ether.h ETH_P_8021Q, ETH_P_8021AD
_BAD_BYTES = re.compile(rb"[\x00-\x20\x7f/:%\xa0]")  # net/core/dev.c dev_valid_name; `%` would make a pattern of it
_RESERVED = (".", "..", "all", "default")  # "all" and "default" are taken below /proc/sys/net


class BadValue(PermanentError, ValueError):
    """A name, number or address of the network is none; the message says what would be."""


def interface_name(name: object, what: str = "interface") -> str:
    """NAME if it can be one: 1-15 bytes, no space, `/`, `:`, `%`, not `.`, `..`, `all`, `default`, nor `-x`."""
    if not isinstance(name, str):
        raise BadValue(f"the name of {_a(what)} must be a text, not {name!r}: put it in quotes")
    raw = name.encode("utf-8", "surrogateescape")
    if not 1 <= len(raw) <= 15:
        raise BadValue(f"{name!r} can't be the name of {_a(what)}: it has {len(raw)} bytes, and 1 to 15 are possible")
    if name in _RESERVED:
        raise BadValue(f"{name!r} can't be the name of {_a(what)}: the kernel reserves it")
    if name[0] == "-":
        raise BadValue(
            f"{name!r} can't be the name of {_a(what)}: it begins with '-', which programs take for an option"
        )
    if bad := _BAD_BYTES.search(raw):
        shown = bad.group().decode("latin-1")
        raise BadValue(f"{name!r} can't be the name of {_a(what)}: it contains {shown!r}")
    return name


def port_names(ports: Sequence[str] | str, bridge: str) -> tuple[str, ...]:
    """The names of a bridge's ports, each once, sorted. A single text is one port."""
    names = [interface_name(port, "port") for port in _listed(ports, "ports")]
    if bridge in names:
        raise BadValue(f"{bridge} can't be a port of itself")
    if "lo" in names:
        raise BadValue(f"lo can't be a port of {bridge}: the kernel refuses the loopback interface")
    return tuple(sorted(set(names)))


def interface_address(address: object) -> str:
    """An address with its prefix length, canonical: "192.168.43.1/24", "2001:db8::1/64"."""
    import ipaddress

    if not isinstance(address, str) or "/" not in address:
        raise BadValue(f"not an address with its prefix length: {address!r}; write it like 192.168.43.1/24")
    try:
        value = ipaddress.ip_interface(address)
    except ValueError as error:
        raise BadValue(f"not an address: {address!r}: {error}") from None
    if "%" in address or value.ip.is_multicast or value.ip.is_unspecified:
        raise BadValue(f"no interface can have the address {address!r}")
    net = value.network
    if value.version == 4 and net.prefixlen < 31 and value.ip in (net.network_address, net.broadcast_address):
        kind = "network" if value.ip == net.network_address else "broadcast address"
        raise BadValue(f"{address} is the {kind} of {net}, so no interface can have it")
    return str(value)


def interface_addresses(addresses: Sequence[str] | str) -> frozenset[str]:
    """All ADDRESSES, canonical. A single text is one address. The same one with two prefix lengths is refused."""
    found = frozenset(interface_address(address) for address in _listed(addresses, "addresses"))
    plain = sorted(address.partition("/")[0] for address in found)
    for one, other in pairwise(plain):
        if one == other:
            raise BadValue(f"the address {one} is given with two prefix lengths")
    return found


def gateway_address(gateway: object, addresses: Iterable[str] | None) -> str:
    """GATEWAY as a plain address, canonical. Where ADDRESSES are known, it must lie in one of their networks and not
    be one of them; an IPv6 link-local gateway (fe80::) always may be."""
    import ipaddress

    try:
        value = ipaddress.ip_address(gateway if isinstance(gateway, str) else "")
    except ValueError:
        raise BadValue(f"not the address of a gateway: {gateway!r}; write it like 192.168.43.254") from None
    if value.is_multicast or value.is_unspecified or value.is_loopback:
        raise BadValue(f"{value} can't be a gateway")
    if addresses is not None and not value.is_link_local:
        interfaces = [ipaddress.ip_interface(address) for address in sorted(addresses)]
        if any(value == interface.ip for interface in interfaces):
            raise BadValue(f"the gateway {value} is this interface's own address")
        if not any(value in interface.network for interface in interfaces):
            networks = ", ".join(str(interface.network) for interface in interfaces) or "none is given"
            raise BadValue(f"the gateway {value} lies in no network of the interface's addresses ({networks})")
    return str(value)


def whole_number(value: object, what: str, least: int, most: int, why: str = "") -> int:
    """VALUE if it is a whole number from LEAST to MOST."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadValue(f"{what} must be a whole number, not {value!r}")
    if not least <= value <= most:
        raise BadValue(f"{what} {value} is not possible: {least} to {most} are{why}")
    return value


def mtu(value: object) -> int:
    """The largest packet in bytes: 68 (RFC 791) to 65535."""
    return whole_number(value, "MTU", 68, 65535)


def vlan_id(value: object) -> int:
    """An 802.1Q VLAN identifier, 1 to 4094 (IEEE 802.1Q 9.6: 0 means priority only, 4095 is reserved)."""
    return whole_number(value, "VLAN", 1, 4094, " (IEEE 802.1Q reserves 0 and 4095)")


def vlan_protocol(value: object) -> str:
    """ "802.1q" or "802.1ad", in small letters."""
    text = str(value).lower()
    if text not in PROTOCOLS:
        raise BadValue(f"not a VLAN protocol: {value!r}; there are 802.1q (the usual) and 802.1ad (service tags)")
    return text


def forward_delay(value: object, *, stp: bool) -> float:
    """A bridge's forward delay in seconds, rounded to what the kernel keeps (1/100 s); whole ones as int. With STP the
    kernel wants 2 to 30 (IEEE 802.1D 17.14)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValue(f"forward_delay must be a number of seconds, not {value!r}")
    if not 0 <= value <= 30 or (stp and value < 2):
        least = "2 to 30 s, since it runs STP" if stp else "0 to 30 s"
        raise BadValue(f"a forward delay of {value} s is not possible: the bridge takes {least}")
    return seconds(round(value * 100))


def seconds(hundredths: int) -> float:
    """HUNDREDTHS of a second (USER_HZ) in seconds; int where it is whole."""
    return hundredths // 100 if hundredths % 100 == 0 else hundredths / 100


def _listed(value: Any, what: str) -> list[Any]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, Sequence | frozenset | set):
        raise BadValue(f"{what} must be a list, not {value!r}")
    return list(value)


def _a(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"
