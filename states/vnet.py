"""Addresses of virtual networks for guests, held or given back explicitly.

A guest that names a network leases by itself; these states are for what is no guest of this node: a service address, a
machine that is set up by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modules import vnet as vnets
from modules.vnet import Lease
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import state
from saltern.vnet import guest_name, vnet_name


@dataclass(frozen=True, slots=True)
class Leased:
    """What a guest's interface has of a network."""

    address: str
    mac: str


@dataclass(frozen=True, slots=True)
class Held:
    """All that a guest has, as "NETWORK ADDRESS"."""

    leases: tuple[str, ...]


@state
def leased(
    ctx: Context, name: str, *, vnet: str, guest: str | Unset = UNSET, nic: int = 0, address: str | Unset = UNSET
) -> Plan:
    """The guest NAME has an address of the virtual network VNET, and keeps it.

    vnet: a key of the pillar's `vnet`.
    guest: its name, where NAME is something else.
    nic: the number of its interface, from 0.
    address: just this one; otherwise the lowest that is free.
    """
    whose = name if isinstance(guest, Unset) else guest
    found = vnets.offer(ctx, vnet, whose, nic, None if isinstance(address, Unset) else address)
    wish = Leased(found.address, found.mac)
    return Plan(wish if found.held else None, wish, steps(ctx, found))


@state
def released(ctx: Context, name: str, *, vnet: str | Unset = UNSET) -> Plan:
    """The guest NAME has no address of the virtual network VNET, or of any.

    vnet: a key of the pillar's `vnet`; all where it is not given.
    """
    guest_name(name)
    only = None if isinstance(vnet, Unset) else vnet_name(vnet)
    held = tuple(
        f"{lease.vnet} {lease.address}"
        for lease in vnets.leases(ctx)
        if lease.guest == name and only in (None, lease.vnet)
    )
    if not held:
        return Plan(None, None)
    step = Step(f"release {', '.join(held)} of {name}", held, None, do=call(vnets.release, ctx, only, name))
    return Plan(Held(held), None, [step])


def steps(ctx: Context, found: Lease) -> Iterator[Step]:
    """The step to an offer that is not held. Pure."""
    if not found.held:
        sentence = f"lease {found.address} of vnet {found.vnet} to {found.guest}"
        do = call(vnets.lease, ctx, found.vnet, found.guest, found.nic, found.address)
        yield Step(sentence, None, found.address, do=do)
