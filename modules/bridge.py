"""Linux bridges, by rtnetlink (kind "bridge", linux/if_link.h IFLA_BR_*)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from modules import _addressing
from modules._netlink import Link, NetworkError, View, look, look_with, session
from modules._netvalues import interface_name, seconds
from modules.link import found
from saltern.converge.plan import UNSET, Unset
from saltern.marks import acting, reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Bridge:
    """A bridge as it is, or as it should be.

    `forward_delay` in seconds; `ports_down`: ports that are not up; `addresses` like "192.168.43.1/24", without
    what the kernel makes itself; `addresses_elsewhere`: "192.168.43.1/24 on eth0" for its addresses that other
    interfaces have too; `gateway`: that of the default route through it, None: no such route.
    """

    up: bool = True
    ports: frozenset[str] | Unset = UNSET
    ports_down: frozenset[str] | Unset = UNSET
    stp: bool | Unset = UNSET
    forward_delay: float | Unset = UNSET
    vlan_filtering: bool | Unset = UNSET
    mtu: int | Unset = UNSET
    addresses: frozenset[str] | Unset = UNSET
    addresses_elsewhere: frozenset[str] | Unset = UNSET
    gateway: str | Unset | None = UNSET


def read(view: View, name: str, *, addresses: Collection[str] = (), gateway: str | None = None) -> Bridge | None:
    """The bridge NAME in VIEW, None where there is no interface of that name; judged for the wished ADDRESSES and
    GATEWAY. NetworkError where the name is that of something else."""
    link = view.find(name)
    if link is None:
        return None
    if link.name != name:
        raise NetworkError(f"{name} is another name of the interface {link.name}: give that, or a free one")
    if link.kind != "bridge":
        raise NetworkError(f"{name} is there and is {kind_words(link)}, not a bridge: give another name or remove it")
    ports = view.ports(link.index)
    return Bridge(
        up=link.is_up,
        ports=frozenset(port.name for port in ports),
        ports_down=frozenset(port.name for port in ports if not port.is_up),
        stp=bool(link.stp),
        forward_delay=seconds(link.forward_delay or 0),
        vlan_filtering=bool(link.vlan_filtering),
        mtu=link.mtu,
        addresses=_addressing.addresses(view, link.index, addresses),
        addresses_elsewhere=elsewhere(view, link.index, addresses),
        gateway=_addressing.gateway(view, link.index, gateway) if gateway else UNSET,
    )


def elsewhere(view: View, index: int | None, addresses: Collection[str]) -> frozenset[str]:
    """ "ADDRESS on LINK" for those of ADDRESSES that other links have."""
    return frozenset(f"{address} on {link}" for address, link in _addressing.holders(view, index, addresses))


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


@acting
def add(
    name: str, stp: bool | None = None, forward_delay: float | None = None, vlan_filtering: bool | None = None
) -> bool:
    """Make the bridge NAME and bring it up, in one message. What is None is as the kernel makes it."""
    options = _options(stp, forward_delay, vlan_filtering)
    with session() as socket:
        socket.link("add", ifname=interface_name(name, "bridge"), kind="bridge", state="up", **options)
    return True


@acting
def delete(name: str) -> bool:
    """Delete the bridge NAME; its ports are free then."""
    with session() as socket:
        socket.link("del", index=_bridge(look_with(socket), name).index)
    return True


@acting
def change(
    name: str, stp: bool | None = None, forward_delay: float | None = None, vlan_filtering: bool | None = None
) -> bool:
    """Change options of the bridge NAME; FORWARD_DELAY in seconds. What is None stays."""
    options = _options(stp, forward_delay, vlan_filtering)
    with session() as socket:
        socket.link("set", index=_bridge(look_with(socket), name).index, kind="bridge", **options)
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
        view = look_with(socket)
        link = found(view, port)
        if link.master != _bridge(view, name).index:
            raise NetworkError(f"{port} is no port of {name}")
        socket.link("set", index=link.index, master=0)
    return True


def _options(stp: bool | None, forward_delay: float | None, vlan_filtering: bool | None) -> dict[str, int]:
    given = {
        "br_stp_state": None if stp is None else int(stp),
        "br_forward_delay": None if forward_delay is None else round(forward_delay * 100),
        "br_vlan_filtering": None if vlan_filtering is None else int(vlan_filtering),
    }
    return {name: value for name, value in given.items() if value is not None}


def _bridge(view: View, name: str) -> Link:
    link = found(view, name)
    if link.kind != "bridge":
        raise NetworkError(f"{name} is {kind_words(link)}, not a bridge")
    return link
