"""802.1Q VLANs on an interface: that each exists, is up, and has these addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from modules import link, vlan
from modules._network import netvalues as values
from modules._network.netlink import NetworkError, View, look
from modules.vlan import Vlan
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, check_together, state
from saltern.kept import promised
from states._network.addressing import Around, address_steps, around, gateway_steps
from states._network.check import asked, common, conflicts, parent_of
from states._network.interface import check_free
from states._network.persistence import persisted


@state
@persisted("vlan")
def present(
    ctx: Context,
    name: str,
    *,
    parent: str,
    id: int,
    protocol: str = "802.1q",
    addresses: Sequence[str] | Unset = UNSET,
    gateway: str | Unset = UNSET,
    mtu: int | Unset = UNSET,
    persist: str | bool | Unset = UNSET,
) -> Plan:
    """The interface NAME carries the VLAN ID (1 to 4094) of the interface PARENT; both are up. What is not named is
    left as it is.

    protocol: "802.1q", or "802.1ad" for service tags.
    addresses, gateway, mtu, persist: as in `bridge.present`. The MTU can't be more than the parent's.
    An interface with another id, parent or protocol is made anew; its bridge, addresses and routes are kept.
    """
    values.interface_name(name, "VLAN interface")
    parent_of(name, parent)
    wish = _wish(parent, id, protocol, addresses, gateway, mtu)
    named = wish.addresses if isinstance(wish.addresses, frozenset) else frozenset()
    wanted_gateway = wish.gateway if isinstance(wish.gateway, str) else None
    view = look(addresses=not isinstance(wish.addresses, Unset), routes=wanted_gateway is not None)
    current = vlan.read(view, name, addresses=named, gateway=wanted_gateway)
    wish, unknown = _checked(view, name, current, wish)
    below = view.find(wish.parent)
    plan = steps(name, current, wish, below is None or below.is_up, around(view, name, named, wanted_gateway))
    return Plan(current, wish, plan, unknown=unknown)


@check(present)
def _check_arguments(name: str, *, parent: str, id: int, protocol: str = "802.1q", **more: Any) -> None:
    asked(
        name=lambda: values.interface_name(name, "VLAN interface"),
        parent=lambda: parent_of(name, parent),
        id=lambda: values.vlan_id(id),
        protocol=lambda: values.vlan_protocol(protocol),
        **common(more),
    )


check_together(conflicts, present)


@state
@persisted("vlan")
def absent(ctx: Context, name: str) -> Plan:
    """There is no VLAN interface NAME."""
    values.interface_name(name, "VLAN interface")
    view = look(addresses=True)
    current = vlan.read(view, name)
    if current is None:
        return Plan(None, None)
    check_free(view, name, "go")
    before = f"VLAN {current.id} on {current.parent}"
    return Plan(current, None, [Step(f"delete VLAN interface {name}", before, None, do=call(vlan.delete, name))])


def steps(
    name: str, current: Vlan | None, wish: Vlan, parent_is_up: bool = True, around: Around = Around()
) -> Iterator[Step]:
    """The steps from CURRENT (None: no such interface) to WISH, in order. Pure. PARENT_IS_UP: the wished parent."""
    if not parent_is_up:
        yield Step(f"bring up {wish.parent}", "down", "up", do=call(link.up, wish.parent))
    words = f"VLAN {wish.id} on {wish.parent}"
    arguments = (name, wish.parent, wish.id, *([wish.protocol] if wish.protocol != "802.1q" else []))
    if current is None:
        yield Step(f"add {name}: {words}", None, words, do=call(vlan.add, *arguments))
    elif _tag(current) != _tag(wish):
        before = f"VLAN {current.id} on {current.parent}"
        if current.protocol != wish.protocol:
            before, words = f"{before} ({current.protocol})", f"{words} ({wish.protocol})"
        yield Step(f"make {name} anew: {before} → {words}", before, words, do=call(vlan.replace, *arguments))
    elif not current.up:
        yield Step(f"bring up {name}", "down", "up", do=call(link.up, name))
    if wish.mtu and (current is None or current.mtu != wish.mtu or _tag(current) != _tag(wish)):
        before_mtu = current.mtu if current else None
        yield Step(f"set MTU of {name} to {wish.mtu}", before_mtu, wish.mtu, do=call(link.set_mtu, name, wish.mtu))
    yield from address_steps(name, current.addresses if current else frozenset(), wish.addresses, around)
    yield from gateway_steps(name, current.gateway if current else None, wish.gateway, around.displaced)


def _tag(value: Vlan) -> tuple[str, int, str]:
    return value.parent, value.id, value.protocol


def _wish(
    parent: str,
    id: int,
    protocol: str,
    addresses: Sequence[str] | Unset,
    gateway: str | Unset,
    mtu: int | Unset,
) -> Vlan:
    wanted = UNSET if isinstance(addresses, Unset) else values.interface_addresses(addresses)
    in_networks = None if isinstance(wanted, Unset) else wanted
    return Vlan(
        parent=parent,
        id=values.vlan_id(id),
        protocol=values.vlan_protocol(protocol),
        mtu=UNSET if isinstance(mtu, Unset) else values.mtu(mtu),
        addresses=wanted,
        addresses_elsewhere=UNSET if isinstance(addresses, Unset) else frozenset(),
        gateway=UNSET if isinstance(gateway, Unset) else values.gateway_address(gateway, in_networks),
    )


def _checked(view: View, name: str, current: Vlan | None, wish: Vlan) -> tuple[Vlan, str | None]:
    """The wish with its parent by its real name, and why nothing can be said yet. NetworkError where the kernel would
    refuse it whatever comes before."""
    from dataclasses import replace

    parent = view.find(wish.parent)
    if parent is None:
        return wish, None if promised("link", wish.parent) else view.missing(wish.parent)
    wish = wish if parent.name == wish.parent else replace(wish, parent=parent.name)
    if parent.name == "lo":
        raise NetworkError("lo carries no VLANs: give the interface that is on the wire")
    if current is None:
        _check_tag_free(view, name, parent.index, wish)
    elif _tag(current) != _tag(wish):
        check_free(view, name, "be made anew")
        _check_tag_free(view, name, parent.index, wish)
    if not isinstance(wish.mtu, Unset) and wish.mtu > parent.mtu:
        return (
            wish,
            f"MTU {wish.mtu} of {name} is more than the {parent.mtu} of its parent {parent.name}: raise that first",
        )
    return wish, vlan.lacking() if current is None else None


def _check_tag_free(view: View, name: str, parent: int, wish: Vlan) -> None:
    for other in view.carried(parent):
        same = (other.kind, other.vlan_id, other.vlan_protocol) == ("vlan", wish.id, wish.protocol)
        if same and other.name != name:
            raise NetworkError(
                f"{name} can't carry VLAN {wish.id} of {wish.parent}: {other.name} does; "
                f"a VLAN of a parent has one interface, so use {other.name} or remove it first"
            )
