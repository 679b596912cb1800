"""Pairs of virtual Ethernet interfaces (kind "veth"): what goes in at one end comes out at the other."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from modules._network import interface
from modules._network.interface import ELSEWHERE, Interface
from modules._network.netlink import NetworkError, View, look, look_with, session
from modules._network.netvalues import interface_name
from modules.link import found, set_or_interrupt
from saltern.converge.plan import UNSET, Unset
from saltern.marks import acting, makes, reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Veth(Interface):
    """One end of a pair as it is, or as it should be, and the other end `peer`."""

    peer: str
    peer_up: bool | Unset = True
    peer_mtu: int | Unset = UNSET


def read(view: View, name: str, *, addresses: Collection[str] = (), gateway: str | None = None) -> Veth | None:
    """The veth NAME in VIEW, None where there is no interface of that name. A peer that was moved into another network
    namespace (a container's) is ELSEWHERE: this node does not see its name."""
    link = interface.named(view, name, "veth")
    if link is None:
        return None
    peer = None if link.parent_elsewhere else view.at(link.parent)
    return Veth(
        peer=peer.name if peer else ELSEWHERE,
        peer_up=peer.is_up if peer else UNSET,
        peer_mtu=peer.mtu if peer else UNSET,
        **interface.common(view, link, addresses, gateway),
    )


@reading
def list_() -> dict[str, Any]:
    """Every veth: peer (None where that is in another network namespace), up, MTU."""
    view = look()
    return {
        link.name: {
            "peer": None if link.parent_elsewhere else view.name_at(link.parent),
            "up": link.is_up,
            "mtu": link.mtu,
        }
        for link in view.links
        if link.kind == "veth"
    }


@makes("link", 2)
@acting
def add(name: str, peer: str) -> bool:
    """Make the pair NAME and PEER, both up."""
    with session() as socket:
        ends = {"ifname": interface_name(name), "peer": {"ifname": interface_name(peer, "peer")}}
        socket.link("add", kind="veth", state="up", **ends)
        socket.link("set", index=found(look_with(socket), peer).index, state="up")
    return True


@acting
def delete(name: str) -> bool:
    """Delete the veth NAME, and with it its peer wherever that is."""
    interface.delete(name, "veth")
    return True


@acting
def rename_peer(name: str, peer: str) -> bool:
    """Give the other end of the veth NAME the name PEER."""
    with session() as socket:
        view = look_with(socket)
        link = interface.ours(view, name, "veth")
        other = None if link.parent_elsewhere else view.at(link.parent)
        if other is None:
            raise NetworkError(f"the other end of {name} is in another network namespace")
        set_or_interrupt(socket, other, ifname=interface_name(peer, "peer"))
    return True
