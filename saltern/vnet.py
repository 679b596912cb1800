"""Virtual networks as the pillar describes them, and which address of one is free. Pure: no I/O, no clock.

Shared by the master, which leases, and by a node without a master, which leases for itself. Addresses are IPv4, since
a guest's MAC holds the four bytes of its address, as OpenNebula's MACs do.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any

from saltern.errors import PermanentError, nearest

KEYS = ("bridge", "vlan", "range", "network", "gateway", "dns", "exclude", "mac_prefix")
MAC_PREFIX = "02:00"  # locally administered, as OpenNebula's default MAC_PREFIX

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_GUEST = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+:@-]{0,127}")
_BRIDGE = re.compile(r"[!-$&-.0-9;-~]{1,15}")  # dev_valid_name(), net/core/dev.c, and no '%'; ASCII
_MAC_PREFIX = re.compile(r"[0-9a-fA-F][02468aceACE]:[0-9a-fA-F]{2}")  # no group address: the low bit of the first byte

Span = tuple[int, int]  # first and last address, both inside


class VnetError(PermanentError, ValueError):
    """A virtual network is described wrongly, unknown, or has no address to give."""


@dataclass(frozen=True, slots=True)
class Lease:
    """An address of a virtual network and what a guest's interface needs to use it.

    NIC: the number of the guest's interface, from 0. PREFIX: the length of the network's. GATEWAY None: there is none.
    VLAN: the tag on BRIDGE; None: untagged. HELD: already leased; else what a lease would take now.
    """

    vnet: str
    guest: str
    nic: int
    address: str
    prefix: int
    gateway: str | None
    dns: tuple[str, ...]
    mac: str
    bridge: str
    vlan: int | None
    held: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Vnet:
    """A virtual network. SPAN is what it gives addresses of, EXCLUDE what of that it never gives, sorted."""

    name: str
    bridge: str
    vlan: int | None
    network: IPv4Network
    span: Span
    gateway: IPv4Address | None
    dns: tuple[str, ...]
    exclude: tuple[Span, ...]
    mac_prefix: str

    def gives(self, address: int) -> bool:
        """Whether ADDRESS is one that the network gives."""
        return self.span[0] <= address <= self.span[1] and not any(a <= address <= b for a, b in self.exclude)

    def lease(self, guest: str, nic: int, address: int, *, held: bool) -> Lease:
        """The lease of ADDRESS to interface NIC of GUEST."""
        return Lease(
            vnet=self.name,
            guest=guest,
            nic=nic,
            address=str(IPv4Address(address)),
            prefix=self.network.prefixlen,
            gateway=str(self.gateway) if self.gateway else None,
            dns=self.dns,
            mac=mac(self.mac_prefix, address),
            bridge=self.bridge,
            vlan=self.vlan,
            held=held,
        )


def first_free(vnet: Vnet, taken: Collection[int]) -> int | None:
    """The lowest address that VNET gives and that is not TAKEN (use a set); None where all are."""
    address = vnet.span[0]
    while address <= vnet.span[1]:
        barrier = next((last for first, last in vnet.exclude if first <= address <= last), None)
        if barrier is not None:
            address = barrier + 1
        elif address in taken:
            address += 1
        else:
            return address
    return None


def size(vnet: Vnet) -> int:
    """How many addresses VNET gives."""
    return vnet.span[1] - vnet.span[0] + 1 - sum(last - first + 1 for first, last in vnet.exclude)


def mac(prefix: str, address: int) -> str:
    """OpenNebula's convention: PREFIX and the four bytes of ADDRESS, "02:00:0a:01:10:0a" for 10.1.16.10."""
    return ":".join([prefix, *(f"{byte:02x}" for byte in address.to_bytes(4, "big"))])


def vnet_name(text: object) -> str:
    """TEXT if it may be the name of a virtual network; VnetError otherwise."""
    if isinstance(text, str) and _NAME.fullmatch(text):
        return text
    raise VnetError(f"not the name of a virtual network: {text!r} (1-64 ASCII letters, digits, '_', '.', '-')")


def guest_name(text: object) -> str:
    """TEXT if a guest of that name may have an address; VnetError otherwise."""
    if isinstance(text, str) and _GUEST.fullmatch(text):
        return text
    raise VnetError(f"not the name of a guest: {text!r} (1-128 ASCII letters, digits, '_', '.', '-', '+', ':', '@')")


