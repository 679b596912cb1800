"""Linux bridges, by rtnetlink (kind "bridge", linux/if_link.h IFLA_BR_*)."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from modules._network import addressing, bridgevalues
from modules._network.bridgevlans import Vlans, joined, send_changes
from modules._network.linkinfo import PortInfo
from modules._network.linkvalues import mac_address
from modules._network.netlink import Link, NetworkError, View, look, look_with, session, vlans_with
from modules._network.netvalues import BadValue, interface_name, seconds
from modules.link import found
from saltern.converge.plan import UNSET, Unset
from saltern.errors import nearest
from saltern.marks import acting, makes, reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A bridge as it is, or as it should be.

    Times in seconds. `ports`: without those of guests that are not declared; `ports_down`: ports that are not up;
    `port_options` by port and option; `vlans` in words by port, the bridge's own under its name; `addresses` like
    "192.168.43.1/24", without what the kernel makes itself; `addresses_elsewhere`: "192.168.43.1/24 on eth0" for its
    addresses that other interfaces have too; `gateway`: that of the default route through it, None: no such route.
    """

    up: bool = True
    ports: frozenset[str] | Unset = UNSET
    ports_down: frozenset[str] | Unset = UNSET
    stp: bool | Unset = UNSET
    forward_delay: float | Unset = UNSET
    vlan_filtering: bool | Unset = UNSET
    priority: int | Unset = UNSET
    ageing_time: float | Unset = UNSET
    hello_time: float | Unset = UNSET
    max_age: float | Unset = UNSET
    multicast_snooping: bool | Unset = UNSET
    group_fwd_mask: int | Unset = UNSET
    vlan_default_pvid: int | Unset = UNSET
    port_options: Mapping[str, Mapping[str, int]] | Unset = UNSET
    vlans: Mapping[str, str] | Unset = UNSET
    mtu: int | Unset = UNSET
    addresses: frozenset[str] | Unset = UNSET
    addresses_elsewhere: frozenset[str] | Unset = UNSET
    gateway: str | Unset | None = UNSET


def read(
    view: View,
    name: str,
    *,
    addresses: Collection[str] = (),
    gateway: str | None = None,
    declared: Collection[str] = (),
    options: Mapping[str, Collection[str]] | None = None,
    vlans: Mapping[str, Vlans] | None = None,
) -> Bridge | None:
    """The bridge NAME in VIEW, None where there is no interface of that name; judged for the wished ADDRESSES and
    GATEWAY, the ports that are DECLARED, and the OPTIONS of ports that are wished. VLANS are those of its ports and of
    itself, by name. NetworkError where the name is that of something else."""
    link = view.find(name)
    if link is None:
        return None
    if link.name != name:
        raise NetworkError(f"{name} is another name of the interface {link.name}: give that, or a free one")
    if link.kind != "bridge":
        raise NetworkError(f"{name} is there and is {kind_words(link)}, not a bridge: give another name or remove it")
    ports = [port for port in view.ports(link.index) if not port.is_guests or port.name in declared]
    return Bridge(
        up=link.is_up,
        ports=frozenset(port.name for port in ports),
        ports_down=frozenset(port.name for port in ports if not port.is_up),
        **_beside(link),
        port_options={
            port.name: {option: int(getattr(port.port, option)) for option in options[port.name]}
            for port in ports
            if options and port.name in options and isinstance(port.port, PortInfo)
        },
        vlans={port: str(found) for port, found in (vlans or {}).items()},
        stp=bool(link.stp),
        forward_delay=seconds(link.forward_delay or 0),
        vlan_filtering=bool(link.vlan_filtering),
        mtu=link.mtu,
        addresses=addressing.addresses(view, link.index, addresses),
        addresses_elsewhere=elsewhere(view, link.index, addresses),
        gateway=addressing.gateway(view, link.index, gateway) if gateway else UNSET,
    )


