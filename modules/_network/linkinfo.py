"""What a link of some kind has of its own (IFLA_INFO_DATA of rtnetlink(7)), as plain frozen values.

Numbers are given by the names that ip-link(8) uses for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from modules._network.rtnl import address, each, network_number, number

BOND_MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
HASH_POLICIES = ("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac")  # linux/if_bonding.h
LACP_RATES = ("slow", "fast")
AD_SELECTS = ("stable", "bandwidth", "count")
FAIL_OVER_MACS = ("none", "active", "follow")
PRIMARY_RESELECTS = ("always", "better", "failure")
ARP_VALIDATES = ("none", "active", "backup", "all", "filter", "filter_active", "filter_backup")
MACVLAN_MODES = ("private", "vepa", "bridge", "passthru", "source")
_TAP = 2  # IFF_TAP, linux/if_tun.h


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeInfo:
    """A bridge: times in 1/100 s (USER_HZ), `priority` as in IEEE 802.1D (0 to 65535), `group_fwd_mask` a bit for each
    of the addresses 01-80-C2-00-00-0X that it passes on; `default_pvid` 0: none."""

    priority: int
    ageing_time: int
    hello_time: int
    max_age: int
    multicast_snooping: bool
    group_fwd_mask: int
    default_pvid: int
    vlan_protocol: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PortInfo:
    """What a port of a bridge has of its own (IFLA_BRPORT_*)."""

    cost: int
    priority: int
    isolated: bool
    hairpin: bool
    learning: bool
    guard: bool
    root_block: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MacvlanInfo:
    """A macvlan: one of MACVLAN_MODES."""

    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VxlanInfo:
    """A VXLAN: `remote` is the other end or a multicast group, `parent` the index of the link that it goes out by.
    `ttl` and `tos` 0: the kernel's own; `source_ports` (0, 0): as the kernel takes them."""

    id: int
    remote: str | None
    local: str | None
    port: int
    parent: int | None
    learning: bool = True
    ttl: int = 0
    tos: int = 0
    source_ports: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BondInfo:
    """A bond. Times in milliseconds; `miimon` 0: its members' carrier is not watched; `primary` the index of the member
    that it prefers."""

    mode: str
    miimon: int
    lacp_rate: str
    xmit_hash_policy: str
    updelay: int = 0
    downdelay: int = 0
    ad_select: str = "stable"
    arp_interval: int = 0
    arp_ip_target: tuple[str, ...] = ()
    arp_validate: str = "none"
    fail_over_mac: str = "none"
    min_links: int = 0
    primary: int | None = None
    primary_reselect: str = "always"
    all_slaves_active: bool = False
    num_grat_arp: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TunInfo:
    """A tun or tap, by which a program (a guest's emulator) passes packets or frames."""

    is_tap: bool


Info = MacvlanInfo | VxlanInfo | BondInfo | TunInfo


def info_of(kind: str | None, data: Mapping[int, bytes]) -> Info | None:
    """What the link of KIND has of its own by the attributes DATA of its IFLA_INFO_DATA; None for other kinds."""
    if not data:
        return None
    if kind == "macvlan":
        return MacvlanInfo(mode=_flag_name(MACVLAN_MODES, number(data, 1)))
    if kind == "vxlan":
        return _vxlan(data)
    if kind == "bond":
        return _bond(data)
    if kind == "tun":
        return TunInfo(is_tap=number(data, 3) == _TAP)
    return None


def bridge_info_of(data: Mapping[int, bytes]) -> BridgeInfo:
    """What a bridge has of its own by the attributes of its IFLA_INFO_DATA (IFLA_BR_*)."""
    return BridgeInfo(
        hello_time=number(data, 2),
        max_age=number(data, 3),
        ageing_time=number(data, 4),
        priority=number(data, 6),
        vlan_protocol=network_number(data, 8, 0x8100),
        group_fwd_mask=number(data, 9),
        multicast_snooping=bool(number(data, 23)),
        default_pvid=number(data, 39),
    )


def port_info_of(data: Mapping[int, bytes]) -> PortInfo:
    """What a port of a bridge has of its own by the attributes of its IFLA_INFO_SLAVE_DATA (IFLA_BRPORT_*)."""
    return PortInfo(
        priority=number(data, 2),
        cost=number(data, 3),
        hairpin=bool(number(data, 4)),
        guard=bool(number(data, 5)),
        root_block=bool(number(data, 6)),
        learning=bool(number(data, 8)),
        isolated=bool(number(data, 33)),
    )


def _vxlan(data: Mapping[int, bytes]) -> VxlanInfo:
    """IFLA_VXLAN_*."""
    ports = data.get(10, b"")
    return VxlanInfo(
        id=number(data, 1),
        remote=address(data.get(2)) or address(data.get(16)),
        parent=number(data, 3) or None,
        local=address(data.get(4)) or address(data.get(17)),
        ttl=number(data, 5),
        tos=number(data, 6),
        learning=bool(number(data, 7)),
        source_ports=(int.from_bytes(ports[:2], "big"), int.from_bytes(ports[2:4], "big")),
        port=network_number(data, 15),
    )


def _bond(data: Mapping[int, bytes]) -> BondInfo:
    """IFLA_BOND_*."""
    targets = [address(value) for _, value in each(data.get(8, b""))]
    return BondInfo(
        mode=_name(BOND_MODES, number(data, 1)),
        miimon=number(data, 3),
        updelay=number(data, 4),
        downdelay=number(data, 5),
        arp_interval=number(data, 7),
        arp_ip_target=tuple(target for target in targets if target),
        arp_validate=_name(ARP_VALIDATES, number(data, 9)),
        primary=number(data, 11) or None,
        primary_reselect=_name(PRIMARY_RESELECTS, number(data, 12)),
        fail_over_mac=_name(FAIL_OVER_MACS, number(data, 13)),
        xmit_hash_policy=_name(HASH_POLICIES, number(data, 14)),
        num_grat_arp=number(data, 16),
        all_slaves_active=bool(number(data, 17)),
        min_links=number(data, 18),
        lacp_rate=_name(LACP_RATES, number(data, 21)),
        ad_select=_name(AD_SELECTS, number(data, 22)),
    )


def _flag_name(names: tuple[str, ...], value: int) -> str:
    """The name of the one bit that is set in VALUE."""
    return _name(names, value.bit_length() - 1) if value else str(value)


def _name(names: tuple[str, ...], value: int) -> str:
    return names[value] if value < len(names) else str(value)