def nic_number(value: object) -> int:
    """VALUE if it is the number of an interface, 0 to 255; VnetError otherwise."""
    if type(value) is int and 0 <= value <= 255:
        return value
    raise VnetError(f"nic is the number of the guest's interface, 0 to 255, not {value!r}")


def address_number(text: object) -> int:
    """An IPv4 address as a number; VnetError for anything else."""
    try:
        if isinstance(text, str):
            return int(IPv4Address(text))
    except AddressValueError:
        pass
    raise VnetError(f"not an IPv4 address: {text!r}")


# --- the pillar ------------------------------------------------------------------------------------------------------


def of_pillar(pillar: Mapping[str, Any], name: str) -> Vnet:
    """The virtual network NAME of PILLAR. VnetError where it is not there, or where any of the pillar's is wrong."""
    found = all_of(pillar)
    if vnet_name(name) not in found:
        there = f"it has {', '.join(sorted(found))}." if found else "it has no `vnet` at all."
        raise VnetError(f"this node's pillar has no virtual network {name!r}: {there}{nearest(name, found)}")
    return found[name]


def all_of(pillar: Mapping[str, Any]) -> dict[str, Vnet]:
    """The virtual networks of PILLAR by name. VnetError with the place of what is wrong, also where two would give the
    same address on the same bridge and VLAN."""
    raw = pillar.get("vnet")
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise VnetError(f"pillar vnet: a mapping of names to networks is wanted, not {_short(raw)}")
    found = [parse(vnet_name(name), value) for name, value in raw.items()]
    for number, one in enumerate(found):
        for other in found[:number]:
            if (one.bridge, one.vlan) == (other.bridge, other.vlan) and _meet(one.span, other.span):
                raise VnetError(
                    f"pillar vnet:{one.name}:range: it overlaps the range of {other.name!r} on the same bridge "
                    f"{one.bridge}: an address would be given twice"
                )
    return {vnet.name: vnet for vnet in found}


def parse(name: str, raw: object) -> Vnet:
    """The virtual network NAME as the pillar describes it. VnetError names the key that is wrong."""
    place = f"pillar vnet:{name}"
    if not isinstance(raw, Mapping):
        raise VnetError(f"{place}: a mapping is wanted, not {_short(raw)}")
    for key in raw:
        if key not in KEYS:
            raise VnetError(f"{place}: there is no key {key!r}.{nearest(str(key), KEYS)} It takes {', '.join(KEYS)}.")
    for key in ("bridge", "network", "range"):
        if raw.get(key) is None:
            raise VnetError(f"{place}: {key} is missing")
    network = _network(f"{place}:network", raw["network"])
    span = _span(f"{place}:range", raw["range"])
    _inside(f"{place}:range", span, network)
    exclude = _merged(_spans(f"{place}:exclude", raw.get("exclude")), span)
    gateway = _gateway(f"{place}:gateway", raw.get("gateway"), network, span, exclude)
    made = Vnet(
        name=name,
        bridge=_bridge(f"{place}:bridge", raw["bridge"]),
        vlan=_vlan(f"{place}:vlan", raw.get("vlan")),
        network=network,
        span=span,
        gateway=gateway,
        dns=_dns(f"{place}:dns", raw.get("dns")),
        exclude=exclude,
        mac_prefix=_mac_prefix(f"{place}:mac_prefix", raw.get("mac_prefix", MAC_PREFIX)),
    )
    if size(made) < 1:
        raise VnetError(f"{place}:exclude: it leaves no address of the range")
    return made


def _network(place: str, raw: object) -> IPv4Network:
    if not isinstance(raw, str) or "/" not in raw:
        raise VnetError(f"{place}: an IPv4 network like 10.1.16.0/20 is wanted, not {_short(raw)}")
    try:
        network = IPv4Network(raw, strict=False)
    except ValueError as error:
        raise VnetError(f"{place}: an IPv4 network like 10.1.16.0/20 is wanted: {error}") from None
    if str(network.network_address) != raw.partition("/")[0]:
        raise VnetError(f"{place}: {raw} is an address in a network. The network is {network}.")
    if network.prefixlen > 30:
        raise VnetError(f"{place}: {raw} has no addresses for guests: at most /30")
    return network


