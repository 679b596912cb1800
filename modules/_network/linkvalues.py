"""What the arguments of links, routes and their kinds may be, beside those of `modules._network.netvalues`.

Each function gives the value in its one canonical form, or raises BadValue with what is wrong and what would be right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from modules._network.linkinfo import (
    AD_SELECTS,
    ARP_VALIDATES,
    BOND_MODES,
    FAIL_OVER_MACS,
    HASH_POLICIES,
    LACP_RATES,
    MACVLAN_MODES,
    PRIMARY_RESELECTS,
)
from modules._network.netvalues import BadValue, interface_name, whole_number
from saltern.errors import nearest

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")


def one_of(value: object, what: str, known: Iterable[str]) -> str:
    """VALUE if it is one of the KNOWN words."""
    known = tuple(known)
    text = str(value)
    if text not in known:
        raise BadValue(f"not {what}: {value!r}; there are {', '.join(known)}.{nearest(text, known)}")
    return text


def bond_mode(value: object) -> str:
    """A mode of a bond by its name; its number (0 to 6), as old configurations have it, is taken too."""
    if str(value).isdecimal() and int(str(value)) < len(BOND_MODES):
        return BOND_MODES[int(str(value))]
    return one_of(value, "a mode of a bond", BOND_MODES)


def lacp_rate(value: object) -> str:
    """How often a partner is asked to send its LACP frames: "slow" (each 30 s) or "fast" (each second)."""
    return one_of(value, "a LACP rate", LACP_RATES)


def hash_policy(value: object) -> str:
    """What a bond chooses the member by."""
    return one_of(value, "a transmit hash policy", HASH_POLICIES)


def miimon(value: object) -> int:
    """How often a bond looks at its members' carrier, in milliseconds; 0: never."""
    return whole_number(value, "miimon", 0, 60000, " (milliseconds)")


def arp_targets(value: object) -> tuple[str, ...]:
    """Up to 16 IPv4 addresses that a bond asks for, in the order given, each once."""
    listed = value.replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        raise BadValue(f"arp_ip_target must be a list of IPv4 addresses, not {value!r}")
    found = tuple(dict.fromkeys(host(one, "arp_ip_target") for one in listed))
    if len(found) > 16 or any(":" in one for one in found):
        raise BadValue(f"arp_ip_target takes up to 16 IPv4 addresses, not {', '.join(found)}")
    return found


def _milliseconds(what: str) -> Callable[[object], int]:
    return lambda value: whole_number(value, what, 0, 600_000, " (milliseconds)")


def _word(what: str, known: tuple[str, ...]) -> Callable[[object], str]:
    """Of KNOWN, by its name or, as old configurations have it, its number."""
    return lambda value: (
        known[int(str(value))] if str(value) in map(str, range(len(known))) else one_of(value, what, known)
    )


BOND_OPTIONS: Mapping[str, Callable[[object], Any]] = {
    "mode": bond_mode,
    "fail_over_mac": _word("a policy for MAC addresses", FAIL_OVER_MACS),
    "ad_select": _word("a choice of aggregators", AD_SELECTS),
    "lacp_rate": lacp_rate,
    "miimon": miimon,
    "updelay": _milliseconds("updelay"),
    "downdelay": _milliseconds("downdelay"),
    "arp_interval": _milliseconds("arp_interval"),
    "arp_ip_target": arp_targets,
    "arp_validate": _word("a validation of ARP", ARP_VALIDATES),
    "xmit_hash_policy": hash_policy,
    "min_links": lambda value: whole_number(value, "min_links", 0, 255),
    "primary_reselect": _word("a choice of the primary", PRIMARY_RESELECTS),
    "primary": lambda value: interface_name(value, "member"),
}  # by the names of ip-link(8), in an order in which the kernel takes them


def macvlan_mode(value: object) -> str:
    """How macvlans of one parent reach each other. "source" is not offered: it needs a list of addresses."""
    return one_of(value, "a mode of a macvlan", [mode for mode in MACVLAN_MODES if mode != "source"])


