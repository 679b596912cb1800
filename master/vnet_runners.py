"""The runners of virtual networks: who has which address; reserve, move and release by hand."""

from __future__ import annotations

import time
from typing import Any

from master import vnet
from master.dispatch import Dispatch
from master.keys import iso
from master.vnet_asks import check_receiver
from saltern import names
from saltern.errors import nearest
from saltern.vnet import Vnet, VnetError, address_number, guest_name, of_pillar, vnet_name


async def leases(master: Dispatch, name: str | None = None) -> list[dict[str, Any]]:
    """The leases, of the virtual network NAME or of all, by address. minion '': reserved for a guest that has not
    asked yet."""
    wanted = None if name is None else vnet_name(name)
    return [_row(lease) for lease in await master.store.do(lambda c: vnet.listing(c, wanted))]


async def release(master: Dispatch, name: str, guest: str) -> list[str]:
    """Take back the addresses of GUEST on the virtual network NAME: which they were. A guest that still uses one keeps
    using it, so stop it first."""
    wanted, whose = vnet_name(name), guest_name(str(guest))
    gone = await master.store.do(lambda c: vnet.release(c, wanted, whose))
    if not gone:
        known = {lease.guest for lease in await master.store.do(lambda c: vnet.listing(c, wanted))}
        raise VnetError(f"guest {whose!r} has no address of vnet {wanted}.{nearest(whose, known)}")
    return [lease.shown for lease in gone]


async def reserve(master: Dispatch, name: str, guest: str, address: str) -> dict[str, Any]:
    """Keep ADDRESS of the virtual network NAME for GUEST: the first minion that asks for that guest gets it. It may
    lie outside of the range, but not outside of the network."""
    whose, number = guest_name(str(guest)), address_number(address)
    network = await _network(master, vnet_name(name))
    low, high = int(network.network.network_address), int(network.network.broadcast_address)
    if not low < number < high or (network.gateway and number == int(network.gateway)):
        raise VnetError(f"{address} can't be an address of a guest on vnet {name}, the network {network.network}")

    def put(c: Any) -> vnet.Taken:
        if other := vnet.holder(c, network.name, number):
            raise VnetError(f"{other.shown} of vnet {name} is leased already, to {other.whose}")
        if has := vnet.find(c, network.name, whose, 0):
            raise VnetError(f"{has.whose} has {has.shown} of vnet {name}: saltern-run vnet.release {name} {whose}")
        made = vnet.Taken(network.name, whose, 0, "", number, time.time())
        vnet.insert(c, made)
        return made

    return _row(await master.store.do(put))


async def move(master: Dispatch, name: str, guest: str, minion: str) -> list[dict[str, Any]]:
    """Let MINION hold the addresses of GUEST on the virtual network NAME, where the guest moved to."""
    wanted, whose, to = vnet_name(name), guest_name(str(guest)), names.minion_id(minion)
    await check_receiver(master.asks.asking, to, {wanted})
    moved = await master.store.do(lambda c: vnet.move(c, wanted, whose, to))
    if not moved:
        raise VnetError(f"guest {whose!r} has no address of vnet {wanted}")
    return [_row(lease) for lease in moved]


async def _network(master: Dispatch, name: str) -> Vnet:
    """The virtual network NAME from the pillar of any minion that has it."""
    minions = sorted(master.presence.minions.values(), key=lambda minion: minion.id)
    pillars = await master.pillars(minions)
    seen: set[str] = set()
    for minion in minions:
        pillar = pillars.get(minion.record.public, {})
        there = pillar.get("vnet")
        if isinstance(there, dict):
            seen |= {str(key) for key in there}
            if name in there:
                return of_pillar(pillar, name)
    raise VnetError(f"no minion's pillar has a virtual network {name!r}.{nearest(name, seen)}")


def _row(lease: vnet.Taken) -> dict[str, Any]:
    return {
        "vnet": lease.vnet,
        "address": lease.shown,
        "guest": lease.guest,
        "nic": lease.nic,
        "minion": lease.minion,
        "since": iso(lease.since),
    }
