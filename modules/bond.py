"""Bonds (kind "bond"): several interfaces that work as one (Documentation/networking/bonding.rst)."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from modules._network import interface, linkvalues
from modules._network.interface import Interface
from modules._network.linkinfo import (
    AD_SELECTS,
    ARP_VALIDATES,
    BOND_MODES,
    FAIL_OVER_MACS,
    HASH_POLICIES,
    LACP_RATES,
    PRIMARY_RESELECTS,
    BondInfo,
)
from modules._network.netlink import Link, NetworkError, View, look, look_with, session
from modules._network.netvalues import BadValue, interface_name
from modules._run import checked
from modules.link import found, interrupted
from saltern.converge.plan import UNSET, Unset
from saltern.errors import nearest
from saltern.marks import acting, makes, reading

NO_BONDING = "this kernel has no bonds: load the module bonding"
LACP = "802.3ad"
_MASTERS = "/sys/class/net/bonding_masters"  # there while the driver is
_TIMEOUT_S = 60.0
OPTIONS = {option: option for option in linkvalues.BOND_OPTIONS} | {"lacp_rate": "ad_lacp_rate"}  # IFLA_BOND_*
_NAMES: Mapping[str, tuple[str, ...]] = {
    "mode": BOND_MODES,
    "fail_over_mac": FAIL_OVER_MACS,
    "ad_select": AD_SELECTS,
    "lacp_rate": LACP_RATES,
    "arp_validate": ARP_VALIDATES,
    "xmit_hash_policy": HASH_POLICIES,
    "primary_reselect": PRIMARY_RESELECTS,
}
_WITHOUT_MEMBERS = frozenset({"mode", "fail_over_mac"})  # BOND_OPTFLAG_NOSLAVES
_DOWN = frozenset({"lacp_rate", "ad_select"})  # BOND_OPTFLAG_IFDOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Bond(Interface):
    """A bond as it is, or as it should be. `miimon` in milliseconds; `members_down`: members that are not up."""

    mode: str | Unset = UNSET
    fail_over_mac: str | Unset = UNSET
    ad_select: str | Unset = UNSET
    lacp_rate: str | Unset = UNSET
    miimon: int | Unset = UNSET
    updelay: int | Unset = UNSET
    downdelay: int | Unset = UNSET
    arp_interval: int | Unset = UNSET
    arp_ip_target: tuple[str, ...] | Unset = UNSET
    arp_validate: str | Unset = UNSET
    xmit_hash_policy: str | Unset = UNSET
    min_links: int | Unset = UNSET
    primary_reselect: str | Unset = UNSET
    primary: str | Unset | None = UNSET
    members: frozenset[str] | Unset = UNSET
    members_down: frozenset[str] | Unset = UNSET


def read(view: View, name: str, *, addresses: Collection[str] = (), gateway: str | None = None) -> Bond | None:
    """The bond NAME in VIEW, None where there is no interface of that name."""
    link = interface.named(view, name, "bond")
    if link is None:
        return None
    members = view.ports(link.index)
    info = info_of(link)
    primary = view.at(info.primary)
    return Bond(
        **{option: getattr(info, option) for option in OPTIONS if option != "primary"},
        primary=primary.name if primary else None,
        members=frozenset(member.name for member in members),
        members_down=frozenset(member.name for member in members if not member.is_up),
        **interface.common(view, link, addresses, gateway),
    )


def info_of(link: Link) -> BondInfo:
    """What the bond LINK has of its own."""
    if isinstance(link.info, BondInfo):
        return link.info
    return BondInfo(mode=BOND_MODES[0], miimon=0, lacp_rate=LACP_RATES[0], xmit_hash_policy=HASH_POLICIES[0])


def lacking() -> str | None:
    """Why no bond can be made here, or None."""
    if os.path.exists(_MASTERS):
        return None
    from modules import kmod

    return None if kmod.is_available("bonding") else NO_BONDING


@reading
def list_() -> dict[str, Any]:
    """Every bond: mode, miimon, lacp_rate, xmit_hash_policy, members, up, MTU."""
    view = look()
    return {
        link.name: {
            "mode": info_of(link).mode,
            "miimon": info_of(link).miimon,
            "lacp_rate": info_of(link).lacp_rate,
            "xmit_hash_policy": info_of(link).xmit_hash_policy,
            "members": sorted(member.name for member in view.ports(link.index)),
            "up": link.is_up,
            "mtu": link.mtu,
        }
        for link in view.links
        if link.kind == "bond"
    }


@makes("link")
@acting
def add(name: str, **options: Any) -> bool:
    """Make the bond NAME and bring it up. OPTIONS as those of `bond.present`; what is not given is as the kernel makes
    it."""
    if not os.path.exists(_MASTERS) and lacking() is None:
        # Loaded on demand, the driver would make a bond0 of its own, whatever is asked for.
        checked(["modprobe", "--", "bonding", "max_bonds=0"], timeout_s=_TIMEOUT_S)
    with session() as socket:
        given = _options(socket, options)
        socket.link("add", ifname=interface_name(name, "bond"), kind="bond", state="up", **given)
    return True


@acting
def delete(name: str) -> bool:
    """Delete the bond NAME; its members are free then, and down."""
    interface.delete(name, "bond")
    return True


@acting
def change(name: str, **options: Any) -> bool:
    """Change OPTIONS of the bond NAME; what is not given stays. For another LACP rate or choice of aggregators the bond
    goes down for a moment, for another mode or `fail_over_mac` it is also without its members meanwhile: the kernel
    takes them no other way. Its routes are kept."""
    with session() as socket:
        view = look_with(socket)
        link = interface.ours(view, name, "bond")
        given = _options(socket, options)
        if not options.keys() & (_WITHOUT_MEMBERS | _DOWN):
            socket.link("set", index=link.index, kind="bond", **given)
            return True
        members = view.ports(link.index) if options.keys() & _WITHOUT_MEMBERS else ()
        with interrupted(socket, link), _released(socket, link, members):
            socket.link("set", index=link.index, kind="bond", **given)
    return True


@acting
def add_member(name: str, member: str) -> bool:
    """Make the interface MEMBER one of the bond NAME. It goes down for that, since the kernel takes no other; the bond
    brings it up."""
    with session() as socket:
        view = look_with(socket)
        bond, link = interface.ours(view, name, "bond"), found(view, member)
        try:
            _join(socket, bond, link)
        except BaseException:
            if link.is_up:
                socket.link("set", index=link.index, state="up")
            raise
    return True


@acting
def remove_member(name: str, member: str) -> bool:
    """Take the interface MEMBER out of the bond NAME."""
    with session() as socket:
        view = look_with(socket)
        link = found(view, member)
        if link.master != interface.ours(view, name, "bond").index:
            raise NetworkError(f"{member} is no member of {name}")
        socket.link("set", index=link.index, master=0)
    return True


@contextmanager
def _released(socket: Any, bond: Link, members: tuple[Link, ...]) -> Iterator[None]:
    """The BOND is without these MEMBERS for the block."""
    for member in members:
        socket.link("set", index=member.index, master=0)
    try:
        yield
    finally:
        for member in members:
            _join(socket, bond, member)


def _join(socket: Any, bond: Link, member: Link) -> None:
    socket.link("set", index=member.index, state="down")
    socket.link("set", index=member.index, master=bond.index)


def _options(socket: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """GIVEN options as pyroute2 takes them."""
    given_to: dict[str, Any] = {}
    unknown = [option for option in given if option not in OPTIONS]
    if unknown:
        raise BadValue(f"a bond has no option {unknown[0]!r}.{nearest(unknown[0], OPTIONS)}")
    for option in sorted(given, key=list(OPTIONS).index):
        value = linkvalues.BOND_OPTIONS[option](given[option])
        names = _NAMES.get(option)
        if option == "primary":
            value = found(look_with(socket), value).index
        elif option == "arp_ip_target":
            value = list(value)
        given_to[f"bond_{OPTIONS[option]}"] = names.index(value) if names else value
    return given_to
