"""VXLANs (kind "vxlan", RFC 7348): Ethernet networks carried in UDP between hosts."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from modules._network import interface
from modules._network.interface import Interface
from modules._network.linkinfo import VxlanInfo
from modules._network.linkvalues import port as checked_port
from modules._network.linkvalues import port_range, vxlan_id
from modules._network.netlink import Link, View, look, look_with, session
from modules._network.netvalues import interface_name, whole_number
from modules.link import found
from saltern.converge.plan import UNSET, Unset
from saltern.marks import acting, makes, reading

OPTIONS: Mapping[str, Callable[[Any], Any]] = {
    "learning": bool,
    "ttl": lambda value: whole_number(value, "ttl", 0, 255),
    "tos": lambda value: whole_number(value, "tos", 0, 255),
    "source_ports": lambda value: port_range(value),
}  # beside what the tunnel is
PORT = 4789  # as IANA assigned it; Linux's own default is older


@dataclass(frozen=True, slots=True, kw_only=True)
class Vxlan(Interface):
    """A VXLAN interface as it is, or as it should be. `remote`: the host or multicast group that frames to unknown
    stations go to; `local`: the address that it sends from; `parent`: the link that it sends by. None: none is set."""

    id: int
    remote: str | None = None
    local: str | None = None
    parent: str | None = None
    port: int = PORT
    parent_up: bool = True
    learning: bool | Unset = UNSET
    ttl: int | Unset = UNSET
    tos: int | Unset = UNSET
    source_ports: tuple[int, int] | Unset = UNSET


def read(view: View, name: str, *, addresses: Collection[str] = (), gateway: str | None = None) -> Vxlan | None:
    """The VXLAN interface NAME in VIEW, None where there is no interface of that name."""
    link = interface.named(view, name, "vxlan")
    if link is None:
        return None
    parent = view.at(link.parent)
    info = info_of(link)
    return Vxlan(
        id=info.id,
        remote=info.remote,
        local=info.local,
        parent=parent.name if parent else None,
        port=info.port,
        parent_up=parent.is_up if parent else True,
        learning=info.learning,
        ttl=info.ttl,
        tos=info.tos,
        source_ports=info.source_ports,
        **interface.common(view, link, addresses, gateway),
    )


def info_of(link: Link) -> VxlanInfo:
    """What the VXLAN interface LINK has of its own."""
    if isinstance(link.info, VxlanInfo):
        return link.info
    return VxlanInfo(id=0, remote=None, local=None, port=0, parent=None)


@reading
def list_() -> dict[str, Any]:
    """Every VXLAN interface: id, remote, local, parent, port, up, MTU."""
    view = look()
    return {
        link.name: {
            "id": info_of(link).id,
            "remote": info_of(link).remote,
            "local": info_of(link).local,
            "parent": view.name_at(link.parent) if link.parent else None,
            "port": info_of(link).port,
            "up": link.is_up,
            "mtu": link.mtu,
        }
        for link in view.links
        if link.kind == "vxlan"
    }


@makes("link")
@acting
def add(
    name: str,
    id: int,
    remote: str | None = None,
    local: str | None = None,
    parent: str | None = None,
    port: int = PORT,
    **options: Any,
) -> bool:
    """Make the interface NAME of the VXLAN ID, and bring it up. OPTIONS: learning, ttl, tos, source_ports."""
    with session() as socket:
        index = found(look_with(socket), parent).index if parent else None
        arguments = _arguments(id, remote, local, index, port) | _options(options)
        socket.link("add", ifname=interface_name(name), kind="vxlan", state="up", **arguments)
    return True


@acting
def delete(name: str) -> bool:
    """Delete the VXLAN interface NAME."""
    interface.delete(name, "vxlan")
    return True


@acting
def replace(
    name: str,
    id: int,
    remote: str | None = None,
    local: str | None = None,
    parent: str | None = None,
    port: int = PORT,
    **options: Any,
) -> bool:
    """Make the VXLAN interface NAME anew, with OPTIONS as in `vxlan.add`; those that are not given stay. Its MAC
    address, bridge, addresses and routes are kept, what it learned is not; where the new one can't be made, the old one
    is put back."""
    with session() as socket:
        view = look_with(socket, addresses=True)
        old = interface.ours(view, name, "vxlan")
        had = info_of(old)
        mac = {"address": old.hwaddr} if old.hwaddr else {}
        index = found(view, parent).index if parent else None
        kept = {option: getattr(had, option) for option in OPTIONS}
        new = _arguments(id, remote, local, index, port) | _options(kept | options) | mac
        back = _arguments(had.id, had.remote, had.local, had.parent, had.port) | _options(kept) | mac
        interface.remake(socket, old, view.addresses, new, back)
    return True


def _options(given: Mapping[str, Any]) -> dict[str, Any]:
    """GIVEN options as pyroute2 takes them. What is 0 is the kernel's own choice, and is not sent."""
    found: dict[str, Any] = {}
    for option, value in given.items():
        checked = OPTIONS[option](value)
        if option == "source_ports":
            found |= {"vxlan_port_range": {"low": checked[0], "high": checked[1]}} if any(checked) else {}
        elif checked or option == "learning":
            found[f"vxlan_{option}"] = int(checked)
    return found


def _arguments(id: int, remote: str | None, local: str | None, parent: int | None, port: int) -> dict[str, Any]:
    found: dict[str, Any] = {"vxlan_id": vxlan_id(id), "vxlan_port": checked_port(port)}
    if remote:
        found["vxlan_group6" if ":" in remote else "vxlan_group"] = remote
    if local:
        found["vxlan_local6" if ":" in local else "vxlan_local"] = local
    return found | ({"vxlan_link": parent} if parent else {})
