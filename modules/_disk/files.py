"""Disk files of guests: looked at, made, grown and deleted; what `modules/disk.py` and the states stand on.

Who uses a file is asked of the kernel: QEMU (and qemu-img) hold locks on certain bytes of every image that they have
open, QEMU's docs/system/images (image locking). So a guest of another tool, or one of another node on the same NFS
datastore, is seen too.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from modules import _sizes, datastore, file, image, mount
from modules._disk import notes as disk_notes
from modules._disk.notes import Note
from modules._file import identity, safe
from modules._image import look as image_look
from modules._image import qemu_img
from modules._image.qcow2 import BadImage
from modules._mount import table as mount_table
from modules._mount.proof import is_network
from saltern.context import Context
from saltern.errors import PermanentError
from saltern.marks import acting

_GETLK = 36  # F_OFD_GETLK, asm-generic/fcntl.h: fcntl(2), "open file description locks"
_FLOCK = "hhqqixxxx"  # struct flock of 64-bit Linux: type, whence, start, length, pid
_LOCKED = (100, 200)  # first byte, count: QEMU's block/file-posix.c, RAW_LOCK_PERM_BASE and RAW_LOCK_SHARED_BASE


class DiskError(PermanentError):
    """A disk can't be made, grown or deleted; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk file: its FORMAT, its SIZE for the guest in bytes, the image BELOW it (an absolute path; None: it stands
    on its own)."""

    format: str
    size: int
    below: str | None


def notes_folder(ctx: Context) -> str:
    """Where this node remembers the disks that it made."""
    return str(ctx.config.paths.var / "minion" / "disks")


def get(path: str, format: str) -> Disk | None:
    """The disk at PATH, which is known to be of FORMAT; None where there is no such file. BadImage where it is of
    another, or refers to something that a disk never does."""
    found = image.info(path, format)
    if found is None:
        return None
    if found.data_file is not None or found.encryption is not None:
        image_look.refused(_without_backing(found), path)
    below = found.backing_file
    if below is not None and not below.startswith("/"):
        below = os.path.normpath(os.path.join(os.path.dirname(path), below))
    return Disk(found.format, found.virtual_size, below)


def _without_backing(found: image_look.Image) -> image_look.Image:
    return replace(found, backing_file=None)


def in_use(path: str) -> bool:
    """Whether QEMU or qemu-img has the disk or image at PATH open, here or on another node of the same datastore (NFS
    passes locks on). False where there is no such file."""
    try:
        with identity.reading(path):
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, *_LOCKED, 0)
        held = struct.unpack(_FLOCK, fcntl.fcntl(fd, _GETLK, asked))
        return bool(held[0] != fcntl.F_UNLCK)
    finally:
        os.close(fd)


def standing_on(path: str, notes: str) -> list[str]:
    """The disks of this node (as its NOTES say) that stand on the image at PATH. Of one whose server is away, what was
    noted counts."""
    found = []
    for note, why_away in noted(notes):
        if note.image is None or note.format != "qcow2":
            continue
        try:
            disk = get(note.path, note.format) if why_away is None else Disk(note.format, 0, note.image)
        except BadImage:
            continue
        if disk is not None and disk.below is not None and same(disk.below, path):
            found.append(note.path)
    return found


def noted(notes: str) -> Iterator[tuple[Note, str | None]]:
    """The NOTES on disks that are still there, or whose server is away, and then why; each directory is asked once."""
    away: dict[str, str | None] = {}
    for note in disk_notes.everything(notes):
        folder = os.path.dirname(note.path)
        if folder not in away:
            away[folder] = datastore.away(folder)
        if away[folder] is not None or disk_notes.find(notes, note.path) == note:
            yield note, away[folder]


def same(one: str, other: str) -> bool:
    """Whether both paths lead to one file. Those on two servers are not looked at, since one may be away."""
    if one == other:
        return True
    mounts = mount.mounts()
    here, there = (mount_table.holder(mounts, path) for path in (one, other))
    if here and there and here.number != there.number and any(is_network(live.fstype) for live in (here, there)):
        return False
    try:
        return os.path.samestat(identity.status(one), identity.status(other))
    except OSError:
        return False


@acting
def make(
    path: str,
    *,
    format: str,
    size: int | None,
    image_path: str | None,
    image_format: str | None,
    persistent: bool,
    notes: str,
    user: str | int | None = None,
    group: str | int | None = None,
    mode: str | int = "0600",
) -> bool:
    """Make the disk PATH and note it as this node's own: an overlay on the image (qcow2, not PERSISTENT), a copy of it,
    or empty. It appears whole or not at all."""
    made = None
    if image_path is None:
        if size is None:
            raise DiskError(f"{path}: a disk without an image needs a size")
        qemu_img.create(path, format, size)
    else:
        made = identity.status(image_path)
        if format == "qcow2" and not persistent:
            qemu_img.create_overlay(path, image_path, image_format or "qcow2", size)
        else:
            qemu_img.convert(image_path, image_format or "qcow2", path, format)
    disk_notes.put(
        notes,
        Note(
            path=path,
            inode=identity.status(path).st_ino,
            format=format,
            persistent=persistent,
            image=image_path,
            image_size=made.st_size if made else 0,
            image_mtime_ns=made.st_mtime_ns if made else 0,
        ),
    )
    found = image.info(path, format)
    if size is not None and found is not None and found.virtual_size < size:
        qemu_img.resize(path, format, size)
    set_owner(path, user=user, group=group, mode=mode)
    return True


@acting
def note_persistent(path: str, persistent: bool, *, notes: str) -> bool:
    """Note of the disk PATH, which this node made, whether it outlives its guest."""
    note = disk_notes.find(notes, path)
    if note is None:
        raise DiskError(f"{path} was not made by this node")
    disk_notes.put(notes, replace(note, persistent=persistent))
    return True


@acting
def set_owner(
    path: str, *, user: str | int | None = None, group: str | int | None = None, mode: str | int | None = None
) -> bool:
    """Give the disk PATH an owner, group and MODE; None leaves one as it is."""
    file.set_attributes(path, user=user, group=group, mode=mode)
    return True


@acting
def grow(path: str, size: int, *, format: str = "qcow2", guest: str | None = None, uri: str | None = None) -> bool:
    """Make the disk PATH larger, to SIZE bytes. With GUEST, a running one of libvirt at URI, the guest
    sees it at once (virDomainBlockResize). A disk is never made smaller. DiskError where somebody else uses it."""
    found = image.info(path, format)
    if found is None:
        raise DiskError(f"there is no disk {path}")
    if size < found.virtual_size:
        raise DiskError(smaller(path, found.virtual_size, size))
    if size == found.virtual_size:
        return False
    if guest is None:
        if in_use(path):
            raise DiskError(f"{path} is in use, so it can't be grown from outside; name its guest")
        qemu_img.resize(path, format, size)
        return True
    from modules._virt import hypervisor

    with hypervisor.session(uri) as connection, hypervisor.translating(f"grow {path} of {guest}"):
        domain = connection.lookupByName(guest)
        domain.blockResize(path, size, hypervisor.library().VIR_DOMAIN_BLOCK_RESIZE_BYTES)
    return True


def smaller(path: str, is_: int, wanted: int) -> str:
    """What to say of a disk that should shrink."""
    return (
        f"{path} has {_sizes.shown(is_)} and is never made smaller (to {_sizes.shown(wanted)}): the end of the guest's "
        "data would be cut off"
    )


@acting
def delete(path: str, *, notes: str) -> bool:
    """Delete the disk PATH and forget it. DiskError where it is in use, or where other disks stand on it."""
    if in_use(path):
        raise DiskError(f"{path} is in use and is not deleted; stop its guest first")
    if others := standing_on(path, notes):
        raise DiskError(f"{path} is not deleted: {', '.join(others)} stand on it")
    with identity.within(os.path.dirname(path)), safe.parent_of(path, follow=False) as (folder, name):
        os.unlink(name, dir_fd=folder)
        safe.sync_folder(folder)
    disk_notes.drop(notes, path)
    return True
