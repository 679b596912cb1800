"""Volumes of libvirt's storage pools: a part of the execution module `virt`.

What a volume is, is read from its file, as for any disk: libvirt keeps a list that may be old, and guesses formats.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modules import _sizes
from modules._disk import files as disk_files
from modules._disk import notes as disk_notes
from modules._disk import users as disk_users
from modules._virt import hypervisor
from modules._virt import pool as virt_pool
from modules._virt import xml as virt_xml
from modules._virt.pool_xml import PoolError, name_of
from saltern.context import Context
from saltern.errors import nearest
from saltern.marks import acting, reading

FILES = ("dir", "fs", "netfs")  # types of pools whose volumes are files


@dataclass(frozen=True, slots=True)
class Place:
    """A running pool for a volume: its TYPE, the volume's PATH, and what libvirt itself knows of it (LISTED: that it is
    there, of CAPACITY bytes)."""

    type: str
    path: str
    listed: bool
    capacity: int


def get(uri: str | None, pool: str, name: str) -> Place | str:
    """Where the volume NAME is or will be; or why that can't be said (no such pool, or it does not run)."""
    name_of(name, "volume")
    with hypervisor.session(uri) as connection:
        there = hypervisor.or_none(lambda: connection.storagePoolLookupByName(name_of(pool)), "VIR_ERR_NO_STORAGE_POOL")
        if there is None:
            known = [one.name() for one in connection.listAllStoragePools()]
            return f"libvirt has no storage pool {pool!r}.{nearest(pool, known)}"
        if not there.isActive():
            return f"the storage pool {pool} does not run (virt.pool_running)"
        root = virt_xml.parse(there.XMLDesc(0))
        volume = hypervisor.or_none(lambda: there.storageVolLookupByName(name), "VIR_ERR_NO_STORAGE_VOL")
        path = os.path.join(virt_xml.at(root, "target/path") or "", name)
        # the list that libvirt looks it up in may be old; its info comes from the file
        info = None if volume is None else hypervisor.or_none(volume.info, "VIR_ERR_NO_STORAGE_VOL")
        return Place(root.get("type", ""), path, volume is not None, int(info[1]) if info else 0)


def xml_of(name: str, size: int, format: str | None, backing: tuple[str, str] | None) -> str:
    """The XML of a new volume; BACKING is the path and the format of the image below. Pure."""
    root = virt_xml.made("volume")
    virt_xml.put(root, "name", name)
    root.append(virt_xml.made("capacity", str(size), unit="bytes"))
    if format is not None:
        root.append(virt_xml.made("allocation", "0", unit="bytes"))  # grows as the guest writes
        target = virt_xml.ensure(root, "target")
        target.append(virt_xml.made("format", type=format))
        virt_xml.put(target, "permissions/mode", "0600")
    if backing is not None:
        below = virt_xml.ensure(root, "backingStore")
        virt_xml.put(below, "path", backing[0])
        below.append(virt_xml.made("format", type=backing[1]))
    return virt_xml.written(root)


@reading
def volume_infos(ctx: Context, pool: str | None = None, volume: str | None = None) -> dict[str, dict[str, Any]]:
    """By pool and volume: path, capacity and allocation (in bytes), format and image of a file, used_by (guests)."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        pools = [virt_pool.found(connection, pool)] if pool is not None else connection.listAllStoragePools()
        users: dict[str, set[str]] = {}
        for use in disk_users.uses(connection):
            users.setdefault(use.path, set()).add(use.guest)
        return {
            one.name(): {
                found.name(): told
                for found in one.listAllVolumes()
                if (volume is None or found.name() == volume) and (told := _told(found, users)) is not None
            }
            for one in pools
            if one.isActive()
        }


def _told(volume: Any, users: Mapping[str, set[str]]) -> dict[str, Any] | None:
    """None where its file went meanwhile."""
    info = hypervisor.or_none(volume.info, "VIR_ERR_NO_STORAGE_VOL")
    if info is None:
        return None
    _, capacity, allocation = info
    root = virt_xml.parse(volume.XMLDesc(0))
    return {
        "path": volume.path(),
        "capacity": capacity,
        "allocation": allocation,
        "format": virt_xml.at(root, "target/format", "type"),
        "image": virt_xml.at(root, "backingStore/path"),
        "used_by": sorted(users.get(volume.path(), ())),
    }


@acting
def volume_delete(ctx: Context, pool: str, volume: str) -> bool:
    """Delete the VOLUME of the running POOL, and all that is on it. PoolError where a guest has it or another volume
    stands on it."""
    return delete(pool, volume, uri=hypervisor.uri_of(ctx), notes=disk_files.notes_folder(ctx))


@acting
def volume_resize(ctx: Context, pool: str, volume: str, size: int | str) -> bool:
    """Make the VOLUME of the running POOL larger: SIZE like "20G", a mere number is MiB. It must not be in use."""
    return grow(pool, volume, _sizes.size_bytes(size), uri=hypervisor.uri_of(ctx))


@acting
def create(pool: str, xml: str, *, uri: str | None) -> bool:
    """Make the volume that XML describes in the running POOL."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"make a volume in {pool}"):
        virt_pool.found(connection, pool).createXML(xml, 0)
    return True


@acting
def refresh(pool: str, *, uri: str | None) -> bool:
    """Let libvirt look again what is in POOL."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"refresh pool {pool}"):
        virt_pool.found(connection, pool).refresh()
    return True


@acting
def grow(pool: str, name: str, size: int, *, uri: str | None) -> bool:
    """Make the volume NAME of POOL larger, to SIZE bytes. PoolError where it would become smaller."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"grow volume {name} of {pool}"):
        volume = _found(connection, pool, name)
        if volume.info()[1] > size:
            raise PoolError(disk_files.smaller(f"the volume {name}", volume.info()[1], size))
        volume.resize(size)
    return True


@acting
def delete(pool: str, name: str, *, uri: str | None, notes: str) -> bool:
    """Delete the volume NAME of POOL, and what NOTES say of it. PoolError where a guest has it, or another disk stands
    on it."""
    with hypervisor.session(uri) as connection:
        path = _found(connection, pool, name).path()
    if (why := disk_users.kept_by(uri, path, notes)) is not None:
        raise PoolError(f"{path} is not deleted: {why}")
    with hypervisor.session(uri) as connection, hypervisor.translating(f"delete volume {name} of {pool}"):
        _found(connection, pool, name).delete(0)
    disk_notes.drop(notes, path)
    return True


def _found(connection: Any, pool: str, name: str) -> Any:
    there = virt_pool.found(connection, pool)
    volume = hypervisor.or_none(lambda: there.storageVolLookupByName(name), "VIR_ERR_NO_STORAGE_VOL")
    if volume is None:
        known = [one.name() for one in there.listAllVolumes()]
        raise PoolError(f"the storage pool {pool} has no volume {name!r}.{nearest(name, known)}")
    return volume