def vxlan_id(value: object) -> int:
    """A VXLAN network identifier: 1 to 16777215 (RFC 7348)."""
    return whole_number(value, "VXLAN", 1, 0xFFFFFF, " (RFC 7348: 24 bits)")


def port(value: object) -> int:
    """A UDP port."""
    return whole_number(value, "port", 1, 65535)


def port_range(value: object) -> tuple[int, int]:
    """Two UDP ports, the first not above the last: "10000-20000" or a list of both; 0-0: the kernel's choice."""
    listed = value.split("-") if isinstance(value, str) else value
    if not isinstance(listed, list | tuple) or len(listed) != 2:
        raise BadValue(f"source_ports must be two ports like 10000-20000, not {value!r}")
    low, high = (int(one) if isinstance(one, str) and one.strip().isdecimal() else one for one in listed)
    if (low, high) == (0, 0):
        return 0, 0
    low, high = port(low), port(high)
    if high < low:
        raise BadValue(f"source_ports {low}-{high} end before they begin")
    return low, high


def host(value: object, what: str) -> str:
    """An address of one host, without a prefix length, canonical."""
    address = _address(value, what)
    if address.is_multicast or address.is_unspecified:
        raise BadValue(f"{what} can't be {address}: it is no address of a host")
    return str(address)


def group(value: object) -> str:
    """A multicast address, canonical."""
    address = _address(value, "group")
    if not address.is_multicast:
        raise BadValue(f"group must be a multicast address (224.0.0.0/4, ff00::/8), not {address}; see remote")
    return str(address)


def mac_address(value: object) -> str:
    """A MAC address of one interface: six bytes in hex with `:` (or `-`), in small letters."""
    text = value.lower().replace("-", ":") if isinstance(value, str) else ""
    if not _MAC.fullmatch(text):
        raise BadValue(f"not a MAC address: {value!r}; write it like '02:00:00:00:00:01', in quotes")
    if int(text[:2], 16) & 1 or text == "00:00:00:00:00:00":
        raise BadValue(f"{text} can't be the MAC address of an interface: it is none of a single station")
    return text


def alias(value: object) -> str:
    """A text about an interface: up to 255 bytes of one line (IFALIASZ)."""
    text = str(value)
    if len(text.encode("utf-8", "surrogateescape")) > 255 or any(ord(sign) < 32 for sign in text):
        raise BadValue(f"alias must be one line of up to 255 bytes, not {text[:40]!r}")
    return text


def queue_length(value: object) -> int:
    """How many packets wait at most to be sent by an interface."""
    return whole_number(value, "txqueuelen", 0, 0x7FFFFFFF)


def destination(value: object, gateway: str | None = None) -> str:
    """Where a route leads: "10.5.0.0/16", a host, or "default", whose family is that of GATEWAY (else IPv4)."""
    import ipaddress

    if value == "default":
        return "::/0" if gateway and ":" in gateway else "0.0.0.0/0"
    try:
        network = ipaddress.ip_network(value if isinstance(value, str) and "%" not in value else "", strict=False)
    except ValueError:
        raise BadValue(f"not the destination of a route: {value!r}; write it like 10.5.0.0/16, or default") from None
    if network.network_address != ipaddress.ip_address(str(value).partition("/")[0]):
        raise BadValue(f"not the destination of a route: {value!r}; the network of that address is {network}")
    if network.is_multicast:
        raise BadValue(f"{network} can't be the destination of a route: it is multicast")
    return str(network)


def plain_address(value: object) -> str:
    """The address of VALUE ("10.0.0.1" or "10.0.0.1/24") without its prefix length, canonical."""
    return str(_address(value.partition("/")[0] if isinstance(value, str) else value, "address"))


def _address(value: object, what: str) -> IPv4Address | IPv6Address:
    import ipaddress

    try:
        return ipaddress.ip_address(value if isinstance(value, str) and "%" not in value else "")
    except ValueError:
        raise BadValue(f"{what} must be an IP address, not {value!r}") from None
