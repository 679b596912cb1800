"""qemu-img(1): making, growing and converting disk images, so that nothing half made is ever seen.

A new image is made in a folder of its own (0700) beside its place and moved there when it is whole. The program works
inside that folder by a descriptor, so nobody who may write to the datastore can put a link in its way. Formats are
always said, never guessed; the program is limited in time, memory, and the size of what it writes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from modules._file import identity, safe
from modules._file import owner as file_owner
from modules._image import look as image_look
from modules._image.qcow2 import BadImage
from modules._run import run
from modules._sizes import MOST, SECTOR
from saltern.errors import PermanentError, nearest
from saltern.marks import acting

QUICK_S = 60.0  # to make or grow an image: its data are not touched
CONVERT_S = 3600.0
MEMORY_BYTES = 4 << 30  # address space; qemu-img's threads reserve most of it without using it
_SLACK_BYTES = 64 << 20  # a qcow2 file may be longer than what it holds
LEFT_BEHIND_S = 86400.0  # a private folder in which nothing was made for so long belongs to nobody any more
_PRIVATE = ".saltern-"  # begins the name of a private folder
_PRIVATE_NAME = re.compile(r"\.saltern-[0-9a-f]{16}")


class ImageError(PermanentError):
    """An image can't be made, grown or converted; the message says which and why."""


class NoSpace(ImageError):
    """A datastore has not enough space left."""


@acting
def create(path: str, format: str, size: int) -> None:
    """Make an empty image at PATH with SIZE bytes for the guest. ImageError where something is there already."""
    target, size = _new(path), _size(size)
    with private(target) as folder:
        _qemu_img(["create", "-q", "-f", _format(format), "--", "./made", str(size)], folder, size, target)
        place(folder, "made", target, replace=False)


@acting
def create_overlay(path: str, backing: str, backing_format: str, size: int | None = None) -> None:
    """Make a qcow2 image at PATH that holds only what differs from the image BACKING, which must not change any more.

    SIZE in bytes, not less than BACKING's (None: the same). ImageError where something is at PATH already, BadImage
    where BACKING itself refers to another file.
    """
    target, base = _new(path), safe.absolute(backing)
    found = image_look.info(base, _format(backing_format))
    if found is None:
        raise ImageError(f"{target} can't be made: there is no image {base}")
    image_look.refused(found, base)
    size = found.virtual_size if size is None else _size(size)
    if size < found.virtual_size:
        raise ImageError(f"{target} can't be made: {size} bytes are less than the {found.virtual_size} of {base}")
    with private(target) as folder:
        words = ["create", "-q", "-f", "qcow2", "-F", backing_format, "-b", base, "--", "./made", str(size)]
        _qemu_img(words, folder, _SLACK_BYTES, target)
        place(folder, "made", target, replace=False)


@acting
def resize(path: str, format: str, size: int) -> None:
    """Grow the image at PATH to SIZE bytes. ImageError where that would make it smaller: the guest's data would be
    cut off. The image must not be in use."""
    target, size = safe.absolute(path), _size(size)
    found = image_look.info(target, _format(format))
    if found is None:
        raise ImageError(f"there is no image {target}")
    if size < found.virtual_size:
        raise ImageError(f"{target} has {found.virtual_size} bytes and is never made smaller (to {size})")
    if size > found.virtual_size:
        with identity.writing(target), safe.parent_of(target, follow=True) as (folder, name):
            _qemu_img(["resize", "-q", "-f", format, "--", f"./{name}", str(size)], folder, size, target)


@acting
def convert(
    source: str,
    source_format: str,
    target: str,
    target_format: str,
    *,
    replace: bool = False,
    timeout_s: float = CONVERT_S,
) -> None:
    """Make an image at TARGET in TARGET_FORMAT with what the image SOURCE holds. BadImage where SOURCE refers to
    another file; ImageError where something is at TARGET already, unless REPLACE."""
    place_of = safe.absolute(target) if replace else _new(target)
    with private(place_of) as folder:
        convert_into(folder, "made", safe.absolute(source), source_format, target_format, place_of, timeout_s)
        place(folder, "made", place_of, replace=replace)


