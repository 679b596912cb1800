"""The disks of guests on a datastore: overlays on an image, copies of one, or empty ones.

A disk holds what a guest has written, so it is made once and never made again: it grows, and that is all that changes.
One that is made of an image without `persistent` goes with its guest; the image stays as it is for all.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from modules import _sizes, image
from modules._datastore.register import DatastoreError
from modules._disk import files as disk
from modules._disk import notes as disk_notes
from modules._disk import users as disk_users
from modules._disk.files import Disk, DiskError
from modules._disk.notes import Note
from modules._file import identity
from modules._file import owner as file_owner
from modules._file.safe import absolute
from modules._image import look as image_look
from modules._virt import hypervisor
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, state
from states._file import shared as file_shared
from states._place import is_relative, place

Format = Literal["qcow2", "raw"]


@dataclass(frozen=True, slots=True)
class File:
    """A disk as it is, or as it should be. SIZE in bytes; IMAGE is what it stands on; MODE is four octal digits."""

    format: str
    size: int | Unset = UNSET
    image: str | None = None
    persistent: bool | Unset = UNSET
    user: str | Unset = UNSET
    group: str | Unset = UNSET
    mode: str | Unset = UNSET


@dataclass(frozen=True, slots=True)
class Making:
    """How a disk that is missing is made."""

    path: str
    notes: str
    persistent: bool
    image: str | None = None
    image_format: str | None = None


@state
def present(
    ctx: Context,
    name: str,
    *,
    image: str | None = None,
    size: str | int | Unset = UNSET,
    format: Format = "qcow2",
    persistent: bool = False,
    datastore: str | int | None = None,
    image_datastore: str | int | None = None,
    user: str | int | Unset = UNSET,
    group: str | int | Unset = UNSET,
    mode: str = "0600",
) -> Plan:
    """There is a disk NAME: a path, or with DATASTORE a name in that.

    image: what it is made of: a path, or a name in `image_datastore` (default: `datastore`). Without one it is empty.
    size: what the guest sees: 20G, 1.5T, a mere number is MiB. A disk that is there is grown, a running guest's at
        once; smaller is refused. Not given: as large as the image, and not managed later.
    format: `qcow2` or `raw`.
    persistent: false: the disk is the guest's and goes with it. Of qcow2 it is an overlay that stands on the image,
        which many disks share and which must not change any more; of raw it is a copy. true: the disk is a whole copy
        that depends on nothing and is only deleted where `disk.absent` says `persistent: true` too.
    datastore, image_datastore: the number or name of a datastore, or a directory.
    user, group, mode: of the file. Owner and group are left alone while a guest uses it: they are libvirt's then.
    """
    try:
        path, source = _place(ctx, name, datastore), _source(ctx, image, image_datastore or datastore)
    except DatastoreError as error:
        return Plan(None, None, unknown=str(error))
    notes, uri = disk.notes_folder(ctx), hypervisor.uri_of(ctx)
    attributes = file_shared.wished(user, group, mode)
    found = disk.get(path, format)
    used = found is not None and disk.in_use(path)
    if used:
        attributes = attributes._replace(user=UNSET, group=UNSET)
    stands_on = source if format == "qcow2" and not persistent else None
    wanted: int | Unset = UNSET if isinstance(size, Unset) else _sizes.size_bytes(size)
    note = disk_notes.find(notes, path) if found is not None else None
    kept = persistent if note is not None else UNSET  # of a disk that this node did not make, it says nothing
    wish = File(format, wanted, stands_on, kept, attributes.user, attributes.group, attributes.mode)
    if found is None:
        if (missing := _missing(path, source)) is not None:
            return Plan(None, wish, unknown=missing)
        return Plan(None, wish, steps(None, wish, _making(path, notes, persistent, source, wanted)))
    _kept(path, found, wish, note)
    have = file_shared.observed(identity.status(path), attributes) or attributes
    lasts = note.persistent if note is not None else UNSET
    current = File(found.format, found.size, found.below, lasts, have.user, have.group, have.mode)
    guest = None
    if used and isinstance(wanted, int) and wanted > found.size:
        guest = disk_users.running(uri, path)
        if guest is None:
            raise DiskError(f"{path} can't be grown now: it is in use by something that is no guest of this node")
    planned = steps(current, wish, Making(path, notes, persistent), guest, uri)
    return Plan(current, wish, planned, comment=_warning(path, note))


@check(of=present)
def _present_arguments(
    name: str,
    *,
    image: str | None = None,
    size: str | int | Unset = UNSET,
    format: Format = "qcow2",
    datastore: str | int | None = None,
    mode: str = "0600",
    **_others: Any,
) -> None:
    if datastore is None:
        absolute(name)
    else:
        _relative(name, "the name of a disk")
    if isinstance(size, Unset):
        if image is None:
            raise DiskError(f"{name}: an empty disk needs a `size`; or name the `image` that it is made of")
    else:
        _sizes.size_bytes(size)
    if int(file_owner.mode(mode), 8) & 0o007:
        raise DiskError(f"{name}: mode {mode}: a guest's disk is nothing for everybody; give owner and group alone")


@state
def absent(
    ctx: Context, name: str, *, datastore: str | int | None = None, persistent: bool = False, force: bool = False
) -> Plan:
    """There is no disk NAME. Only a disk that this node made is deleted, and none that a guest uses or another disk
    stands on.

    datastore: as of `disk.present`. persistent: also one that was made with `persistent: true`. force: also one that
    this node did not make.
    """
    try:
        path, notes = _place(ctx, name, datastore), disk.notes_folder(ctx)
    except DatastoreError as error:
        return Plan(None, None, unknown=str(error))
    if not identity.is_there(path):
        return Plan(None, None, comment=f"there is no disk {path}")
    note = disk_notes.find(notes, path)
    if note is None and not force:
        raise DiskError(f"{path} was not made by this node, so it is not deleted; `force: true` deletes it")
    if note is not None and note.persistent and not persistent:
        raise DiskError(f"{path} is persistent, so it is not deleted; say `persistent: true` here too")
    if not stat.S_ISREG(identity.status(path, follow=False).st_mode):
        raise DiskError(f"{path} is no file")
    if others := disk.standing_on(path, notes):
        raise DiskError(f"{path} is not deleted: {', '.join(others)} stand on it")
    current = File(note.format if note else "unknown", image=note.image if note else None)
    if (why := disk_users.kept_by(hypervisor.uri_of(ctx), path, notes)) is not None:
        return Plan(current, None, unknown=f"{path} is not deleted: {why}")
    return Plan(current, None, [Step(f"delete disk {path}", path, None, do=call(disk.delete, path, notes=notes))])


def steps(
    current: File | None, wish: File, making: Making, guest: str | None = None, uri: str | None = None
) -> Iterator[Step]:
    """The steps from CURRENT (None: it is made as MAKING says) to WISH. GUEST uses it and sees it grow. Pure."""
    attributes = file_shared.Attributes(wish.user, wish.group, wish.mode)
    path = making.path
    if current is None:
        size = wish.size if isinstance(wish.size, int) else None
        do = call(
            disk.make,
            path,
            format=wish.format,
            size=size,
            image_path=making.image,
            image_format=making.image_format,
            persistent=making.persistent,
            notes=making.notes,
            **attributes.arguments,
        )
        how = f"a {wish.format} of {making.image}" if making.image else f"empty, {wish.format}"
        if making.image and wish.image is not None:
            how = f"an overlay on {making.image}"
        shown = f", {_sizes.shown(size)}" if size is not None else ""
        yield Step(f"make disk {path} ({how}{shown})", None, path, do=do)
        return
    if isinstance(wish.size, int) and isinstance(current.size, int) and wish.size > current.size:
        words: dict[str, Any] = {"guest": guest, "uri": uri} if guest is not None else {}
        live = f" while {guest} runs" if guest is not None else ""
        yield Step(
            f"grow disk {path} from {_sizes.shown(current.size)} to {_sizes.shown(wish.size)}{live}",
            current.size,
            wish.size,
            do=call(disk.grow, path, wish.size, format=wish.format, **words),
        )
    if isinstance(wish.persistent, bool) and current.persistent != wish.persistent:
        word = "persistent" if wish.persistent else "one that goes with its guest"
        do = call(disk.note_persistent, path, wish.persistent, notes=making.notes)
        yield Step(f"note that disk {path} is {word}", current.persistent, wish.persistent, do=do)
    yield from file_shared.attribute_steps(
        path, file_shared.Attributes(current.user, current.group, current.mode), attributes
    )


def _making(path: str, notes: str, persistent: bool, source: str | None, size: int | Unset) -> Making:
    if source is None:
        return Making(path, notes, persistent)
    found = image.info(source)
    if found is None:
        raise DiskError(f"there is no image {source}")
    image_look.refused(found, source)
    if isinstance(size, int) and size < found.virtual_size:
        raise DiskError(
            f"{path}: {_sizes.shown(size)} are less than the image {source} has ({_sizes.shown(found.virtual_size)})"
        )
    return Making(path, notes, persistent, source, found.format)


def _kept(path: str, found: Disk, wish: File, note: Note | None) -> None:
    """DiskError where the disk FOUND at PATH could only become as wished by losing what is on it. What its first bytes
    say counts only where nobody knows better: a guest may write there what it likes."""
    known = note.format if note is not None else wish.format
    if note is None and wish.format == "raw" and (guessed := image.info(path)) is not None:
        known = guessed.format
    if known != wish.format:
        raise DiskError(
            f"{path} is a {known} disk, not {wish.format}: a disk is never converted; say `format: {known}`"
        )
    if found.below != wish.image:
        raise DiskError(
            f"{path} {_standing(found.below)}, and should {_should(wish.image)}: a disk is never made anew, since what "
            "the guest wrote would be lost; delete it first (disk.absent), or take another name"
        )
    if found.below is not None:
        below = image.info(found.below)
        if below is None:
            raise DiskError(f"{path} stands on the image {found.below}, which is gone: bring it back, unchanged")
        image_look.refused(below, found.below)
    if isinstance(wish.size, int) and wish.size < found.size:
        raise DiskError(disk.smaller(path, found.size, wish.size))


def _standing(below: str | None) -> str:
    return "stands on nothing" if below is None else f"stands on {below}"


def _should(below: str | None) -> str:
    return "stand on nothing" if below is None else f"stand on {below}"


def _warning(path: str, note: Note | None) -> str | None:
    """What to say where the image of a disk is not the file any more that it was."""
    if note is None or note.image is None or note.persistent or note.format != "qcow2":
        return None
    try:
        now = identity.status(note.image)
    except OSError:
        return None
    if (now.st_size, now.st_mtime_ns) == (note.image_size, note.image_mtime_ns):
        return None
    return (
        f"{path} is as declared, but its image {note.image} was changed after the disk was made: its data may be broken"
    )


def _missing(path: str, source: str | None) -> str | None:
    if not identity.exists(os.path.dirname(path)):
        return f"there is no directory {os.path.dirname(path)} on this node"
    if identity.is_there(path):
        raise DiskError(f"{path} is there and is no file")
    if source is not None and not identity.exists(source):
        return f"there is no image {source} on this node"
    return None


def _place(ctx: Context, name: str, datastore: str | int | None) -> str:
    """The path of the disk NAME. DatastoreError where its datastore is not there or does not answer."""
    if datastore is not None:
        _relative(name, "the name of a disk")
    return place(ctx, name, datastore)


def _source(ctx: Context, name: str | None, datastore: str | int | None) -> str | None:
    """The path of the image NAME. DatastoreError as `_place`."""
    if name is None:
        return None
    if name.startswith("/"):
        return place(ctx, name, None)
    if datastore is None:
        raise DiskError(f"image: {name!r} is no path; name its datastore too (image_datastore)")
    _relative(name, "the name of an image")
    return place(ctx, name, datastore)


def _relative(name: str, what: str) -> None:
    if not is_relative(name):
        raise DiskError(f"not {what} in a datastore: {name!r} (a relative path without '..')")
