"""802.1Q VLANs as interfaces of their own, by rtnetlink (kind "vlan", linux/if_link.h IFLA_VLAN_*)."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from modules._network import addressing
from modules._network.netlink import Link, NetworkError, View, look, look_with, session
from modules._network.netvalues import PROTOCOLS, interface_name, vlan_id, vlan_protocol
from modules.bridge import elsewhere, kind_words
from modules.link import found, put_route, routes_of
from saltern.converge.plan import UNSET, Unset
from saltern.marks import acting, makes, reading

NO_8021Q = "this kernel has no 802.1Q: load the module 8021q"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vlan:
    """A VLAN interface as it is, or as it should be: tag `id` of `protocol` ("802.1q", "802.1ad") on the link `parent`.
    The rest is as in `modules.bridge.Bridge`; `parent_up`, since a VLAN passes nothing while its parent is down."""

    parent: str
    id: int
    protocol: str = "802.1q"
    up: bool = True
    parent_up: bool = True
    mtu: int | Unset = UNSET
    addresses: frozenset[str] | Unset = UNSET
    addresses_elsewhere: frozenset[str] | Unset = UNSET
    gateway: str | Unset | None = UNSET


def read(view: View, name: str, *, addresses: Collection[str] = (), gateway: str | None = None) -> Vlan | None:
    """The VLAN interface NAME in VIEW, None where there is no interface of that name; judged for the wished ADDRESSES
    and GATEWAY. NetworkError where the name is that of something else."""
    link = view.find(name)
    if link is None:
        return None
    if link.name != name:
        raise NetworkError(f"{name} is another name of the interface {link.name}: give that, or a free one")
    if link.kind != "vlan":
        raise NetworkError(f"{name} is there and is {kind_words(link)}, not a VLAN: give another name or remove it")
    parent = None if link.parent_elsewhere else view.at(link.parent)
    return Vlan(
        parent=parent.name if parent else "(in another network namespace)",
        id=link.vlan_id or 0,
        protocol=link.vlan_protocol or "802.1q",
        up=link.is_up,
        parent_up=parent.is_up if parent else True,
        mtu=link.mtu,
        addresses=addressing.addresses(view, link.index, addresses),
        addresses_elsewhere=elsewhere(view, link.index, addresses),
        gateway=addressing.gateway(view, link.index, gateway) if gateway else UNSET,
    )


def lacking() -> str | None:
    """Why no VLAN can be made here, or None. The kernel loads the module 8021q itself where it has it."""
    if os.path.isdir("/proc/thread-self/net/vlan"):
        return None
    from modules import kmod

    return None if kmod.is_available("8021q") else NO_8021Q


@reading
def list_() -> dict[str, Any]:
    """Every VLAN interface: parent, id, protocol, up, MTU."""
    view = look()
    return {
        link.name: {
            "parent": view.name_at(link.parent),
            "id": link.vlan_id,
            "protocol": link.vlan_protocol,
            "up": link.is_up,
            "mtu": link.mtu,
        }
        for link in view.links
        if link.kind == "vlan"
    }


@makes("link")
@acting
def add(name: str, parent: str, id: int, protocol: str = "802.1q", mtu: int | None = None) -> bool:
    """Make the interface NAME for the VLAN ID on the link PARENT, and bring it up."""
    with session() as socket:
        _add(socket, name, found(look_with(socket), parent).index, id, protocol, mtu=mtu)
    return True


@acting
def delete(name: str) -> bool:
    """Delete the VLAN interface NAME."""
    with session() as socket:
        socket.link("del", index=_vlan(look_with(socket), name).index)
    return True


@acting
def replace(name: str, parent: str, id: int, protocol: str = "802.1q") -> bool:
    """Make the VLAN interface NAME anew with another parent, id or protocol, which the kernel can't change. Its bridge,
    addresses and routes are kept, its MTU as far as the parent has it; where the new one can't be made, the old one is
    put back."""
    with session() as socket:
        view = look_with(socket, addresses=True)
        old, new_parent = _vlan(view, name), found(view, parent)
        routes = routes_of(socket, old.index)
        mine = [entry for entry in view.addresses if entry.index == old.index and entry.permanent]
        socket.link("del", index=old.index)
        try:
            size = min(old.mtu, new_parent.mtu)
            _add(socket, name, new_parent.index, id, protocol, mtu=size, master=old.master)
        except BaseException:
            with suppress(Exception):
                _add(
                    socket,
                    name,
                    old.parent or 0,
                    old.vlan_id or 0,
                    old.vlan_protocol or "802.1q",
                    mtu=old.mtu,
                    master=old.master,
                )
                _dress(socket, name, mine, routes)
            raise
        _dress(socket, name, mine, routes)
    return True


def _dress(socket: Any, name: str, addresses: list[Any], routes: list[Any]) -> None:
    index = found(look_with(socket), name).index
    for entry in addresses:
        if not entry.is_link_local_6:
            host, _, length = entry.address.partition("/")
            extra = {"broadcast": entry.broadcast} if entry.broadcast else {}
            socket.addr("add", index=index, address=host, prefixlen=int(length), **extra)
    for message in routes:
        put_route(socket, message, index)


def _add(
    socket: Any, name: str, parent: int, id: int, protocol: str, *, mtu: int | None = None, master: int | None = None
) -> None:
    socket.link(
        "add",
        ifname=interface_name(name, "VLAN interface"),
        kind="vlan",
        link=parent,
        vlan_id=vlan_id(id),
        vlan_protocol=PROTOCOLS[vlan_protocol(protocol)],
        state="up",
        **({"mtu": mtu} if mtu else {}),
        **({"master": master} if master else {}),
    )


def _vlan(view: View, name: str) -> Link:
    link = found(view, name)
    if link.kind != "vlan":
        raise NetworkError(f"{name} is {kind_words(link)}, not a VLAN")
    return link
