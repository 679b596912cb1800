"""The disks of guests: image files that are made of an image or empty, grown, and deleted; never while in the way."""

from __future__ import annotations

from typing import Any

from modules import _sizes, image
from modules._disk import files as disk_files
from modules._disk import notes as disk_notes
from modules._disk import users as disk_users
from modules._disk.files import DiskError, notes_folder
from modules._file import safe
from modules._virt import hypervisor
from saltern.context import Context
from saltern.marks import acting, reading


@reading
def info(path: str, format: str | None = None) -> dict[str, Any] | None:
    """Format, size for the guest and on the datastore (in bytes), the image below, and whether the disk at PATH is in
    use; None where there is none. FORMAT: what it is known to be (default: what its first bytes say)."""
    found = image.info(path, format)
    if found is None:
        return None
    return {
        "format": found.format,
        "size": found.virtual_size,
        "allocated": found.disk_size,
        "image": found.backing_file,
        "in_use": in_use(path),
    }


@reading
def list_(ctx: Context) -> list[dict[str, Any]]:
    """The disks that this node made: path, format, image, persistent, in_use; `error` in the place of the last where
    its server is away."""
    return [
        {
            "path": note.path,
            "format": note.format,
            "image": note.image,
            "persistent": note.persistent,
            **({"in_use": in_use(note.path)} if away is None else {"error": away}),
        }
        for note, away in disk_files.noted(notes_folder(ctx))
    ]


@reading
def in_use(path: str) -> bool:
    """Whether QEMU or qemu-img has the disk or image at PATH open, here or on another node of the same datastore. False
    where there is no such file."""
    return disk_files.in_use(path)


@reading
def overlays_of(ctx: Context, path: str) -> list[str]:
    """The disks of this node that stand on the image at PATH: it must not change while they are there."""
    return disk_files.standing_on(path, notes_folder(ctx))


@acting
def grow(ctx: Context, path: str, size: int | str, format: str | None = None) -> bool:
    """Make the disk PATH larger: SIZE like "20G", a mere number is MiB. A running guest of this node's libvirt sees it
    at once. False where it has that size already. FORMAT: of a disk that this node did not make."""
    target, wanted, uri = safe.absolute(path), _sizes.size_bytes(size), hypervisor.uri_of(ctx)
    note = disk_notes.find(notes_folder(ctx), target)
    if note is None and format is None:
        raise DiskError(f"{target} was not made by this node: say its `format`, qcow2 or raw")
    guest = disk_users.running(uri, target) if in_use(target) else None
    return disk_files.grow(target, wanted, format=note.format if note else str(format), guest=guest, uri=uri)


@acting
def remove(ctx: Context, path: str, persistent: bool = False) -> bool:
    """Delete the disk PATH, which this node made. PERSISTENT: also one that outlives its guest. DiskError where a guest
    has it, running or not, where it is in use, or where other disks stand on it."""
    target, notes = safe.absolute(path), notes_folder(ctx)
    note = disk_notes.find(notes, target)
    if note is None:
        raise DiskError(f"{target} was not made by this node, so it is not deleted")
    if note.persistent and not persistent:
        raise DiskError(f"{target} is persistent: say persistent=True to delete it")
    if (why := disk_users.kept_by(hypervisor.uri_of(ctx), target, notes)) is not None:
        raise DiskError(f"{target} is not deleted: {why}")
    return disk_files.delete(target, notes=notes)
