"""Datastores: that a number or name stands for a directory of a kind, which is there, mounted, owned as declared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from modules import datastore
from modules import mount as mounting
from modules._datastore import pool as datastore_pool
from modules._datastore import register as datastore_register
from modules._datastore.register import DatastoreError, Entry
from modules._file import owner as file_owner
from modules._file import safe
from modules._virt.hypervisor import LibvirtUnavailable
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, state


@dataclass(frozen=True, slots=True)
class Datastore:
    """A datastore as it is, or as it should be. ENTRY is what the register of the node says; the rest is of its
    directory: MODE is four octal digits."""

    entry: Entry | None
    is_there: bool = True
    user: str | Unset = UNSET
    group: str | Unset = UNSET
    mode: str | Unset = UNSET


@state
def present(
    ctx: Context,
    name: str | int,
    *,
    kind: Literal["image", "system", "file"],
    path: str | Unset = UNSET,
    mount: str | bool | Unset = UNSET,
    pool: str | Unset = UNSET,
    user: str | Unset = UNSET,
    group: str | Unset = UNSET,
    mode: str | int | Unset = UNSET,
) -> Plan:
    """NAME (a number, as of OpenNebula, or a word) is a datastore of this node, and other states may say
    `datastore: NAME`. Its capacity becomes the grain `datastores`.

    kind: `image` (images to make disks from), `system` (disks of guests), `file` (kernels and the like).
    path: its directory, which is made where it is missing.
    mount: what has to be mounted at PATH or above it: a source, as `mount.mounted` takes it, or `true` for anything.
        While it is not, the datastore counts as away, and nothing is written in its place.
    pool: in the place of PATH a storage pool of libvirt that is a directory.
    user, group, mode: of the directory.
    """
    asked = _entry(name, kind, path, mount, pool)
    register, key = datastore.register_of(ctx), datastore_register.name_of(name)
    known = datastore_register.read(register).get(key)
    wish = Datastore(asked, True, user, group, mode if isinstance(mode, Unset) else file_owner.mode(mode))
    try:
        wish = replace(
            wish,
            user=user if isinstance(user, Unset) else file_owner.user_name(file_owner.uid(user)),
            group=group if isinstance(group, Unset) else file_owner.group_name(file_owner.gid(group)),
        )
    except file_owner.NoSuchOwner as error:
        return Plan(Datastore(known), wish, unknown=str(error))
    if isinstance(pool, str):
        try:
            found = datastore_pool.path_of_pool(ctx, pool)
        except LibvirtUnavailable as error:
            return Plan(Datastore(known), wish, unknown=str(error))
        if found is None:
            return Plan(Datastore(known), wish, unknown=f"libvirt has no storage pool {pool}")
        asked = Entry(kind=kind, path=found, mount=asked.mount, pool=pool)
        wish = replace(wish, entry=asked)
    if (why := datastore_register.unmounted(asked, mounting.mounts())) is not None:
        return Plan(Datastore(known), wish, unknown=f"the datastore {key} is away: {why}")
    have = datastore.observe(asked.path)
    current = Datastore(known, have is not None)
    if have is not None:
        shown = [old if isinstance(new, str) else UNSET for old, new in zip(have, _owners(wish), strict=True)]
        current = Datastore(known, True, *shown)
    return Plan(current, wish, steps(register, key, current, wish))


@check(present)
def checked(
    name: str | int,
    *,
    kind: Literal["image", "system", "file"],
    path: str | Unset = UNSET,
    mount: str | bool | Unset = UNSET,
    pool: str | Unset = UNSET,
    mode: str | int | Unset = UNSET,
    **_: object,
) -> None:
    """DatastoreError for a name, path or mode that can't be one."""
    _entry(name, kind, path, mount, pool)
    if not isinstance(mode, Unset):
        file_owner.mode(mode)


@state
def absent(ctx: Context, name: str | int) -> Plan:
    """NAME is no datastore of this node. Its directory and what lies in it stay."""
    register, key = datastore.register_of(ctx), datastore_register.name_of(name)
    known = datastore_register.read(register).get(key)
    return Plan(known, None, gone_steps(register, key, known), comment=f"{key} is no datastore of this node")


@check(absent)
def checked_name(name: str | int) -> None:
    """DatastoreError for a name that no datastore can have."""
    datastore_register.name_of(name)


def steps(register: str, name: str, current: Datastore, wish: Datastore) -> Iterator[Step]:
    """The steps from CURRENT to WISH: its directory, then the register, so that nobody is told of one that is not
    there. Pure."""
    assert wish.entry is not None
    path = wish.entry.path
    if not current.is_there:
        yield Step(f"make directory {path}", None, path, do=call(datastore.make, path))
    for what, old, new in zip(("user", "group", "mode"), _owners(current), _owners(wish), strict=True):
        if isinstance(new, str) and old != new:
            before = None if isinstance(old, Unset) else old
            yield Step(f"set {what} of {path} to {new}", before, new, do=call(datastore.own, path, **{what: new}))
    if current.entry != wish.entry:
        sentence = f"note datastore {name}: {wish.entry.kind}, {path}"
        yield Step(sentence, current.entry, wish.entry, do=call(datastore.put, register, name, wish.entry))


def gone_steps(register: str, name: str, known: Entry | None) -> Iterator[Step]:
    """The step after which NAME is no datastore. Pure."""
    if known is not None:
        yield Step(f"forget datastore {name}", known, None, do=call(datastore.put, register, name, None))


def _owners(of: Datastore) -> tuple[str | Unset, str | Unset, str | Unset]:
    return of.user, of.group, of.mode


def _entry(name: str | int, kind: str, path: str | Unset, mount: str | bool | Unset, pool: str | Unset) -> Entry:
    """What the register is to say, the directory of a pool left open. Pure."""
    datastore_register.name_of(name)
    if isinstance(path, str) == isinstance(pool, str):
        raise DatastoreError(f"datastore {name}: say where it is, either by `path` or by `pool`")
    needed = mount if isinstance(mount, str) else True if mount is True else None
    if isinstance(path, Unset):
        return Entry(kind=kind, path="/", mount=needed, pool=str(pool))
    target = safe.absolute(path)
    if not target.isprintable() or target == "/":
        raise DatastoreError(f"datastore {name}: not a directory for it: {path!r}")
    return Entry(kind=kind, path=target, mount=needed)
