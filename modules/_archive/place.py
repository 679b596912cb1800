"""Unpacking an archive into a folder: beside its place first, moved there when all of it has come.

Until then the folder is as it was. What was unpacked lies in a folder of its own that only this process's user may
enter, and is moved with descriptors, so that nobody who may write to the place can lead it elsewhere.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from modules._archive.members import ArchiveError, Kind, Member, Raw
from modules._file import remove as file_remove
from modules._file import safe
from modules._file.safe import parent_of

_PREFIX = ".saltern-unpacking."
_LEFT = re.compile(re.escape(_PREFIX) + "[0-9a-f]{16}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

Members = Mapping[str, tuple[Member, Raw | None]]
Chunks = Callable[[Raw], Iterator[bytes]]


def place(
    dest: str,
    members: Members,
    chunks: Chunks,
    *,
    uid: int | None = None,
    gid: int | None = None,
    remove: tuple[str, ...] = (),
    afresh: bool = False,
    force: bool = False,
) -> None:
    """Make MEMBERS, whose contents CHUNKS gives, be in the folder DEST, which is made where it is missing.

    UID, GID: whose they are, and new folders above; default: this process's. REMOVE: entries of DEST that go first.
    AFRESH: DEST as a whole goes first. FORCE: what is of another kind in their place goes.
    """
    dest = safe.absolute(dest)
    if afresh:
        file_remove.check_removable(dest)
    else:
        _check_kinds(dest, members, remove, force)
    beside = afresh or not os.path.isdir(dest)
    folder = os.path.dirname(dest) if beside else dest
    safe.make_folders(folder, uid=uid, gid=gid)
    with _staged(folder) as (above, name, stage):
        _check_room(stage, members)
        _fill(f"/proc/self/fd/{stage}", members, chunks, uid, gid)
        if beside:
            os.fchown(stage, -1 if uid is None else uid, -1 if gid is None else gid)
            os.fchmod(stage, 0o755)
            file_remove.remove(dest)
            os.rename(name, os.path.basename(dest), src_dir_fd=above, dst_dir_fd=above)
        else:
            file_remove.remove_entries(dest, remove)
            target = os.open(".", _FOLDER, dir_fd=above)
            try:
                _merge(stage, target, dest, (uid, gid), force)
            finally:
                os.close(target)
        safe.sync_folder(above)


def _check_kinds(dest: str, members: Members, remove: tuple[str, ...], force: bool) -> None:
    """ArchiveError where something of another kind is in the place of a member, unless it goes anyhow; or another file
    system, into which nothing can be moved."""
    device = os.stat(dest).st_dev if os.path.isdir(dest) else None
    for path, (member, _) in members.items():
        if path.partition("/")[0] not in remove:
            with suppress(FileNotFoundError, NotADirectoryError):
                status = os.lstat(f"{dest}/{path}")
                if not (force or fits(member.kind, status)):
                    raise in_the_way(f"{dest}/{path}", status)
                if status.st_dev != device and stat.S_ISDIR(status.st_mode):
                    raise ArchiveError(f"another file system is mounted at {dest}/{path}: unpack into that one itself")


@contextmanager
def _staged(folder: str) -> Iterator[tuple[int, str, int]]:
    """A new folder in FOLDER: a descriptor of FOLDER, its name there, a descriptor of it. It is gone afterwards; those
    that a killed process left are gone before."""
    with parent_of(f"{folder.rstrip('/')}/.entry", follow=False) as (above, _):
        file_remove.remove_entries(
            folder, [name for name in _listed(above) if _LEFT.fullmatch(name) and _idle(above, name)]
        )
        name = _PREFIX + os.urandom(8).hex()
        os.mkdir(name, 0o700, dir_fd=above)
        stage = os.open(name, _FOLDER, dir_fd=above)
        try:
            fcntl.flock(stage, fcntl.LOCK_EX)  # who finds it locked knows that it is in use
            yield above, name, stage
        finally:
            os.close(stage)
            file_remove.remove_entries(folder, [name])


def _listed(folder: int) -> list[str]:
    fd = os.open(".", _FOLDER, dir_fd=folder)
    try:
        return os.listdir(fd)
    finally:
        os.close(fd)


def _idle(folder: int, name: str) -> bool:
    """Whether no process is at work in NAME."""
    try:
        fd = os.open(name, _FOLDER, dir_fd=folder)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


def _check_room(stage: int, members: Members) -> None:
    needed = sum(member.size for member, _ in members.values())
    found = os.fstatvfs(stage)
    free = found.f_bavail * found.f_frsize
    if needed > free:
        raise ArchiveError(f"there is no room for it: {needed} bytes would come, and {free} are free")


def _fill(root: str, members: Members, chunks: Chunks, uid: int | None, gid: int | None) -> None:
    """Make MEMBERS below ROOT, which nobody else may enter: folders, files, then the links, then what folders are."""
    owner, group = -1 if uid is None else uid, -1 if gid is None else gid
    folders = [member for member, _ in members.values() if member.kind is Kind.FOLDER]
    for member in folders:
        os.mkdir(f"{root}/{member.path}", 0o700)
    for member, raw in members.values():
        if member.kind is Kind.FILE and raw is not None:
            _write(f"{root}/{member.path}", member, chunks(raw), owner, group)
    for member, _ in members.values():
        if member.kind is Kind.HARD:
            os.link(f"{root}/{member.target}", f"{root}/{member.path}", follow_symlinks=False)
    for member, _ in members.values():
        if member.kind is Kind.LINK:
            os.symlink(member.target, f"{root}/{member.path}")
    for member in reversed(folders):
        path = f"{root}/{member.path}"
        os.chown(path, owner, group, follow_symlinks=False)
        os.chmod(path, member.mode)
        _set_time(path, member.mtime)


def _write(path: str, member: Member, chunks: Iterator[bytes], owner: int, group: int) -> None:
    count = 0
    fd = os.open(path, _NEW, 0o600)
    with open(fd, "wb") as file:
        for chunk in chunks:
            count += len(chunk)
            if count > member.size:
                break
            file.write(chunk)
        if count != member.size:
            raise ArchiveError(f"{member.path!r} is not of the size that the archive says")
        file.flush()
        os.fchown(fd, owner, group)
        os.fchmod(fd, member.mode)
        _set_time(fd, member.mtime)


def _set_time(path: str | int, mtime: float) -> None:
    if mtime:  # a folder that only follows from a name has none
        with suppress(OSError, OverflowError, ValueError):  # a time that no file system has
            os.utime(path, (mtime, mtime))


def _merge(source: int, target: int, shown: str, owner: tuple[int | None, int | None], force: bool) -> None:
    """Move what is in the folder SOURCE into the folder TARGET (descriptors). Folders that are there keep what else is
    in them and their permissions, and get the OWNER (user, group) if one is given."""
    for name in os.listdir(source):
        new = os.stat(name, dir_fd=source, follow_symlinks=False)
        old = _status(target, name)
        if old is not None and stat.S_IFMT(old.st_mode) != stat.S_IFMT(new.st_mode):
            if not force:
                raise in_the_way(f"{shown}/{name}", old)
            file_remove.remove_entries(shown, [name])
            old = None
        if old is None or not stat.S_ISDIR(new.st_mode):
            os.rename(name, name, src_dir_fd=source, dst_dir_fd=target)
            continue
        inner, outer = os.open(name, _FOLDER, dir_fd=source), -1
        try:
            outer = os.open(name, _FOLDER, dir_fd=target)
            _merge(inner, outer, f"{shown}/{name}", owner, force)
            if owner != (None, None):
                os.fchown(outer, *(-1 if number is None else number for number in owner))
        finally:
            os.close(inner)
            if outer >= 0:
                os.close(outer)


def in_the_way(path: str, status: os.stat_result) -> ArchiveError:
    """The error that what is at PATH is of another kind than what would come there."""
    return ArchiveError(f"{path} is there and is {safe.kind_of(status.st_mode)}; `force: True` puts it away")


def fits(kind: Kind, status: os.stat_result) -> bool:
    """Whether what has this STATUS is of the KIND of a member."""
    wanted = {Kind.FOLDER: stat.S_IFDIR, Kind.LINK: stat.S_IFLNK}.get(kind, stat.S_IFREG)
    return stat.S_IFMT(status.st_mode) == wanted


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
