"""Storage pools of libvirt: a part of the states `virt`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from modules._datastore.register import DatastoreError
from modules._virt import hypervisor
from modules._virt import pool as virt_pool
from modules._virt import pool_xml as xml
from modules._virt.hypervisor import LibvirtUnavailable
from modules._virt.kept import Kept
from modules._virt.pool_xml import Definition, PoolError
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, state
from states._file import shared as file_shared
from states._place import answers
from states._virt import kept as virt_kept
from states._virt.kept import Kind

SETTLE_S = 5.0


POOL = Kind(
    "pool",
    virt_pool.define,
    virt_pool.undefine,
    virt_pool.start,
    virt_pool.stop,
    virt_pool.set_autostart,
)


@dataclass(frozen=True, slots=True)
class Wanted(virt_kept.Wanted[Definition]):
    """A pool as it is, or as it should be. BUILT: its directory is there; the rest is of that."""

    built: bool | Unset = UNSET
    owner: str | Unset = UNSET
    group: str | Unset = UNSET
    mode: str | Unset = UNSET


@state
def pool_running(
    ctx: Context,
    name: str,
    *,
    ptype: Literal["dir", "fs", "netfs", "logical"] = "dir",
    target: str | None = None,
    source: Mapping[str, Any] | None = None,
    permissions: Mapping[str, Any] | None = None,
    autostart: bool = True,
    build: bool = True,
    restart: Literal["never", "if-needed"] = "never",
) -> Plan:
    """The storage pool NAME is defined like this and runs.

    ptype: `dir` (a directory), `fs` (a file system on a device), `netfs` (NFS), `logical` (an LVM volume group, which
        must be there).
    target: the directory where its volumes are; of `logical` /dev/VG.
    source: `devices` (fs), `hosts`, `dir`, `format` (nfs), `version` (netfs), `name` (logical: the volume group).
    permissions: of the directory of a `dir` pool: `owner`, `group`, `mode`; those that are named.
    autostart: whether it starts with the node. build: make the target directory where it is missing; nothing is ever
        formatted.
    restart: a running pool takes a new definition at its next start; `if-needed` stops and starts it for that, but not
        under a guest that uses it.
    """
    return _pool(ctx, name, ptype, target, source, permissions, autostart, build, True, restart)


@state
def pool_defined(
    ctx: Context,
    name: str,
    *,
    ptype: Literal["dir", "fs", "netfs", "logical"] = "dir",
    target: str | None = None,
    source: Mapping[str, Any] | None = None,
    permissions: Mapping[str, Any] | None = None,
    autostart: bool | Unset = UNSET,
    build: bool = False,
) -> Plan:
    """The storage pool NAME is defined like this; whether it runs is left alone. The arguments are those of
    `virt.pool_running`."""
    return _pool(ctx, name, ptype, target, source, permissions, autostart, build, UNSET, "never")


@state
def pool_absent(ctx: Context, name: str) -> Plan:
    """libvirt has no storage pool NAME. What is in it stays; one that a running guest uses is left alone."""
    xml.name_of(name)
    uri = hypervisor.uri_of(ctx)
    try:
        found = virt_pool.get(uri, name)
        if found is None:
            return Plan(None, None, comment=f"there is no pool {name}")
        current = Wanted(xml.read(found.definition), found.running is not None)
        if found.running is not None and (why := _in_use(uri, name, found.running)) is not None:
            return Plan(current, None, unknown=why)
    except LibvirtUnavailable as error:
        return Plan(None, None, unknown=str(error))
    return Plan(current, None, virt_kept.going(POOL, name, found, uri))


@check(of=pool_running)
def _running_arguments(name: str, **given: Any) -> None:
    _checked(name, given)


@check(of=pool_defined)
def _defined_arguments(name: str, **given: Any) -> None:
    _checked(name, given)


@check(of=pool_absent)
def _absent_arguments(name: str) -> None:
    xml.name_of(name)


def _checked(name: str, given: Mapping[str, Any]) -> None:
    xml.name_of(name)
    xml.definition(given.get("ptype", "dir"), given.get("target"), given.get("source") or {})
    _permissions(given.get("ptype", "dir"), given.get("permissions"))


def _permissions(ptype: str, given: Mapping[str, Any] | None) -> file_shared.Attributes:
    if not given:
        return file_shared.Attributes()
    if ptype != "dir":
        raise PoolError(f"permissions: only a pool of the type dir has a directory of its own, not {ptype}")
    if unknown := [key for key in given if key not in ("owner", "group", "mode")]:
        raise PoolError(f"permissions: there is no {unknown[0]!r} (owner, group, mode)")
    return file_shared.wished(given.get("owner", UNSET), given.get("group", UNSET), given.get("mode", UNSET))


def _pool(
    ctx: Context,
    name: str,
    ptype: str,
    target: str | None,
    source: Mapping[str, Any] | None,
    permissions: Mapping[str, Any] | None,
    autostart: bool | Unset,
    build: bool,
    running: bool | Unset,
    restart: str,
) -> Plan:
    xml.name_of(name)
    definition = xml.definition(ptype, target, source or {})
    attributes, uri = _permissions(ptype, permissions), hypervisor.uri_of(ctx)
    folder = definition.target or ""
    wish = Wanted(
        definition,
        running,
        autostart,
        False if restart == "if-needed" else UNSET,
        True if build and ptype != "logical" else UNSET,
        attributes.user,
        attributes.group,
        attributes.mode,
    )
    try:
        found = virt_pool.get(uri, name)
        answers(os.path.join(folder, name))
        if found is not None and not found.persistent:
            return Plan(None, wish, unknown=f"the pool {name} is transient: stop it (virt.pool_stop) to define it")
        current, old = _current(found, wish, folder, attributes), found.definition if found else None
        by = found.running if found is not None else None
        if virt_kept.restarts(current, wish) and (why := _in_use(uri, name, by)) is not None:
            return Plan(current, wish, unknown=f"{why}, so it is not restarted")
    except (LibvirtUnavailable, DatastoreError) as error:
        return Plan(None, wish, unknown=str(error))
    if not build and not os.path.isdir(folder) and ptype != "logical" and running is True:
        return Plan(current, wish, unknown=f"there is no directory {folder} on this node, and build is off")
    new = xml.write(name, definition, old)
    have = _attributes(folder, attributes)
    return Plan(current, wish, steps(name, current, wish, new, uri, have), settle_s=SETTLE_S)


def _attributes(folder: str, wish: file_shared.Attributes) -> file_shared.Attributes | None:
    """Those of the directory FOLDER that are managed; None where there is none."""
    return file_shared.observed(os.stat(folder), wish) if os.path.isdir(folder) else None


def _current(found: Kept | None, wish: Wanted, folder: str, attributes: file_shared.Attributes) -> Wanted | None:
    if found is None:
        return None
    assert isinstance(wish.definition, Definition)
    have = _attributes(folder, attributes)
    definition = xml.same(xml.read(found.definition), wish.definition)
    live = xml.same(xml.read(found.running), wish.definition) if found.running is not None else None
    return Wanted(
        definition,
        found.running is not None,
        found.autostart,
        live is not None and live != wish.definition,
        have is not None,
        have.user if have else "",
        have.group if have else "",
        have.mode if have else "",
    )


def _in_use(uri: str | None, name: str, running: str | None) -> str | None:
    target = xml.read(running).target if running is not None else None
    using = virt_pool.users(uri, target or "/dev/null", name)
    return f"the pool {name} is in use by {', '.join(sorted(using))}" if using else None


def steps(
    name: str, current: Wanted | None, wish: Wanted, new: str, uri: str | None, have: file_shared.Attributes | None
) -> Iterator[Step]:
    """The steps from CURRENT (None: no such pool) to WISH. NEW is its XML, HAVE says who owns its target (None: it is
    missing). Pure."""
    yield from virt_kept.defining(POOL, name, current, wish, new, uri)
    attributes = file_shared.Attributes(wish.owner, wish.group, wish.mode)
    folder = wish.definition.target if isinstance(wish.definition, Definition) else None
    if folder is not None and wish.built is True and have is None:
        yield Step(f"make directory {folder}", None, folder, do=call(virt_pool.make_target, folder))
    if folder is not None:
        yield from file_shared.attribute_steps(folder, have or file_shared.Attributes(), attributes)
    yield from virt_kept.running(POOL, name, current, wish, uri)
