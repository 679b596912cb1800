"""Datastores: the directories in which images and disks of guests lie, by number or name, with their capacity."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Any

from modules import mount
from modules._datastore import register as datastore_register
from modules._datastore.register import DatastoreError, Entry
from modules._file import owner as file_owner
from modules._file import safe
from modules._mount import proof as mount_proof
from modules._mount import table as mount_table
from modules._probe import Answer, ask, ask_all, server_of
from saltern.context import Context
from saltern.errors import nearest
from saltern.marks import acting, reading

MIB = 1 << 20
GRAIN_S = 3.0  # for the capacity of all datastores together


def register_of(ctx: Context) -> str:
    """The file that holds this minion's datastores."""
    return datastore_register.file_in(ctx.config.paths.var)


@reading
def list_(ctx: Context) -> dict[str, dict[str, Any]]:
    """All datastores by name: `kind`, `path`, `size` and `free` in MiB, `used_percent`; `error` in the place of the
    numbers where one is away."""
    return capacities(datastore_register.read(register_of(ctx)))


@reading
def info(ctx: Context, name: str | int) -> dict[str, Any]:
    """One datastore as `datastore.list` shows it, with `mount` (what has to be mounted there) and `pool`."""
    entry = entry_of(ctx, name)
    shown = capacities({"it": entry})["it"]
    return {**shown, "mount": entry.mount, "pool": entry.pool}


@reading
def path_of(ctx: Context, name: str | int) -> str:
    """The directory of the datastore NAME. DatastoreError where there is no such datastore, or where what has to be
    mounted there is not: nothing must be written in its place."""
    entry = entry_of(ctx, name)
    if (why := datastore_register.unmounted(entry, mount.mounts())) is not None:
        raise DatastoreError(f"the datastore {name} is away: {why}")
    return entry.path


def entry_of(ctx: Context, name: str | int) -> Entry:
    """The datastore NAME. DatastoreError with the nearest name where there is none."""
    known = datastore_register.read(register_of(ctx))
    found = known.get(datastore_register.name_of(name))
    if found is None:
        near = nearest(str(name), known) or (f" There are {', '.join(known)}." if known else "")
        raise DatastoreError(f"this node has no datastore {name!r}: declare it by datastore.present.{near}")
    return found


def capacities(entries: Mapping[str, Entry], timeout_s: float | None = None) -> dict[str, dict[str, Any]]:
    """What `datastore.list` shows of ENTRIES; all are asked at once, TIMEOUT_S at most."""
    away = {
        name: datastore_register.unmounted(entry, found)
        for found in [mount.mounts()]
        for name, entry in entries.items()
    }
    asked = ask_all("space", [entry.path for name, entry in entries.items() if not away[name]], timeout_s=timeout_s)
    return {
        name: {"kind": entry.kind, "path": entry.path, **_capacity(away[name], asked.get(entry.path))}
        for name, entry in entries.items()
    }


def _capacity(away: str | None, answer: Answer | None) -> dict[str, Any]:
    if away or answer is None or answer.error is not None:
        return {"error": away or (answer.said if answer else "")}
    space = answer.value
    used, free = space["used"], space["free"]
    percent = round(100 * used / (used + free)) if used + free else 0  # as df(1): what is kept for root counts neither
    return {"size": space["size"] // MIB, "free": free // MIB, "used_percent": percent}


def need(path: str, size: int) -> str | None:
    """Why SIZE bytes do not fit where PATH is, in words, or None; also where that is away."""
    answer = ask("space", os.path.dirname(path), server=_server(path))
    if answer.error is not None:
        return f"{os.path.dirname(path)}: {answer.said}"
    free = answer.value["free"]
    if free < size:
        return f"{os.path.dirname(path)} has {free // MIB} MiB left, and {path} takes {-(-size // MIB)} MiB"
    return None


def observe(path: str) -> tuple[str, str, str] | None:
    """User, group and mode of the directory PATH, or None where it is not there. DatastoreError where it is something
    else, or does not answer."""
    answer = ask("status", path, server=_server(path))
    if answer.error in ("ENOENT", "ENOTDIR"):
        return None
    if answer.error is not None:
        raise DatastoreError(f"{path}: {answer.said}")
    mode = answer.value["mode"]
    if not stat.S_ISDIR(mode):
        raise DatastoreError(f"{path} is there and is {safe.kind_of(mode)}, no directory")
    return (
        file_owner.user_name(answer.value["uid"]),
        file_owner.group_name(answer.value["gid"]),
        file_owner.mode_of(mode),
    )


def away(folder: str) -> str | None:
    """Why the directory FOLDER can't be looked at now, where it lies on a server that does not answer; else None."""
    live = mount_table.holder(mount.mounts(), folder)
    if live is None or not mount_proof.is_network(live.fstype):
        return None
    answer = ask("status", folder, server=server_of(live.device))
    return f"{folder}: {answer.said}" if answer.error not in (None, "ENOENT", "ENOTDIR") else None


def _server(path: str) -> str | None:
    """What answers for PATH, where that is another machine."""
    live = mount_table.holder(mount.mounts(), path)
    return server_of(live.device) if live is not None and mount_proof.is_network(live.fstype) else None


@acting
def make(path: str) -> None:
    """Make the directory PATH and those above it."""
    safe.make_folders(path)


@acting
def own(path: str, user: str | None = None, group: str | None = None, mode: str | None = None) -> None:
    """Give the directory PATH an owner, a group, permissions; None leaves one as it is."""
    try:
        safe.set_attributes(
            path,
            uid=None if user is None else file_owner.uid(user),
            gid=None if group is None else file_owner.gid(group),
            mode=None if mode is None else file_owner.bits(mode),
        )
    except PermissionError as error:
        hint = "where an NFS server squashes root, only it can change the owner"
        raise DatastoreError(f"{path}: {error.strerror}; {hint}") from None


@acting
def put(file: str, name: str, entry: Entry | None) -> None:
    """Note the datastore NAME as ENTRY in the register FILE, or take it out where it is None."""
    known = datastore_register.read(file)
    known.pop(name, None)
    datastore_register.write(file, known if entry is None else {**known, name: entry})
