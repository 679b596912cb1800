"""The plan of `virt.absent`: what of a guest goes, and what must not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from modules import vnet
from modules._disk import files as disk_files
from modules._disk import notes as disk_notes
from modules._disk import users as disk_users
from modules._virt import act as virt_act
from modules._virt import domain_devices, hypervisor
from modules._virt import read as virt_read
from modules._virt.domain_values import Disk
from modules._virt.domain_xml import DomainError
from modules._virt.read import Guest
from saltern.context import Context
from saltern.converge.plan import Plan, Step, call
from states._place import answers
from states._virt import look as virt_look


def plan(ctx: Context, name: str, *, stop: bool, timeout: float, force: bool, remove_disks: bool) -> Plan:
    """From the guest as it is to none."""
    uri = hypervisor.uri_of(ctx)
    with hypervisor.session(uri) as connection:
        found = virt_read.guest(connection, name)
        doomed = _doomed(ctx, connection, name, found) if found and remove_disks else ()
    if found is not None and found.is_active and not stop:
        why = f"the guest {name} runs, so it is not taken away; stop it first (virt.stopped), or say stop: true"
        return Plan({"state": found.state}, None, unknown=why)
    leases = tuple(f"{one.vnet} {one.address}" for one in _leases(ctx, name))
    seed = virt_look.seed_path(ctx, name)
    current: dict[str, Any] = {}
    if found is not None:
        current["state"] = found.state
    if leases:
        current["leases"] = leases
    if os.path.exists(seed):
        current["seed"] = seed
    return Plan(current or None, None, _steps(ctx, name, uri, found, current, doomed, timeout, force))


def _steps(
    ctx: Context,
    name: str,
    uri: str,
    found: Guest | None,
    current: dict[str, Any],
    doomed: tuple[str, ...],
    timeout: float,
    force: bool,
) -> Iterator[Step]:
    if found is not None:
        if found.is_active:
            do = call(virt_act.stop, uri, name, timeout, force)
            yield Step(f"shut down guest {name}", found.state, "shut off", do=do)
        yield Step(f"undefine guest {name}", name, None, do=call(virt_act.undefine, uri, name))
    for path in doomed:
        yield Step(
            f"delete the disk {path}",
            path,
            None,
            do=call(virt_act.remove_disk, uri, path, disk_files.notes_folder(ctx)),
        )
    if "seed" in current:
        yield Step(f"delete the seed of {name}", current["seed"], None, do=call(virt_act.remove_seed, current["seed"]))
    if "leases" in current:
        listed = ", ".join(current["leases"])
        yield Step(f"give back {listed}", current["leases"], None, do=call(vnet.release, ctx, None, name))


def _leases(ctx: Context, name: str) -> tuple[vnet.Lease, ...]:
    """What the guest holds; nobody is asked where the pillar knows no virtual network."""
    return tuple(one for one in vnet.leases(ctx) if one.guest == name) if ctx.pillar.get("vnet") else ()


def _doomed(ctx: Context, connection: Any, name: str, found: Guest) -> tuple[str, ...]:
    """The paths of the guest's own disks. DomainError where one is not to be deleted."""
    paths = []
    for target in domain_devices.targets(found.config):
        one = domain_devices.disk(found.config, target)
        if one is None or one.device != "disk" or one.source is None:
            continue
        path = _path(connection, one)
        if path is None:
            raise DomainError(
                f"{name}: its disk {target} ({one.source}) lies in no running storage pool of libvirt, so it is not "
                "deleted: leave remove_disks out, or delete it by disk.absent"
            )
        if (why := _kept_by(ctx, name, path, one)) is not None:
            raise DomainError(f"{name}: its disk {target} ({path}) is not deleted: {why}")
        paths.append(path)
    return tuple(paths)


def _kept_by(ctx: Context, name: str, path: str, one: Disk) -> str | None:
    """Why the guest's disk at PATH must stay, in words, or None. DatastoreError where its server does not answer."""
    if one.shareable or one.readonly:
        return "it is shared or read-only"
    answers(path)
    notes = disk_files.notes_folder(ctx)
    note = disk_notes.find(notes, path)
    if note is not None and note.persistent:
        return "it is persistent, and outlives its guest (disk.absent with `persistent: true`)"
    return disk_users.kept_by(hypervisor.uri_of(ctx), path, notes, aside=name)


def _path(connection: Any, one: Disk) -> str | None:
    """The path of a disk that a pool knows, or None."""
    if one.pool and one.source is not None:
        pool, _, name = one.source.partition("/")
        volume = hypervisor.find_volume(connection, pool, name)
    else:
        volume = hypervisor.or_none(lambda: connection.storageVolLookupByPath(one.source), "VIR_ERR_NO_STORAGE_VOL")
    return str(volume.path()) if volume is not None else None
