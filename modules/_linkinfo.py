"""What a link of some kind has of its own (IFLA_INFO_DATA of rtnetlink(7)), as plain frozen values.

Numbers are given by the names that ip-link(8) uses for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

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


def info_of(kind: str | None, data: Any) -> Info | None:
    """What the link of KIND has of its own by its IFLA_INFO_DATA (a pyroute2 nla, or None); None for other kinds."""
    if not data:
        return None
    if kind == "macvlan":
        return MacvlanInfo(mode=str(data.get_attr("IFLA_MACVLAN_MODE")))
    if kind == "vxlan":
        get = data.get_attr
        return VxlanInfo(
            id=get("IFLA_VXLAN_ID") or 0,
            remote=get("IFLA_VXLAN_GROUP") or get("IFLA_VXLAN_GROUP6"),
            local=get("IFLA_VXLAN_LOCAL") or get("IFLA_VXLAN_LOCAL6"),
            port=get("IFLA_VXLAN_PORT") or 0,
            parent=get("IFLA_VXLAN_LINK"),
            learning=bool(get("IFLA_VXLAN_LEARNING")),
            ttl=get("IFLA_VXLAN_TTL") or 0,
            tos=get("IFLA_VXLAN_TOS") or 0,
            source_ports=_range(get("IFLA_VXLAN_PORT_RANGE")),
        )
    if kind == "bond":
        return _bond(data)
    if kind == "tun":
        return TunInfo(is_tap=data.get_attr("IFLA_TUN_TYPE") == _TAP)
    return None


def bridge_info_of(data: Any) -> BridgeInfo:
    """What a bridge has of its own by its IFLA_INFO_DATA (a pyroute2 nla)."""
    get = data.get_attr
    return BridgeInfo(
        priority=get("IFLA_BR_PRIORITY") or 0,
        ageing_time=get("IFLA_BR_AGEING_TIME") or 0,
        hello_time=get("IFLA_BR_HELLO_TIME") or 0,
        max_age=get("IFLA_BR_MAX_AGE") or 0,
        multicast_snooping=bool(get("IFLA_BR_MCAST_SNOOPING")),
        group_fwd_mask=get("IFLA_BR_GROUP_FWD_MASK") or 0,
        default_pvid=get("IFLA_BR_VLAN_DEFAULT_PVID") or 0,
        vlan_protocol=get("IFLA_BR_VLAN_PROTOCOL") or 0x8100,
    )


def port_info_of(data: Any) -> PortInfo:
    """What a port of a bridge has of its own by its IFLA_INFO_SLAVE_DATA (a pyroute2 nla)."""
    get = data.get_attr
    return PortInfo(
        cost=get("IFLA_BRPORT_COST") or 0,
        priority=get("IFLA_BRPORT_PRIORITY") or 0,
        isolated=bool(get("IFLA_BRPORT_ISOLATED")),
        hairpin=bool(get("IFLA_BRPORT_MODE")),
        learning=bool(get("IFLA_BRPORT_LEARNING")),
        guard=bool(get("IFLA_BRPORT_GUARD")),
        root_block=bool(get("IFLA_BRPORT_PROTECT")),
    )


def _bond(data: Any) -> BondInfo:
    get = data.get_attr
    peers = get("IFLA_BOND_NUM_PEER_NOTIF")
    return BondInfo(
        mode=_name(BOND_MODES, get("IFLA_BOND_MODE")),
        miimon=get("IFLA_BOND_MIIMON") or 0,
        lacp_rate=_name(LACP_RATES, get("IFLA_BOND_AD_LACP_RATE")),
        xmit_hash_policy=_name(HASH_POLICIES, get("IFLA_BOND_XMIT_HASH_POLICY")),
        updelay=get("IFLA_BOND_UPDELAY") or 0,
        downdelay=get("IFLA_BOND_DOWNDELAY") or 0,
        ad_select=_name(AD_SELECTS, get("IFLA_BOND_AD_SELECT")),
        arp_interval=get("IFLA_BOND_ARP_INTERVAL") or 0,
        arp_ip_target=tuple(str(target) for target in get("IFLA_BOND_ARP_IP_TARGET") or ()),
        arp_validate=_name(ARP_VALIDATES, get("IFLA_BOND_ARP_VALIDATE")),
        fail_over_mac=_name(FAIL_OVER_MACS, get("IFLA_BOND_FAIL_OVER_MAC")),
        min_links=get("IFLA_BOND_MIN_LINKS") or 0,
        primary=get("IFLA_BOND_PRIMARY") or None,
        primary_reselect=_name(PRIMARY_RESELECTS, get("IFLA_BOND_PRIMARY_RESELECT")),
        all_slaves_active=bool(get("IFLA_BOND_ALL_SLAVES_ACTIVE")),
        num_grat_arp=1 if peers is None else peers,
    )


def _range(value: Any) -> tuple[int, int]:
    """IFLA_VXLAN_PORT_RANGE, two numbers of network byte order."""
    return (value["low"], value["high"]) if value else (0, 0)


def _name(names: tuple[str, ...], number: int | None) -> str:
    number = number or 0
    return names[number] if number < len(names) else str(number)
