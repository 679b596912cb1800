"""Addresses of virtual networks for guests (pillar `vnet`): leased on the master, kept for the guest's life.

A guest's lease is also kept in a file of this node, and served from there while the master is away. A node without a
master leases for itself, in that file. See docs/vnets.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modules._leases import LeaseFile
from saltern import vnet as vnets
from saltern.asks import MasterAway
from saltern.context import Context
from saltern.errors import TemporaryError
from saltern.marks import acting, reading
from saltern.vnet import Lease as Lease
from saltern.vnet import VnetError


class NoLease(TemporaryError):
    """The master, which alone leases, is away, and this node has no lease of that guest."""


@reading
def offer(ctx: Context, vnet: str, guest: str, nic: int = 0, address: str | None = None) -> Lease:
    """The lease that interface NIC (from 0) of GUEST has on the network VNET, else the one that it would get now: the
    wanted ADDRESS or the lowest free one. Field `held` says which. Nothing is taken by asking.

    VnetError or Refused: no such network in this node's pillar, none free, ADDRESS not to be had. NoLease: the master
    is away.
    """
    _check(vnet, guest, nic)
    if address is not None:
        vnets.address_number(address)
    file = _file(ctx)
    if ctx.ask is None:
        return _own_offer(ctx, file, vnet, guest, nic, address)
    try:
        args = {"vnet": vnet, "guest": guest, "nic": nic, "address": address}
        found = _lease(ctx.ask("vnet.offer", args))
    except MasterAway as away:
        kept = file.find(vnet, guest, nic)
        if kept and address in (None, kept.address):
            return kept
        raise NoLease(f"no address of vnet {vnet} for guest {guest!r}: {away}", delay_s=5.0) from None
    if found.held and file.find(vnet, guest, nic) != found:
        with file.locked():
            file.put(found)
    return found


@acting
def lease(ctx: Context, vnet: str, guest: str, nic: int, address: str) -> Lease:
    """Lease exactly ADDRESS to interface NIC of GUEST, durably. A lease that it has already stays as it is.

    VnetError or Refused: another guest has it, GUEST has another one, the network does not give it. NoLease: the master
    is away, and GUEST does not have it.
    """
    _check(vnet, guest, nic)
    file = _file(ctx)
    if ctx.ask is None:
        with file.locked():
            found = _own_offer(ctx, file, vnet, guest, nic, address)
            if not found.held:
                found = vnets.of_pillar(ctx.pillar, vnet).lease(guest, nic, vnets.address_number(address), held=True)
                file.put(found)
        return found
    try:
        args = {"vnet": vnet, "guest": guest, "nic": nic, "address": address}
        found = _lease(ctx.ask("vnet.lease", args))
    except MasterAway as away:
        kept = file.find(vnet, guest, nic)
        if kept and kept.address == address:
            return kept
        raise NoLease(f"{address} of vnet {vnet} for guest {guest!r}: {away}", delay_s=5.0) from None
    with file.locked():
        file.put(found)
    return found


@acting
def release(ctx: Context, vnet: str | None, guest: str) -> None:
    """Give back what GUEST on this node has on the network VNET, or on all (None). Nothing to give back is no error.
    MasterAway: only the master can take it back."""
    vnets.guest_name(guest)
    if vnet is not None:
        vnets.vnet_name(vnet)
    if ctx.ask is not None:
        ctx.ask("vnet.release", {"vnet": vnet, "guest": guest})
    _drop(ctx, vnet, guest)


@acting
def move(ctx: Context, vnet: str | None, guest: str, minion: str) -> None:
    """Give what GUEST on this node has on the network VNET, or on all (None), to the node MINION that it moves to: it
    keeps its addresses there. Refused: that is no accepted minion, or its pillar does not have the network."""
    vnets.guest_name(guest)
    if ctx.ask is None:
        raise VnetError("a node without a master has no other node to give leases to")
    ctx.ask("vnet.move", {"vnet": vnet, "guest": guest, "minion": minion})
    _drop(ctx, vnet, guest)


@reading
def leases(ctx: Context) -> list[Lease]:
    """What this node's guests hold, by network, guest and interface. From the node's own file while the master is
    away."""
    file = _file(ctx)
    if ctx.ask is None:
        return list(file.all())
    try:
        found = tuple(_lease(value) for value in ctx.ask("vnet.leases", {}))
    except MasterAway:
        return list(file.all())
    if set(found) != set(file.all()):
        with file.locked():
            file.replace(found)
    return sorted(found, key=lambda lease: (lease.vnet, lease.guest, lease.nic))


def _check(vnet: str, guest: str, nic: int) -> None:
    vnets.vnet_name(vnet)
    vnets.guest_name(guest)
    vnets.nic_number(nic)


def _file(ctx: Context) -> LeaseFile:
    return LeaseFile(ctx.config.paths.var)


def _drop(ctx: Context, vnet: str | None, guest: str) -> None:
    file = _file(ctx)
    if any(lease.guest == guest for lease in file.all()):
        with file.locked():
            file.drop(vnet, guest)


def _lease(value: Mapping[str, Any]) -> Lease:
    import msgspec

    return msgspec.convert(value, Lease)


def _own_offer(ctx: Context, file: LeaseFile, vnet: str, guest: str, nic: int, address: str | None) -> Lease:
    """An offer of a node without a master."""
    network = vnets.of_pillar(ctx.pillar, vnet)
    wanted = None if address is None else vnets.address_number(address)
    others = {vnets.address_number(other.address): other for other in file.all() if other.vnet == vnet}
    have = next((number for number, other in others.items() if (other.guest, other.nic) == (guest, nic)), None)
    if have is not None:
        if wanted not in (None, have):
            raise VnetError(
                f"guest {guest!r} holds {others[have].address} of vnet {vnet}, not {address}: release that first "
                "(vnet.release)"
            )
        if not int(network.network[0]) < have < int(network.network[-1]):
            raise VnetError(
                f"guest {guest!r} holds {others[have].address} of vnet {vnet}, which is not in its network "
                f"{network.network} any more: release it (vnet.release)"
            )
        return network.lease(guest, nic, have, held=True)
    if wanted is None:
        wanted = vnets.first_free(network, others)
        if wanted is None:
            raise VnetError(f"vnet {vnet} has no free address: all {vnets.size(network)} of its range are leased")
    elif not network.gives(wanted):
        raise VnetError(f"vnet {vnet} does not give {address}: it is outside of its range, or excluded")
    elif wanted in others:
        raise VnetError(f"{address} of vnet {vnet} is leased already, to guest {others[wanted].guest!r}")
    return network.lease(guest, nic, wanted, held=False)
