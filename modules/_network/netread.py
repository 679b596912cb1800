"""Links, addresses and default routes from the kernel's messages (linux/if_link.h, if_addr.h, rtnetlink.h)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from modules._network.linkinfo import VxlanInfo, bridge_info_of, info_of, port_info_of
from modules._network.netvalues import PROTOCOLS
from modules._network.netview import AF_INET, AF_INET6, Address, DefaultRoute, Link
from modules._network.rtnl import (
    ADDRESS_HEADER,
    GETADDR,
    GETLINK,
    GETROUTE,
    LINK_HEADER,
    ROUTE_HEADER,
    Reader,
    address,
    attribute,
    attributes,
    each,
    mac,
    network_number,
    number,
    text,
)

_IFF_UP = 0x1  # linux/if.h
_SKIP_STATS = 8  # RTEXT_FILTER_SKIP_STATS: counters are most of a link's message
_LOOPBACK = 772  # ARPHRD_LOOPBACK
_PERMANENT, _SECONDARY = 0x80, 0x01  # IFA_F_*
_MAIN_TABLE, _UNICAST = 254, 1  # RT_TABLE_MAIN, RTN_UNICAST
_OPERSTATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
_PROTOCOL_NAMES = {value: name for name, value in PROTOCOLS.items()}
_EXT_MASK = attribute(29, _SKIP_STATS.to_bytes(4, sys.byteorder))  # IFLA_EXT_MASK

# IFLA_*
_ADDRESS, _IFNAME, _MTU, _LINK, _MASTER, _TXQLEN, _OPERSTATE, _LINKINFO, _IFALIAS = 1, 3, 4, 5, 10, 13, 16, 18, 20
_LINK_NETNSID, _PROP_LIST, _ALT_IFNAME = 37, 52, 53
_INFO_KIND, _INFO_DATA, _INFO_SLAVE_KIND, _INFO_SLAVE_DATA = 1, 2, 4, 5
_VLAN_ID, _VLAN_PROTOCOL = 1, 5
_BR_FORWARD_DELAY, _BR_STP_STATE, _BR_VLAN_FILTERING = 1, 5, 7


def links(reader: Reader) -> list[Link]:
    """All links."""
    return [link_of(body) for body in reader.dump(GETLINK, LINK_HEADER.pack(0, 0, 0, 0, 0) + _EXT_MASK)]


def link(reader: Reader, index: int) -> Link | None:
    """The link with INDEX, None where there is none."""
    body = reader.get(GETLINK, LINK_HEADER.pack(0, 0, index, 0, 0) + _EXT_MASK)
    return link_of(body) if body else None


def addresses(reader: Reader) -> list[Address]:
    """All addresses."""
    return [address_of(body) for body in reader.dump(GETADDR, ADDRESS_HEADER.pack(0, 0, 0, 0, 0))]


def default_routes(reader: Reader) -> list[DefaultRoute]:
    """The default routes of the main table."""
    header = ROUTE_HEADER.pack(0, 0, 0, 0, 0, 0, 0, 0, 0) + attribute(15, _MAIN_TABLE.to_bytes(4, sys.byteorder))
    return list(default_routes_of(reader.dump(GETROUTE, header)))


def link_of(body: bytes) -> Link:
    """The link of a RTM_NEWLINK message."""
    _, device, index, flags, _ = LINK_HEADER.unpack_from(body)
    found = attributes(body, LINK_HEADER.size)
    info = attributes(found[_LINKINFO]) if _LINKINFO in found else {}
    kind = text(info, _INFO_KIND)
    data = attributes(info[_INFO_DATA]) if _INFO_DATA in info else {}
    slave = text(info, _INFO_SLAVE_KIND) == "bridge" and info.get(_INFO_SLAVE_DATA)
    bridge = data if kind == "bridge" and data else None
    vlan = data if kind == "vlan" and data else None
    details = info_of(kind, data)
    on = number(found, _LINK) or None
    properties = found.get(_PROP_LIST, b"")
    state = number(found, _OPERSTATE)
    return Link(
        index=index,
        name=text(found, _IFNAME) or "",
        kind=kind,
        is_up=bool(flags & _IFF_UP),
        mtu=number(found, _MTU),
        hwaddr=mac(found.get(_ADDRESS)),
        master=number(found, _MASTER) or None,
        parent=details.parent if on is None and isinstance(details, VxlanInfo) else on,
        parent_elsewhere=_LINK_NETNSID in found,
        altnames=tuple(text({0: value}, 0) or "" for kind_, value in each(properties) if kind_ == _ALT_IFNAME),
        stp=bool(number(bridge, _BR_STP_STATE)) if bridge else None,
        forward_delay=number(bridge, _BR_FORWARD_DELAY) if bridge else None,
        vlan_filtering=bool(number(bridge, _BR_VLAN_FILTERING)) if bridge else None,
        vlan_id=number(vlan, _VLAN_ID) if vlan else None,
        vlan_protocol=_protocol(network_number(vlan, _VLAN_PROTOCOL, 0x8100)) if vlan else None,
        is_loopback=device == _LOOPBACK,
        operstate=_OPERSTATES[state] if state < len(_OPERSTATES) else "unknown",
        info=details,
        bridge=bridge_info_of(bridge) if bridge else None,
        port=port_info_of(attributes(slave)) if slave else None,
        alias=text(found, _IFALIAS),
        txqueuelen=number(found, _TXQLEN),
    )


def address_of(body: bytes) -> Address:
    """The address of a RTM_NEWADDR or RTM_DELADDR message."""
    family, length, flags, scope, index = ADDRESS_HEADER.unpack_from(body)
    found = attributes(body, ADDRESS_HEADER.size)
    far, near = address(found.get(1)), address(found.get(2))  # IFA_ADDRESS, IFA_LOCAL
    flags = number(found, 8, flags)  # IFA_FLAGS
    return Address(
        index=index,
        family=family,
        address=f"{near or far}/{length}",
        scope=scope,
        label=text(found, 3),
        broadcast=address(found.get(4)),
        permanent=bool(flags & _PERMANENT),
        secondary=bool(flags & _SECONDARY),
        peer=far if near and far != near else None,
    )


def default_routes_of(bodies: Iterable[bytes]) -> Iterator[DefaultRoute]:
    """The default routes of the main table among RTM_NEWROUTE messages."""
    for body in bodies:
        family, length, _, _, _, _, _, kind, _ = ROUTE_HEADER.unpack_from(body)
        if length or kind != _UNICAST or family not in (AF_INET, AF_INET6):
            continue
        found = attributes(body, ROUTE_HEADER.size)
        if number(found, 15) != _MAIN_TABLE:  # RTA_TABLE
            continue
        via = found.get(18)  # RTA_VIA: family and address
        yield DefaultRoute(
            family=family,
            index=number(found, 4) or None,  # RTA_OIF
            gateway=address(found.get(5)) or address(via[2:] if via else None),  # RTA_GATEWAY
            metric=number(found, 6),  # RTA_PRIORITY
        )


def _protocol(value: int) -> str:
    return _PROTOCOL_NAMES.get(value, hex(value))
