"""Volumes of libvirt's storage pools: a part of the execution module `virt`.

What a volume is, is read from its file, as for any disk: libvirt keeps a list that may be old, and guesses formats.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from modules import _disk as disk
from modules import _libvirt, _sizes, _virt_pool, _xml, image
from modules._qcow2 import BadImage
from modules._virt_pool_xml import PoolError, name_of
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
    with _libvirt.session(uri) as connection:
        there = _libvirt.or_none(lambda: connection.storagePoolLookupByName(name_of(pool)), "VIR_ERR_NO_STORAGE_POOL")
        if there is None:
            known = [one.name() for one in connection.listAllStoragePools()]
            return f"libvirt has no storage pool {pool!r}.{nearest(pool, known)}"
        if not there.isActive():
            return f"the storage pool {pool} does not run (virt.pool_running)"
        root = _xml.parse(there.XMLDesc(0))
        volume = _libvirt.or_none(lambda: there.storageVolLookupByName(name), "VIR_ERR_NO_STORAGE_VOL")
        path = os.path.join(_xml.at(root, "target/path") or "", name)
        # the list that libvirt looks it up in may be old; its info comes from the file
        info = None if volume is None else _libvirt.or_none(volume.info, "VIR_ERR_NO_STORAGE_VOL")
        return Place(root.get("type", ""), path, volume is not None, int(info[1]) if info else 0)


def xml_of(name: str, size: int, format: str | None, backing: tuple[str, str] | None) -> str:
    """The XML of a new volume; BACKING is the path and the format of the image below. Pure."""
    root = _xml.made("volume")
    _xml.put(root, "name", name)
    root.append(_xml.made("capacity", str(size), unit="bytes"))
    if format is not None:
        root.append(_xml.made("allocation", "0", unit="bytes"))  # grows as the guest writes
        target = _xml.ensure(root, "target")
        target.append(_xml.made("format", type=format))
        _xml.put(target, "permissions/mode", "0600")
    if backing is not None:
        below = _xml.ensure(root, "backingStore")
        _xml.put(below, "path", backing[0])
        below.append(_xml.made("format", type=backing[1]))
    return _xml.written(root)


def guests(uri: str | None, pool: str, path: str) -> tuple[str, ...]:
    """The guests, running or not, that have the volume as a disk."""
    using = set()
    with _libvirt.session(uri) as connection:
        for domain in connection.listAllDomains():
            for source in _xml.parse(domain.XMLDesc(0)).iterfind("./devices/disk//source"):
                mine = source.get("pool") == pool and source.get("volume") == os.path.basename(path)
                if mine or path in (source.get("file"), source.get("dev")):
                    using.add(domain.name())
    return tuple(sorted(using))


def standing_on(path: str) -> list[str]:
    """The qcow2 files beside PATH that stand on it."""
    folder, found = os.path.dirname(path), []
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    for name in names:
        other = os.path.join(folder, name)
        try:
            below = image.info(other) if other != path and os.path.isfile(other) else None
        except (OSError, BadImage):
            continue
        if below is not None and below.backing_file is not None:
            named = os.path.normpath(os.path.join(folder, below.backing_file))
            if named == path:
                found.append(other)
    return found


@reading
def volume_infos(ctx: Context, pool: str | None = None, volume: str | None = None) -> dict[str, dict[str, Any]]:
    """By pool and volume: path, capacity and allocation (in bytes), format and image of a file, used_by (guests)."""
    with _libvirt.session(_libvirt.uri_of(ctx)) as connection:
        pools = [_virt_pool.found(connection, pool)] if pool is not None else connection.listAllStoragePools()
        users = _users(connection)
        return {
            one.name(): {
                found.name(): told
                for found in one.listAllVolumes()
                if (volume is None or found.name() == volume) and (told := _told(found, users)) is not None
            }
            for one in pools
            if one.isActive()
        }


def _users(connection: Any) -> dict[str, list[str]]:
    users: dict[str, list[str]] = {}
    for domain in connection.listAllDomains():
        for source in _xml.parse(domain.XMLDesc(0)).iterfind("./devices/disk//source"):
            users.setdefault(source.get("file") or source.get("dev") or "", []).append(domain.name())
    return users


def _told(volume: Any, users: dict[str, list[str]]) -> dict[str, Any] | None:
    """None where its file went meanwhile."""
    info = _libvirt.or_none(volume.info, "VIR_ERR_NO_STORAGE_VOL")
    if info is None:
        return None
    _, capacity, allocation = info
    root = _xml.parse(volume.XMLDesc(0))
    return {
        "path": volume.path(),
        "capacity": capacity,
        "allocation": allocation,
        "format": _xml.at(root, "target/format", "type"),
        "image": _xml.at(root, "backingStore/path"),
        "used_by": sorted(set(users.get(volume.path(), []))),
    }


@acting
def volume_delete(ctx: Context, pool: str, volume: str) -> bool:
    """Delete the VOLUME of the running POOL, and all that is on it. PoolError where a guest has it or another volume
    stands on it."""
    return delete(pool, volume, uri=_libvirt.uri_of(ctx))


@acting
def volume_resize(ctx: Context, pool: str, volume: str, size: int | str) -> bool:
    """Make the VOLUME of the running POOL larger: SIZE like "20G", a mere number is MiB. It must not be in use."""
    return grow(pool, volume, _sizes.size_bytes(size), uri=_libvirt.uri_of(ctx))


@acting
def create(pool: str, xml: str, *, uri: str | None) -> bool:
    """Make the volume that XML describes in the running POOL."""
    with _libvirt.session(uri) as connection, _libvirt.translating(f"make a volume in {pool}"):
        _virt_pool.found(connection, pool).createXML(xml, 0)
    return True


@acting
def refresh(pool: str, *, uri: str | None) -> bool:
    """Let libvirt look again what is in POOL."""
    with _libvirt.session(uri) as connection, _libvirt.translating(f"refresh pool {pool}"):
        _virt_pool.found(connection, pool).refresh()
    return True


@acting
def grow(pool: str, name: str, size: int, *, uri: str | None) -> bool:
    """Make the volume NAME of POOL larger, to SIZE bytes. PoolError where it would become smaller."""
    with _libvirt.session(uri) as connection, _libvirt.translating(f"grow volume {name} of {pool}"):
        volume = _found(connection, pool, name)
        if volume.info()[1] > size:
            raise PoolError(disk.smaller(f"the volume {name}", volume.info()[1], size))
        volume.resize(size)
    return True


@acting
def delete(pool: str, name: str, *, uri: str | None) -> bool:
    """Delete the volume NAME of POOL. PoolError where a guest has it, or another volume stands on it."""
    with _libvirt.session(uri) as connection:
        path = _found(connection, pool, name).path()
    if (why := kept_by(uri, pool, path)) is not None:
        raise PoolError(why)
    with _libvirt.session(uri) as connection, _libvirt.translating(f"delete volume {name} of {pool}"):
        _found(connection, pool, name).delete(0)
    return True


def kept_by(uri: str | None, pool: str, path: str) -> str | None:
    """Why the volume at PATH must not be deleted; None where nothing has it."""
    if using := guests(uri, pool, path):
        return f"{path} is not deleted: it is a disk of {', '.join(using)}"
    if others := standing_on(path):
        return f"{path} is not deleted: {', '.join(others)} stand on it"
    if os.path.isfile(path) and disk.in_use(path):
        return f"{path} is in use and is not deleted"
    return None


def _found(connection: Any, pool: str, name: str) -> Any:
    there = _virt_pool.found(connection, pool)
    volume = _libvirt.or_none(lambda: there.storageVolLookupByName(name), "VIR_ERR_NO_STORAGE_VOL")
    if volume is None:
        known = [one.name() for one in there.listAllVolumes()]
        raise PoolError(f"the storage pool {pool} has no volume {name!r}.{nearest(name, known)}")
    return volume