def _beside(link: Link) -> dict[str, Any]:
    """What BridgeInfo has, as Bridge has it."""
    info = link.bridge
    if info is None:
        return {}
    return {
        "priority": info.priority,
        "ageing_time": seconds(info.ageing_time),
        "hello_time": seconds(info.hello_time),
        "max_age": seconds(info.max_age),
        "multicast_snooping": info.multicast_snooping,
        "group_fwd_mask": info.group_fwd_mask,
        "vlan_default_pvid": info.default_pvid,
    }


def guests(view: View, name: str) -> list[str]:
    """The ports of the bridge NAME that are guests' ends."""
    link = view.find(name)
    return sorted(port.name for port in view.ports(link.index) if port.is_guests) if link else []


def elsewhere(view: View, index: int | None, addresses: Collection[str]) -> frozenset[str]:
    """ "ADDRESS on LINK" for those of ADDRESSES that other links have."""
    return frozenset(f"{address} on {link}" for address, link in addressing.holders(view, index, addresses))


def kind_words(link: Link) -> str:
    """What a link is, for messages."""
    return f"a {link.kind}" if link.kind else "a physical or plain interface"


@reading
def list_() -> list[str]:
    """The names of all bridges."""
    return sorted(link.name for link in look().links if link.kind == "bridge")


@reading
def show(name: str | None = None) -> dict[str, Any]:
    """What each bridge (or the bridge NAME) is: id (MAC address), state, ports, STP, forward delay in seconds, VLAN
    filtering, MTU."""
    view = look()
    links = [_bridge(view, name)] if name else [link for link in view.links if link.kind == "bridge"]
    return {
        link.name: {
            "id": link.hwaddr,
            "up": link.is_up,
            "interfaces": sorted(port.name for port in view.ports(link.index)),
            "stp": link.stp,
            "forward_delay": seconds(link.forward_delay or 0),
            "vlan_filtering": link.vlan_filtering,
            "mtu": link.mtu,
        }
        for link in links
    }


@reading
def interfaces(name: str) -> list[str]:
    """The ports of the bridge NAME."""
    view = look()
    return sorted(port.name for port in view.ports(_bridge(view, name).index))


@makes("link")
@acting
def add(name: str, mac: str | None = None, **options: float | bool) -> bool:
    """Make the bridge NAME and bring it up, in one message. OPTIONS as those of `bridge.present`, times in seconds;
    what is not given is as the kernel makes it. It keeps the address MAC, without one a random one: the kernel would
    give it another one with each port that comes or goes."""
    given = _options(options) | {"address": mac_address(mac) if mac else _random_mac()}
    with session() as socket:
        socket.link("add", ifname=interface_name(name, "bridge"), kind="bridge", state="up", **given)
    return True


@acting
def delete(name: str) -> bool:
    """Delete the bridge NAME; its ports are free then."""
    with session() as socket:
        socket.link("del", index=_bridge(look_with(socket), name).index)
    return True


@acting
def change(name: str, **options: float | bool) -> bool:
    """Change OPTIONS of the bridge NAME, as in `bridge.add`. What is not given stays."""
    given = _options(options)
    with session() as socket:
        socket.link("set", index=_bridge(look_with(socket), name).index, kind="bridge", **given)
    return True


@acting
def add_port(name: str, port: str) -> bool:
    """Make the interface PORT a port of the bridge NAME; it leaves the bridge where it is now, without a gap."""
    with session() as socket:
        view = look_with(socket)
        socket.link("set", index=found(view, port).index, master=_bridge(view, name).index)
    return True


@acting
def remove_port(name: str, port: str) -> bool:
    """Take the interface PORT out of the bridge NAME."""
    with session() as socket:
        socket.link("set", index=_port(look_with(socket), name, port).index, master=0)
    return True


@acting
def change_port(name: str, port: str, **options: int) -> bool:
    """Change OPTIONS of the PORT of the bridge NAME: cost, priority; isolated, hairpin, learning, guard, root_block."""
    unknown = [option for option in options if option not in _PORT_OPTIONS]
    if unknown:
        raise BadValue(f"a port has no option {unknown[0]!r}.{nearest(unknown[0], _PORT_OPTIONS)}")
    given = {_PORT_OPTIONS[option]: int(value) for option, value in options.items()}
    with session() as socket:
        view = look_with(socket)
        socket.link("set", index=_port(view, name, port).index, kind="bridge_slave", **given)
    return True


