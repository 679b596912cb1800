"""Storage pools of libvirt: a part of the execution module `virt`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modules._file import safe
from modules._virt import hypervisor
from modules._virt import kept as virt_kept
from modules._virt import xml as virt_xml
from modules._virt.kept import Kept
from modules._virt.pool_xml import PoolError, name_of
from saltern.context import Context
from saltern.errors import nearest
from saltern.marks import acting, reading

START_S = 60.0
_STATES = ("inactive", "building", "running", "degraded", "inaccessible")  # virStoragePoolState


def get(uri: str | None, name: str) -> Kept | None:
    """The pool NAME, or None. LibvirtError where libvirt can't be asked."""
    with hypervisor.session(uri) as connection:
        pool = _find(connection, name)
        return None if pool is None else virt_kept.of(pool, hypervisor.library().VIR_STORAGE_XML_INACTIVE)


def _find(connection: Any, name: str) -> Any:
    return hypervisor.or_none(lambda: connection.storagePoolLookupByName(name), "VIR_ERR_NO_STORAGE_POOL")


def found(connection: Any, name: str) -> Any:
    """The pool NAME (virStoragePool). PoolError with the nearest name where there is none."""
    pool = _find(connection, name_of(name))
    if pool is None:
        known = [one.name() for one in connection.listAllStoragePools()]
        raise PoolError(f"libvirt has no storage pool {name!r}.{nearest(name, known)}")
    return pool


@reading
def list_pools(ctx: Context) -> list[str]:
    """The names of all storage pools, running or not."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        return sorted(pool.name() for pool in connection.listAllStoragePools())


@reading
def pool_info(ctx: Context, name: str | None = None) -> dict[str, dict[str, Any]]:
    """Of the pool NAME, or of all: uuid, state, autostart, persistent, capacity, allocation and free (in bytes; of one
    that does not run, what libvirt knew last), target_path, type."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        pools = [found(connection, name)] if name is not None else connection.listAllStoragePools()
        told = {}
        for pool in pools:
            state, capacity, allocation, free = pool.info()
            root = virt_xml.parse(pool.XMLDesc(0))
            told[pool.name()] = {
                "uuid": pool.UUIDString(),
                "state": _STATES[state] if state < len(_STATES) else "unknown",
                "autostart": bool(pool.autostart()) if pool.isPersistent() else False,
                "persistent": bool(pool.isPersistent()),
                "capacity": capacity,
                "allocation": allocation,
                "free": free,
                "target_path": virt_xml.at(root, "target/path"),
                "type": root.get("type"),
            }
        return told


@reading
def pool_get_xml(ctx: Context, name: str) -> str:
    """The XML of the pool NAME."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        return str(found(connection, name).XMLDesc(0))


@reading
def pool_list_volumes(ctx: Context, name: str) -> list[str]:
    """The names of the volumes in the running pool NAME."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        return sorted(volume.name() for volume in found(connection, name).listAllVolumes())


@acting
def pool_refresh(ctx: Context, name: str) -> bool:
    """Let libvirt look again what is in the running pool NAME."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection, hypervisor.translating(f"refresh pool {name}"):
        found(connection, name).refresh()
    return True


@acting
def pool_start(ctx: Context, name: str) -> bool:
    """Start the pool NAME."""
    return start(name, uri=hypervisor.uri_of(ctx))


@acting
def pool_stop(ctx: Context, name: str) -> bool:
    """Stop the pool NAME. What is in it stays; guests that use it go on."""
    return stop(name, uri=hypervisor.uri_of(ctx))


@acting
def pool_set_autostart(ctx: Context, name: str, state: str = "on") -> bool:
    """Whether the pool NAME starts with the node: STATE is on or off."""
    if state not in ("on", "off"):
        raise PoolError(f"state is on or off, not {state!r}")
    return set_autostart(name, state == "on", uri=hypervisor.uri_of(ctx))


@acting
def pool_undefine(ctx: Context, name: str) -> bool:
    """Forget the pool NAME, which must not run. What is in it stays."""
    return undefine(name, uri=hypervisor.uri_of(ctx))


@acting
def define(xml: str, *, uri: str | None) -> bool:
    """Define the pool that XML describes; one of the same UUID is defined anew, and goes on as it is if it runs."""
    with hypervisor.session(uri) as connection, hypervisor.translating("define the pool"):
        connection.storagePoolDefineXML(xml)
    return True


@acting
def make_target(path: str) -> bool:
    """Make the directory PATH for a pool, with the mode that libvirt's own building gives it. (libvirt builds no pool
    that runs.)"""
    safe.make_folders(path, mode=0o711)
    return True


@acting
def start(name: str, *, uri: str | None) -> bool:
    """Start the pool NAME. PoolError where that takes longer than START_S: it mounts, and a filer may be away."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"start pool {name}"):
        pool = found(connection, name)
        ended, value = hypervisor.bounded(pool.create, START_S)
        if not ended:
            raise PoolError(f"the pool {name} did not start within {START_S:g} s; is its source there?")
        if isinstance(value, BaseException):
            raise value
    return True


@acting
def stop(name: str, *, uri: str | None) -> bool:
    """Stop the pool NAME. (libvirt's word is destroy; nothing is.)"""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"stop pool {name}"):
        found(connection, name).destroy()
    return True


@acting
def set_autostart(name: str, autostart: bool, *, uri: str | None) -> bool:
    """Whether the pool NAME starts with the node."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"set autostart of pool {name}"):
        found(connection, name).setAutostart(1 if autostart else 0)
    return True


@acting
def undefine(name: str, *, uri: str | None) -> bool:
    """Forget the pool NAME. What is in it stays."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"undefine pool {name}"):
        found(connection, name).undefine()
    return True


def users(uri: str | None, target: str, pool: str) -> Mapping[str, str]:
    """Which running guests have a disk in the pool or below its TARGET: by name, the disk's path or volume."""
    using: dict[str, str] = {}
    with hypervisor.session(uri) as connection:
        for domain in connection.listAllDomains(hypervisor.library().VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            for source in virt_xml.parse(domain.XMLDesc(0)).iterfind("./devices/disk/source"):
                file = source.get("file") or source.get("dev") or ""
                if source.get("pool") == pool or file.startswith(target.rstrip("/") + "/"):
                    using[domain.name()] = file or source.get("volume", "")
    return using