def convert_into(
    folder: int, name: str, source: str, source_format: str, target_format: str, told: str, timeout_s: float = CONVERT_S
) -> None:
    """Convert the image SOURCE (an absolute path, or `./NAME` in FOLDER) to the file NAME in the private FOLDER. TOLD
    is the image's name in errors."""
    path = f"/proc/self/fd/{folder}/{source[2:]}" if source.startswith("./") else source
    found = image_look.info(path, _format(source_format))
    if found is None:
        raise ImageError(f"there is no image {source}")
    image_look.refused(found, told if source.startswith("./") else source)
    owner = identity.current()
    if owner is not None and not os.access(path, os.R_OK, effective_ids=True):
        raise ImageError(f"{told} can't be made: {source} can't be read by {owner.name}, who makes what is there")
    if found.virtual_size > MOST:
        raise BadImage(f"{told} says that it has {found.virtual_size} bytes, which is more than a disk may have")
    words = ["convert", "-q", "-f", source_format, "-O", _format(target_format), "--", source, f"./{name}"]
    _qemu_img(words, folder, found.virtual_size, told, timeout_s)


@contextmanager
def private(target: str) -> Iterator[int]:
    """A descriptor of a new folder beside TARGET that only this user may enter; it goes with all that is in it. Its
    descriptor is a working folder for programs too. Within, this thread is who may write there (`_file.identity`)."""
    with identity.within(os.path.dirname(target)), safe.parent_of(target, follow=False) as (parent, _):
        _sweep(parent)
        name = f"{_PRIVATE}{os.urandom(8).hex()}"
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except OSError as error:
            raise _told(error, target) from None
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            _own(folder, name, target)
            yield folder
        except OSError as error:
            raise _told(error, target) from None
        finally:
            _clear(folder)
            os.close(folder)
            with suppress(OSError):
                os.rmdir(name, dir_fd=parent)


def _clear(folder: int) -> None:
    with suppress(OSError):
        for left in os.listdir(folder):
            os.unlink(left, dir_fd=folder)


def _sweep(parent: int) -> None:
    """Remove the private folders in PARENT that somebody left who was killed long ago, here or on another node."""
    import time

    with suppress(OSError):
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=parent)
        try:
            names = [name for name in os.listdir(fd) if _PRIVATE_NAME.fullmatch(name)]
        finally:
            os.close(fd)
        for name in names:
            folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
            try:
                if time.time() - os.fstat(folder).st_mtime < LEFT_BEHIND_S:
                    continue
                _clear(folder)
                os.rmdir(name, dir_fd=parent)
            finally:
                os.close(folder)


