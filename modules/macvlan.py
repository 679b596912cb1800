"""Macvlans (kind "macvlan"): further interfaces with MAC addresses of their own on one parent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from modules._network import interface
from modules._network.interface import ELSEWHERE, Interface
from modules._network.linkinfo import MacvlanInfo
from modules._network.linkvalues import macvlan_mode
from modules._network.netlink import Link, View, look, look_with, session
from modules._network.netvalues import interface_name
from modules.link import found
from saltern.marks import acting, makes, reading

PASSTHRU = "passthru"  # takes the whole parent: the kernel lets no other mode change to it or from it


@dataclass(frozen=True, slots=True, kw_only=True)
class Macvlan(Interface):
    """A macvlan as it is, or as it should be, on the link `parent`, in `mode`."""

    parent: str
    mode: str
    parent_up: bool = True


def read(view: View, name: str, *, addresses: Collection[str] = (), gateway: str | None = None) -> Macvlan | None:
    """The macvlan NAME in VIEW, None where there is no interface of that name."""
    link = interface.named(view, name, "macvlan")
    if link is None:
        return None
    parent = None if link.parent_elsewhere else view.at(link.parent)
    return Macvlan(
        parent=parent.name if parent else ELSEWHERE,
        mode=_mode(link),
        parent_up=parent.is_up if parent else True,
        **interface.common(view, link, addresses, gateway),
    )


@reading
def list_() -> dict[str, Any]:
    """Every macvlan: parent, mode, up, MTU."""
    view = look()
    return {
        link.name: {"parent": view.name_at(link.parent), "mode": _mode(link), "up": link.is_up, "mtu": link.mtu}
        for link in view.links
        if link.kind == "macvlan"
    }


@makes("link")
@acting
def add(name: str, parent: str, mode: str) -> bool:
    """Make the macvlan NAME on the link PARENT, and bring it up."""
    with session() as socket:
        socket.link(
            "add",
            ifname=interface_name(name),
            kind="macvlan",
            link=found(look_with(socket), parent).index,
            macvlan_mode=macvlan_mode(mode),
            state="up",
        )
    return True


@acting
def delete(name: str) -> bool:
    """Delete the macvlan NAME."""
    interface.delete(name, "macvlan")
    return True


@acting
def set_mode(name: str, mode: str) -> bool:
    """Change the mode of the macvlan NAME; not to or from "passthru"."""
    with session() as socket:
        link = interface.ours(look_with(socket), name, "macvlan")
        socket.link("set", index=link.index, kind="macvlan", macvlan_mode=macvlan_mode(mode))
    return True


@acting
def replace(name: str, parent: str, mode: str) -> bool:
    """Make the macvlan NAME anew on another PARENT or in another mode. Its MAC address, addresses and routes are kept;
    where the new one can't be made, the old one is put back."""
    with session() as socket:
        view = look_with(socket, addresses=True)
        old = interface.ours(view, name, "macvlan")
        below = found(view, parent)
        new = {"link": below.index, "macvlan_mode": macvlan_mode(mode), **_mac(old, mode)}
        new["mtu"] = min(old.mtu, below.mtu)
        back = {"link": old.parent, "macvlan_mode": _mode(old), **_mac(old, _mode(old))}
        interface.remake(socket, old, view.addresses, new, back)
    return True


def _mac(old: Link, mode: str) -> dict[str, Any]:
    """In passthru both have the parent's address: neither is the macvlan's own to keep."""
    return {} if PASSTHRU in (mode, _mode(old)) or not old.hwaddr else {"address": old.hwaddr}


def _mode(link: Link) -> str:
    return link.info.mode if isinstance(link.info, MacvlanInfo) else "?"
