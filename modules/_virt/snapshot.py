"""Snapshots of guests by libvirt (internal ones: the disks must be qcow2): a part of the execution module `virt`."""

from __future__ import annotations

import time
from typing import Any

from modules._virt import act as virt_act
from modules._virt import hypervisor
from modules._virt import xml as virt_xml
from modules._virt.pool_xml import PoolError, name_of
from saltern.context import Context
from saltern.errors import PermanentError, nearest
from saltern.marks import acting, reading


class SnapshotError(PermanentError):
    """A snapshot can't be taken, gone back to or deleted; the message says which and why."""


def _name(name: str) -> str:
    try:
        return name_of(name, "snapshot")
    except PoolError as error:
        raise SnapshotError(str(error)) from None


def found(guest: Any, name: str) -> Any:
    """The snapshot NAME of the virDomain GUEST. SnapshotError with the nearest name where there is none."""
    snapshot = hypervisor.or_none(lambda: guest.snapshotLookupByName(name), "VIR_ERR_NO_DOMAIN_SNAPSHOT")
    if snapshot is None:
        known = guest.snapshotListNames()
        raise SnapshotError(f"the guest {guest.name()} has no snapshot {name!r}.{nearest(name, known)}")
    return snapshot


def names(uri: str | None, guest: str) -> tuple[str, ...] | None:
    """The names of the snapshots of GUEST, sorted; None where there is no such guest."""
    with hypervisor.session(uri) as connection:
        there = hypervisor.find_domain(connection, guest)
        return None if there is None else tuple(sorted(there.snapshotListNames()))


@reading
def list_snapshots(ctx: Context, domain: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """By guest, its snapshots, oldest first: name, description, created (seconds since 1970), state (the guest's when
    it was taken), parent, current."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        guests = [virt_act.domain_of(connection, domain)] if domain is not None else connection.listAllDomains()
        return {guest.name(): _ordered(guest) for guest in guests}


def _ordered(guest: Any) -> list[dict[str, Any]]:
    """Oldest first; of those of the same second, a parent before its children."""
    flag = hypervisor.library().VIR_DOMAIN_SNAPSHOT_LIST_TOPOLOGICAL
    return sorted((_told(snapshot) for snapshot in guest.listAllSnapshots(flag)), key=lambda one: one["created"])


def _told(snapshot: Any) -> dict[str, Any]:
    root = virt_xml.parse(snapshot.getXMLDesc(0))
    return {
        "name": snapshot.getName(),
        "description": virt_xml.at(root, "description"),
        "created": int(virt_xml.at(root, "creationTime") or 0),
        "state": virt_xml.at(root, "state"),
        "parent": virt_xml.at(root, "parent/name"),
        "current": bool(snapshot.isCurrent(0)),
    }


@acting
def snapshot(ctx: Context, domain: str, name: str | None = None, suffix: str | None = None) -> dict[str, str]:
    """Take a snapshot of the guest DOMAIN: its disks, and its memory where it runs. NAME: by default the date and time,
    as 20260728120000. SUFFIX is put behind it. Its name is returned."""
    chosen = _name((name or time.strftime("%Y%m%d%H%M%S")) + (suffix or ""))
    take(domain, chosen, uri=hypervisor.uri_of(ctx))
    return {"name": chosen}


@acting
def revert_snapshot(
    ctx: Context, name: str, vm_snapshot: str | None = None, cleanup: bool = False
) -> dict[str, str | list[str]]:
    """Bring the guest NAME back to VM_SNAPSHOT, by default its current one. What it wrote since then is lost. CLEANUP
    deletes the snapshots that were taken after it."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        guest = virt_act.domain_of(connection, name)
        if vm_snapshot is not None:
            target = found(guest, _name(vm_snapshot))
        elif guest.hasCurrentSnapshot(0):
            target = guest.snapshotCurrent(0)
        else:
            raise SnapshotError(f"the guest {name} has no snapshot to go back to")
        with hypervisor.translating(f"bring {name} back to {target.getName()}"):
            guest.revertToSnapshot(target)
        deleted: list[str] = []
        if cleanup:
            listed = [one["name"] for one in _ordered(guest)]
            for later in reversed(listed[listed.index(target.getName()) + 1 :]):
                with hypervisor.translating(f"delete snapshot {later} of {name}"):
                    found(guest, later).delete(0)
                deleted.append(later)
        return {"reverted": target.getName(), "deleted": sorted(deleted)}


@acting
def delete_snapshots(ctx: Context, name: str, *names: str, all: bool = False) -> dict[str, list[str]]:
    """Delete the snapshots NAMES of the guest NAME, or ALL. What the guest's disks hold now stays. Those that are left
    and those that were deleted are returned."""
    if bool(names) == all:
        raise SnapshotError("name the snapshots to delete, or say all=True")
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        guest = virt_act.domain_of(connection, name)
        chosen = sorted(guest.snapshotListNames()) if all else [_name(one) for one in names]
        for snapshot in [found(guest, one) for one in chosen]:
            with hypervisor.translating(f"delete snapshot {snapshot.getName()} of {name}"):
                snapshot.delete(0)
        return {"available": sorted(guest.snapshotListNames()), "deleted": chosen}


@acting
def take(guest: str, name: str, description: str | None = None, *, uri: str | None) -> bool:
    """Take the snapshot NAME of GUEST. SnapshotError where it has one of that name."""
    root = virt_xml.made("domainsnapshot")
    virt_xml.put(root, "name", _name(name))
    if description:
        virt_xml.put(root, "description", description)
    with hypervisor.session(uri) as connection:
        there = virt_act.domain_of(connection, guest)
        if name in there.snapshotListNames():
            raise SnapshotError(f"the guest {guest} has a snapshot {name} already")
        with hypervisor.translating(f"take snapshot {name} of {guest}"):
            there.snapshotCreateXML(virt_xml.written(root), 0)
    return True


@acting
def delete(guest: str, name: str, *, uri: str | None) -> bool:
    """Delete the snapshot NAME of GUEST."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"delete snapshot {name} of {guest}"):
        found(virt_act.domain_of(connection, guest), _name(name)).delete(0)
    return True