@acting
def set_vlans(name: str, port: str, pvid: int | None = None, untagged: str = "", tagged: str = "") -> bool:
    """Have the PORT of the bridge NAME (or the bridge itself, where it is its own name) in exactly these VLANs
    ("1,10-20"), in one batch."""
    want = bridgevalues.vlans_of({"pvid": pvid, "untagged": untagged, "tagged": tagged}, port)
    with session() as socket:
        view = look_with(socket)
        link = _bridge(view, name) if port == name else _port(view, name, port)
        have = vlans_with(socket).get(link.index, Vlans())
        send_changes(socket, link.index, have, want, of_bridge=port == name)
    return True


@reading
def vlan(name: str | None = None) -> dict[str, dict[str, Any]]:
    """The VLANs of every bridge and port (of the bridge NAME and its ports): pvid, untagged, tagged as "1,10-20"."""
    with session() as socket:
        view, found = look_with(socket), vlans_with(socket)
    own = _bridge(view, name).index if name else None
    shown = {}
    for index, vlans in found.items():
        link = view.at(index)
        if link and (own is None or own in (link.index, link.master)):
            shown[link.name] = {
                "pvid": vlans.pvid,
                "untagged": joined(vlans.untagged),
                "tagged": joined(vlans.tagged),
            }
    return shown


def look_at_vlans(view: View, names: Collection[str]) -> dict[str, Vlans]:
    """The VLANs of the bridges and ports NAMES that are there."""
    with session() as socket:
        found = vlans_with(socket)
    links = {name: view.find(name) for name in names}
    return {name: found.get(link.index, Vlans()) for name, link in links.items() if link}


_OPTIONS = {
    "stp": ("br_stp_state", 1),
    "forward_delay": ("br_forward_delay", 100),
    "hello_time": ("br_hello_time", 100),
    "max_age": ("br_max_age", 100),
    "ageing_time": ("br_ageing_time", 100),
    "priority": ("br_priority", 1),
    "multicast_snooping": ("br_mcast_snooping", 1),
    "group_fwd_mask": ("br_group_fwd_mask", 1),
    "vlan_default_pvid": ("br_vlan_default_pvid", 1),
    "vlan_filtering": ("br_vlan_filtering", 1),
}  # what the kernel calls each, and its units in a second
_PORT_OPTIONS = {
    "cost": "IFLA_BRPORT_COST",
    "priority": "IFLA_BRPORT_PRIORITY",
    "isolated": "IFLA_BRPORT_ISOLATED",
    "hairpin": "IFLA_BRPORT_MODE",
    "learning": "IFLA_BRPORT_LEARNING",
    "guard": "IFLA_BRPORT_GUARD",
    "root_block": "IFLA_BRPORT_PROTECT",
}


def _random_mac() -> str:
    """An address that is administered locally, of a single station."""
    return (bytes([0x02]) + os.urandom(5)).hex(":")


def _options(given: Mapping[str, float | bool]) -> dict[str, Any]:
    unknown = [option for option in given if option not in _OPTIONS]
    if unknown:
        raise BadValue(f"a bridge has no option {unknown[0]!r}.{nearest(unknown[0], _OPTIONS)}")
    found: dict[str, Any] = {}
    for option, value in given.items():
        key, factor = _OPTIONS[option]
        found[key] = round(value * factor)
    return found


def _port(view: View, name: str, port: str) -> Link:
    link = found(view, port)
    if link.master != _bridge(view, name).index:
        raise NetworkError(f"{port} is no port of {name}")
    return link


def _bridge(view: View, name: str) -> Link:
    link = found(view, name)
    if link.kind != "bridge":
        raise NetworkError(f"{name} is {kind_words(link)}, not a bridge")
    return link