def _own(folder: int, name: str, target: str) -> None:
    """Refuse a FOLDER that is not the one just made: somebody who may write above it could have exchanged it. What is
    made in it has another owner then; where an NFS server squashes root, both have the same."""
    fd = os.open("own", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        here, mine = os.fstat(folder), os.fstat(fd)
    finally:
        os.close(fd)
        os.unlink("own", dir_fd=folder)
    if here.st_uid != mine.st_uid or here.st_mode & 0o077:
        raise ImageError(f"{target}: refused, since somebody put another folder in the place of {name}")


def place(
    folder: int,
    name: str,
    target: str,
    *,
    replace: bool,
    uid: int | None = None,
    gid: int | None = None,
    mode: int | None = None,
) -> None:
    """Make the file NAME of the private FOLDER last and move it to TARGET, at once. ImageError where something is there
    already, unless REPLACE. UID, GID and MODE (None: as it is) are given to it before."""
    fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        _give(fd, uid, gid, target)
        if mode is not None:
            os.fchmod(fd, mode)
        os.fsync(fd)
    finally:
        os.close(fd)
    with safe.parent_of(target, follow=False) as (parent, last):
        if replace:
            os.rename(name, last, src_dir_fd=folder, dst_dir_fd=parent)
        else:
            try:  # unlike rename(2), link(2) fails where something is there
                os.link(name, last, src_dir_fd=folder, dst_dir_fd=parent, follow_symlinks=False)
            except FileExistsError:
                raise ImageError(f"{target} is there already, and it is not overwritten") from None
        safe.sync_folder(parent)


def _give(fd: int, uid: int | None, gid: int | None, target: str) -> None:
    """Give the file FD the owner UID and the group GID, unless it has them."""
    found, owner = os.fstat(fd), identity.current()
    if uid in (None, found.st_uid) and gid in (None, found.st_gid):
        return
    try:
        os.fchown(fd, -1 if uid is None else uid, -1 if gid is None else gid)
    except PermissionError:
        if owner is None:
            raise
        wished = f"{file_owner.user_name(found.st_uid if uid is None else uid)}"
        wished += f":{file_owner.group_name(found.st_gid if gid is None else gid)}"
        raise ImageError(
            f"{target} can't be given to {wished}: its server lets only {owner.name} write there, so what is made "
            f"is {owner.name}'s, of the group {file_owner.group_name(found.st_gid)}"
        ) from None


def output(words: list[str], folder: int, told: str) -> str:
    """What qemu-img says in FOLDER, where it only reads."""
    return _qemu_img(words, folder, 0, told)


def _qemu_img(words: list[str], folder: int, size: int, told: str, timeout_s: float = QUICK_S) -> str:
    """Run qemu-img in FOLDER, which may make no file longer than what an image of SIZE bytes takes. Its output."""
    longest = size + size // 64 + _SLACK_BYTES
    limits = [f"--as={MEMORY_BYTES}", f"--fsize={longest}", "--core=0"]
    ran = run(
        ["prlimit", *limits, "--", "qemu-img", *words],
        timeout_s=timeout_s,
        cwd=f"/proc/self/fd/{folder}",
        env={"LC_ALL": "C"},
    )
    if ran.timed_out:
        raise ImageError(f"{told}: qemu-img {words[0]} did not end within {timeout_s:g} s, so it was ended")
    if ran.code == 0:
        return ran.out
    said = (ran.err.strip() or ran.out.strip() or f"it ended with {ran.code}").removeprefix("qemu-img: ")
    if "No space left" in said or "quota exceeded" in said.lower():
        raise NoSpace(f"{told}: no space is left in {os.path.dirname(told)}")
    if "qemu-img" in said and "No such file" in said:
        said = "there is no program qemu-img on this node (the package is qemu-utils)"
    raise ImageError(f"{told}: qemu-img {words[0]} failed: {said}")


def _told(error: OSError, target: str) -> ImageError:
    import errno

    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"{target}: no space is left in {os.path.dirname(target)}")
    more = ""
    if error.errno in (errno.EACCES, errno.EPERM):
        more = _denied()
    return ImageError(f"{target} can't be written: {error.strerror}{more}")


def _denied() -> str:
    owner = identity.current()
    if owner is not None:
        return f", not even by {owner.name}, who owns the directory: its server refuses it, or it is exported `ro`"
    return "; where an NFS server squashes root, the directory must belong to the user who shall own what is made there"


def _format(format: str) -> str:
    if format not in image_look.FORMATS:
        raise BadImage(
            f"not a format of an image: {format!r}.{nearest(format, image_look.FORMATS)} (qcow2 and raw are)"
        )
    return format


def _size(size: int) -> int:
    if isinstance(size, bool) or not 0 < size <= MOST or size % SECTOR:
        raise BadImage(f"not the size of an image: {size!r} (a multiple of {SECTOR} bytes, up to {MOST})")
    return size


def _new(path: str) -> str:
    target = safe.absolute(path)
    if identity.is_there(target):
        raise ImageError(f"{target} is there already, and it is not overwritten")
    return target
