"""The leases of addresses: a table of the store in which no address of a network can stand twice.

A lease belongs to a guest's interface on a network, (vnet, guest, nic), for life: until it is released. The minion
that holds it alone may use and release it; '' is held by nobody yet, and goes to the first minion that asks for that
guest. All functions run inside a transaction of the store.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from ipaddress import IPv4Address

from saltern.vnet import Vnet, VnetError, first_free, size

_COLUMNS = "vnet, guest, nic, minion, address, since"


@dataclass(frozen=True, slots=True)
class Taken:
    """A lease in the table. SINCE: seconds since the epoch."""

    vnet: str
    guest: str
    nic: int
    minion: str
    address: int
    since: float

    @property
    def whose(self) -> str:
        """The guest's interface, in words."""
        nic = f", interface {self.nic}" if self.nic else ""
        return f"guest {self.guest!r}{nic}"

    @property
    def shown(self) -> str:
        """The address as text."""
        return str(IPv4Address(self.address))


def listing(c: sqlite3.Connection, vnet: str | None = None, minion: str | None = None) -> list[Taken]:
    """The leases, of one network or held by one minion where given; by network and address."""
    query = f"SELECT {_COLUMNS} FROM vnet_leases"  # noqa: S608 - fixed words
    wanted = [("vnet", vnet), ("minion", minion)]
    given = [(column, value) for column, value in wanted if value is not None]
    if given:
        query += " WHERE " + " AND ".join(f"{column} = ?" for column, _ in given)
    rows = c.execute(query + " ORDER BY vnet, address", [value for _, value in given])
    return [Taken(*row) for row in rows]


def find(c: sqlite3.Connection, vnet: str, guest: str, nic: int) -> Taken | None:
    """The lease of a guest's interface, or None."""
    row = c.execute(
        f"SELECT {_COLUMNS} FROM vnet_leases WHERE vnet = ? AND guest = ? AND nic = ?",  # noqa: S608 - fixed words
        (vnet, guest, nic),
    ).fetchone()
    return Taken(*row) if row else None


def holder(c: sqlite3.Connection, vnet: str, address: int) -> Taken | None:
    """The lease of an address, or None."""
    row = c.execute(
        f"SELECT {_COLUMNS} FROM vnet_leases WHERE vnet = ? AND address = ?",  # noqa: S608 - fixed words
        (vnet, address),
    ).fetchone()
    return Taken(*row) if row else None


def mine(c: sqlite3.Connection, vnet: Vnet, minion: str, guest: str, nic: int, address: int | None) -> Taken | None:
    """The lease that a guest on MINION has or may take over; None where it has none. VnetError where another minion
    holds it, where it is another address than the wanted ADDRESS, or where the network was changed under it."""
    found = find(c, vnet.name, guest, nic)
    if found is None:
        return None
    if found.minion not in ("", minion):
        raise VnetError(
            f"{found.whose} has {found.shown} of vnet {vnet.name} on {found.minion}. Give the guest on {minion} "
            f"another name; or, if it moved there: saltern-run vnet.move {vnet.name} {guest} {minion}"
        )
    if IPv4Address(found.address) not in vnet.network:
        raise VnetError(
            f"{found.whose} holds {found.shown} of vnet {vnet.name}, which is not in its network {vnet.network} any "
            f"more. For a new one: saltern-run vnet.release {vnet.name} {guest}"
        )
    if address not in (None, found.address):
        raise VnetError(
            f"{found.whose} holds {found.shown} of vnet {vnet.name}, not {IPv4Address(address or 0)}. To change it: "
            f"saltern-run vnet.release {vnet.name} {guest}"
        )
    return found


def choose(c: sqlite3.Connection, vnet: Vnet, address: int | None, avoid: set[int]) -> int:
    """The address that a new lease would take: ADDRESS where wanted, else the lowest free one, rather none of AVOID.
    VnetError where it can't be given or the range is used up."""
    if address is not None:
        check_free(c, vnet, address)
        return address
    taken = {row.address for row in listing(c, vnet.name)}
    free = first_free(vnet, taken | avoid)
    if free is None:
        free = first_free(vnet, taken)
    if free is None:
        raise VnetError(
            f"vnet {vnet.name} has no free address: all {size(vnet)} of its range are leased (saltern-run vnet.leases "
            f"{vnet.name})"
        )
    return free


def check_free(c: sqlite3.Connection, vnet: Vnet, address: int) -> None:
    """VnetError unless the network gives ADDRESS and nobody has it."""
    if not vnet.gives(address):
        first, last = (IPv4Address(end) for end in vnet.span)
        why = "it is excluded" if vnet.span[0] <= address <= vnet.span[1] else f"its range is {first} to {last}"
        raise VnetError(f"vnet {vnet.name} does not give {IPv4Address(address)}: {why}")
    if other := holder(c, vnet.name, address):
        where = f" on {other.minion}" if other.minion else ""
        raise VnetError(f"{other.shown} of vnet {vnet.name} is leased already, to {other.whose}{where}")


def take(c: sqlite3.Connection, vnet: Vnet, minion: str, guest: str, nic: int, address: int, now: float) -> Taken:
    """Lease exactly ADDRESS to a guest on MINION; a lease that it has already stays. VnetError."""
    found = mine(c, vnet, minion, guest, nic, address)
    if found is None:
        check_free(c, vnet, address)
        insert(c, Taken(vnet.name, guest, nic, minion, address, now))
    elif found.minion != minion:
        move(c, vnet.name, guest, minion)
    kept = find(c, vnet.name, guest, nic)
    assert kept is not None
    return kept


def insert(c: sqlite3.Connection, lease: Taken) -> None:
    """Put a lease in. The table itself refuses an address that is there."""
    c.execute(
        "INSERT INTO vnet_leases (vnet, guest, nic, minion, address, since) VALUES (?, ?, ?, ?, ?, ?)",
        (lease.vnet, lease.guest, lease.nic, lease.minion, lease.address, lease.since),
    )


def release(c: sqlite3.Connection, vnet: str | None, guest: str, minion: str | None = None) -> list[Taken]:
    """Take back the leases of a guest, on one network or all; only those that MINION holds, where given."""
    gone = [lease for lease in listing(c, vnet, minion) if lease.guest == guest]
    for lease in gone:
        c.execute(
            "DELETE FROM vnet_leases WHERE vnet = ? AND guest = ? AND nic = ?", (lease.vnet, lease.guest, lease.nic)
        )
    return gone


def move(c: sqlite3.Connection, vnet: str, guest: str, to: str) -> list[Taken]:
    """Give the leases of a guest to the minion TO."""
    c.execute("UPDATE vnet_leases SET minion = ? WHERE vnet = ? AND guest = ?", (to, vnet, guest))
    return [lease for lease in listing(c, vnet) if lease.guest == guest]
