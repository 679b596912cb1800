"""The questions about virtual networks. What a network is comes from the pillar that the master renders for the minion
that asks, so a minion has only the networks that its administrator gave it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from master import vnet
from master.asking import Arguments, Asking, Entry
from master.presence import Minion
from saltern.vnet import (
    Lease,
    Vnet,
    VnetError,
    address_number,
    all_of,
    guest_name,
    nic_number,
    of_pillar,
    vnet_name,
)


class Offer(Arguments, frozen=True, forbid_unknown_fields=True):
    """What would a lease take now?"""

    vnet: str
    guest: str
    nic: int = 0
    address: str | None = None


class Take(Arguments, frozen=True, forbid_unknown_fields=True):
    """Lease exactly this address."""

    vnet: str
    guest: str
    nic: int
    address: str


class Release(Arguments, frozen=True, forbid_unknown_fields=True):
    """Give back what a guest has; VNET None: on every network."""

    vnet: str | None
    guest: str


class Move(Arguments, frozen=True, forbid_unknown_fields=True):
    """Give what a guest has to the minion that it moves to; VNET None: on every network."""

    vnet: str | None
    guest: str
    minion: str


class Leases(Arguments, frozen=True, forbid_unknown_fields=True):
    """The leases of the minion that asks."""


async def offer(asking: Asking, minion: Minion, given: Offer) -> Lease:
    """The lease that a guest has, or the one that it would get."""
    network, guest = await _network(asking, minion, given.vnet, given.guest, given.nic)
    wanted = None if given.address is None else address_number(given.address)
    offers, key = asking.offers, (network.name, guest, given.nic)
    before, avoid = offers.of(key), offers.others(key)

    def look(c: Any) -> tuple[int, bool]:
        found = vnet.mine(c, network, minion.id, guest, given.nic, wanted)
        if found:
            return found.address, found.minion == minion.id
        kept = (
            before is not None and wanted is None and network.gives(before) and not vnet.holder(c, given.vnet, before)
        )
        return vnet.choose(c, network, before if kept else wanted, avoid), False

    address, held = await asking.store.do(look)
    if not held:
        offers.note(key, address)
    return network.lease(guest, given.nic, address, held=held)


async def lease(asking: Asking, minion: Minion, given: Take) -> Lease:
    """Lease the address, durably."""
    network, guest = await _network(asking, minion, given.vnet, given.guest, given.nic)
    address = address_number(given.address)
    await asking.store.do(lambda c: vnet.take(c, network, minion.id, guest, given.nic, address, time.time()))
    asking.offers.settle((network.name, guest, given.nic))
    return network.lease(guest, given.nic, address, held=True)


async def release(asking: Asking, minion: Minion, given: Release) -> list[str]:
    """The addresses that are free again. What another minion holds is not touched."""
    guest, name = guest_name(given.guest), None if given.vnet is None else vnet_name(given.vnet)
    gone = await asking.store.do(lambda c: vnet.release(c, name, guest, minion.id))
    for entry in gone:
        asking.offers.settle((entry.vnet, entry.guest, entry.nic))
    return [entry.shown for entry in gone]


async def move(asking: Asking, minion: Minion, given: Move) -> list[str]:
    """The addresses that the other minion holds now. Only their holder can give them away, and only to a minion whose
    pillar has the network."""
    guest, name = guest_name(given.guest), None if given.vnet is None else vnet_name(given.vnet)
    held = [
        entry for entry in await asking.store.do(lambda c: vnet.listing(c, name, minion.id)) if entry.guest == guest
    ]
    networks = {entry.vnet for entry in held}
    await check_receiver(asking, given.minion, networks)

    def give(c: Any) -> list[vnet.Taken]:
        still = [entry for entry in vnet.listing(c, name, minion.id) if entry.guest == guest and entry.vnet in networks]
        return [
            moved for network in {entry.vnet for entry in still} for moved in vnet.move(c, network, guest, given.minion)
        ]

    return sorted(entry.shown for entry in await asking.store.do(give))


async def check_receiver(asking: Asking, minion_id: str, networks: set[str]) -> None:
    """VnetError unless leases of NETWORKS may go to that minion."""
    receiver = asking.presence.by_id(minion_id)
    if receiver is None:
        raise VnetError(f"there is no accepted minion {minion_id!r}")
    if networks:
        pillar = await asking.pillar(receiver)
        for name in sorted(networks):
            try:
                of_pillar(pillar, name)
            except VnetError as error:
                raise VnetError(f"{minion_id}: {error}") from None


async def leases(asking: Asking, minion: Minion, _given: Leases) -> list[Lease]:
    """What this minion's guests hold, as far as its pillar still has the networks."""
    networks = all_of(await asking.pillar(minion))
    held = await asking.store.do(lambda c: vnet.listing(c, None, minion.id))
    return [
        networks[entry.vnet].lease(entry.guest, entry.nic, entry.address, held=True)
        for entry in held
        if entry.vnet in networks
    ]


async def _network(asking: Asking, minion: Minion, name: str, guest: str, nic: int) -> tuple[Vnet, str]:
    nic_number(nic)
    return of_pillar(await asking.pillar(minion), vnet_name(name)), guest_name(guest)


TABLE: Mapping[str, Entry] = {
    "vnet.offer": Entry(Offer, offer),
    "vnet.lease": Entry(Take, lease),
    "vnet.release": Entry(Release, release),
    "vnet.move": Entry(Move, move),
    "vnet.leases": Entry(Leases, leases),
}