def _span(place: str, raw: object) -> Span:
    """A range: [FIRST, LAST], "FIRST-LAST", "FIRST+COUNT", or {first: ..., last: ... | count: ...}."""
    first: object
    last: object = None
    count: object = None
    if isinstance(raw, Mapping) and set(raw) in ({"first", "last"}, {"first", "count"}):
        first, last, count = raw["first"], raw.get("last"), raw.get("count")
    elif isinstance(raw, list | tuple) and len(raw) == 2:
        first, last = raw
    elif isinstance(raw, str) and "-" in raw:
        first, _, last = (part.strip() for part in raw.partition("-"))
    elif isinstance(raw, str) and "+" in raw:
        first, _, count = (part.strip() for part in raw.partition("+"))
        count = int(count) if str(count).isdecimal() and len(str(count)) < 10 else count
    else:
        raise VnetError(
            f"{place}: write [FIRST, LAST], FIRST-LAST, FIRST+COUNT, or first and last or count, not {_short(raw)}"
        )
    begin = _address(place, first)
    if count is None:
        end = _address(place, last)
    elif type(count) is int and 0 < count < 2**32:
        end = begin + count - 1
    else:
        raise VnetError(f"{place}: the count is a whole number above 0, not {_short(count)}")
    if end < begin:
        raise VnetError(f"{place}: it ends ({last}) before it begins ({first})")
    return begin, end


def _inside(place: str, span: Span, network: IPv4Network) -> None:
    low, high = int(network.network_address), int(network.broadcast_address)
    for address in span:
        if not low <= address <= high:
            shown = IPv4Address(address) if address < 2**32 else "its end"
            raise VnetError(f"{place}: {shown} is not in the network {network}")
        if address in (low, high):
            which = "the network's own" if address == low else "the broadcast"
            raise VnetError(f"{place}: {IPv4Address(address)} is {which} address of {network}: no guest can have it")


def _spans(place: str, raw: object) -> list[Span]:
    if raw is None:
        return []
    if not isinstance(raw, list | tuple):
        raise VnetError(f"{place}: a list of addresses and ranges is wanted, not {_short(raw)}")
    spans = []
    for entry in raw:
        single = isinstance(entry, str) and "-" not in entry and "+" not in entry
        spans.append((_address(place, entry),) * 2 if single else _span(place, entry))
    return spans


def _merged(spans: Iterable[Span], within: Span) -> tuple[Span, ...]:
    """SPANS as far as they are WITHIN, sorted and joined where they meet."""
    cut = sorted((max(a, within[0]), min(b, within[1])) for a, b in spans if _meet((a, b), within))
    joined: list[Span] = []
    for first, last in cut:
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)


def _meet(one: Span, other: Span) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _gateway(
    place: str, raw: object, network: IPv4Network, span: Span, exclude: tuple[Span, ...]
) -> IPv4Address | None:
    if raw is None:
        return None
    gateway = _address(place, raw)
    if IPv4Address(gateway) not in network:
        raise VnetError(f"{place}: {raw} is not in the network {network}")
    if span[0] <= gateway <= span[1] and not any(a <= gateway <= b for a, b in exclude):
        raise VnetError(f"{place}: {raw} is in the range, so a guest would get it. Move it out, or name it in exclude.")
    return IPv4Address(gateway)


def _dns(place: str, raw: object) -> tuple[str, ...]:
    entries = [] if raw is None else [raw] if isinstance(raw, str) else raw
    if not isinstance(entries, list | tuple):
        raise VnetError(f"{place}: a list of addresses is wanted, not {_short(raw)}")
    from ipaddress import ip_address

    found = []
    for entry in entries:
        try:
            found.append(str(ip_address(entry if isinstance(entry, str) else "")))
        except ValueError:
            raise VnetError(f"{place}: not an address: {_short(entry)}") from None
    return tuple(found)


def _bridge(place: str, raw: object) -> str:
    if isinstance(raw, str) and _BRIDGE.fullmatch(raw) and raw not in (".", ".."):
        return raw
    raise VnetError(
        f"{place}: not the name of a bridge: {_short(raw)} (1-15 ASCII letters without spaces, '/', ':' and '%')"
    )


def _vlan(place: str, raw: object) -> int | None:
    if raw is None or (type(raw) is int and 1 <= raw <= 4094):
        return raw
    raise VnetError(f"{place}: a VLAN is a number from 1 to 4094 (IEEE 802.1Q), not {_short(raw)}")


def _mac_prefix(place: str, raw: object) -> str:
    if isinstance(raw, str) and _MAC_PREFIX.fullmatch(raw):
        return raw.lower()
    raise VnetError(
        f"{place}: two bytes like {MAC_PREFIX!r} are wanted (quoted, the first one even), not {_short(raw)}"
    )


def _address(place: str, raw: object) -> int:
    try:
        return address_number(raw)
    except VnetError as error:
        raise VnetError(f"{place}: {error}") from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
