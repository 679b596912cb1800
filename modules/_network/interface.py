"""What interfaces of every kind that Saltern makes have in common: that they are up, their MTU, addresses and default
route; and making one anew without losing what stands on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from modules._network import addressing
from modules._network.netlink import Address, Link, NetworkError, View, look_with, session
from modules.bridge import elsewhere, kind_words
from modules.link import found, put_route, routes_of
from saltern.converge.plan import UNSET, Unset

ELSEWHERE = "(in another network namespace)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interface:
    """The fields as in `modules.bridge.Bridge`."""

    up: bool = True
    mtu: int | Unset = UNSET
    addresses: frozenset[str] | Unset = UNSET
    addresses_elsewhere: frozenset[str] | Unset = UNSET
    gateway: str | Unset | None = UNSET


def named(view: View, name: str, kind: str) -> Link | None:
    """The link NAME in VIEW, None where there is none. NetworkError where the name is that of another KIND."""
    link = view.find(name)
    if link is None:
        return None
    if link.name != name:
        raise NetworkError(f"{name} is another name of the interface {link.name}: give that, or a free one")
    if link.kind != kind:
        raise NetworkError(f"{name} is there and is {kind_words(link)}, not a {kind}: give another name or remove it")
    return link


def common(view: View, link: Link, addresses: Collection[str], gateway: str | None) -> dict[str, Any]:
    """The fields of Interface for LINK, judged for the wished ADDRESSES and GATEWAY."""
    return {
        "up": link.is_up,
        "mtu": link.mtu,
        "addresses": addressing.addresses(view, link.index, addresses),
        "addresses_elsewhere": elsewhere(view, link.index, addresses),
        "gateway": addressing.gateway(view, link.index, gateway) if gateway else UNSET,
    }


def ours(view: View, name: str, kind: str) -> Link:
    """The link NAME of KIND, to act on. NetworkError where it is none."""
    link = found(view, name)
    if link.kind != kind:
        raise NetworkError(f"{name} is {kind_words(link)}, not a {kind}")
    return link


def delete(name: str, kind: str) -> None:
    """Delete the link NAME, which must be of KIND."""
    with session() as socket:
        socket.link("del", index=ours(look_with(socket), name, kind).index)


def remake(
    socket: Any, old: Link, addresses: Collection[Address], new: Mapping[str, Any], back: Mapping[str, Any]
) -> None:
    """Make the link OLD anew from the arguments NEW of a link message; its master, MTU, ADDRESSES and routes are kept.
    Where the new one can't be made, the old one is put back from the arguments BACK."""
    routes = routes_of(socket, old.index)
    mine = [entry for entry in addresses if entry.index == old.index and entry.permanent and not entry.is_link_local_6]
    kept = {"ifname": old.name, "kind": old.kind, "mtu": old.mtu, "state": "up"}
    socket.link("del", index=old.index)
    try:
        socket.link("add", **(kept | dict(new)))
    except BaseException:
        with suppress(Exception):
            socket.link("add", **(kept | dict(back)))
            _dress(socket, old, mine, routes)
        raise
    _dress(socket, old, mine, routes)


def _dress(socket: Any, old: Link, addresses: list[Address], routes: list[Any]) -> None:
    index = found(look_with(socket), old.name).index
    if old.master:
        socket.link("set", index=index, master=old.master)
    for entry in addresses:
        host, _, length = entry.address.partition("/")
        extra = {"broadcast": entry.broadcast} if entry.broadcast else {}
        socket.addr("add", index=index, address=host, prefixlen=int(length), **extra)
    for message in routes:
        put_route(socket, message, index)
