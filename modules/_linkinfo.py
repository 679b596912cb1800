"""What a link of some kind has of its own (IFLA_INFO_DATA of rtnetlink(7)), as plain frozen values.

Numbers are given by the names that ip-link(8) uses for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

BOND_MODES = ("balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb")
HASH_POLICIES = ("layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4", "vlan+srcmac")  # linux/if_bonding.h
LACP_RATES = ("slow", "fast")
MACVLAN_MODES = ("private", "vepa", "bridge", "passthru", "source")
_TAP = 2  # IFF_TAP, linux/if_tun.h


@dataclass(frozen=True, slots=True, kw_only=True)
class MacvlanInfo:
    """A macvlan: one of MACVLAN_MODES."""

    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VxlanInfo:
    """A VXLAN: `remote` is the other end or a multicast group, `parent` the index of the link that it goes out by."""

    id: int
    remote: str | None
    local: str | None
    port: int
    parent: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BondInfo:
    """A bond: `miimon` in milliseconds, 0: its members are not watched."""

    mode: str
    miimon: int
    lacp_rate: str
    xmit_hash_policy: str


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
        )
    if kind == "bond":
        return BondInfo(
            mode=_name(BOND_MODES, data.get_attr("IFLA_BOND_MODE")),
            miimon=data.get_attr("IFLA_BOND_MIIMON") or 0,
            lacp_rate=_name(LACP_RATES, data.get_attr("IFLA_BOND_AD_LACP_RATE")),
            xmit_hash_policy=_name(HASH_POLICIES, data.get_attr("IFLA_BOND_XMIT_HASH_POLICY")),
        )
    if kind == "tun":
        return TunInfo(is_tap=data.get_attr("IFLA_TUN_TYPE") == _TAP)
    return None


def _name(names: tuple[str, ...], number: int | None) -> str:
    number = number or 0
    return names[number] if number < len(names) else str(number)
