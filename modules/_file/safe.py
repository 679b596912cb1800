"""Reaching, writing and deleting files in folders that others may write to, without being led astray.

Every path is walked from `/` one part at a time by file descriptors. A symbolic link on the way is followed only if
root or this process's own user made it; so nobody else can point a write or a delete somewhere else, not even between
two steps of it. See open(2) O_NOFOLLOW, O_PATH, symlink(7), and the kernel's fs.protected_symlinks for the idea.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from modules._file.owner import user_name
from saltern.errors import PermanentError, TemporaryError
from saltern.kept import count

LINKS = 40  # as the kernel's own limit, path_resolution(7)
_MOVED = 1 << 20  # bytes copied at a time
_WALK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class UnsafePath(PermanentError):
    """A path leads through something that another user controls, or to something that must not be touched."""


def absolute(path: str) -> str:
    """PATH as an absolute one without `.`, doubled or closing slashes; `~` is a home. UnsafePath for anything else."""
    if path.startswith("~") and "\0" not in path:
        path = os.path.expanduser(path)
    if not path.startswith("/") or "\0" in path:
        raise UnsafePath(f"not an absolute path: {path!r}")
    if "/../" in path or path.endswith("/.."):
        raise UnsafePath(f"a path must not contain '..': {path!r}")
    if "//" in path or "/." in path or path[-1] == "/":
        return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))
    return path


def trusted(link: os.stat_result) -> bool:
    """Whether a symbolic link with this status may be followed."""
    return link.st_uid in (0, os.geteuid())


@contextmanager
def parent_of(path: str, *, follow: bool) -> Iterator[tuple[int, str]]:
    """A descriptor (O_PATH) of the folder that holds PATH, and PATH's last part there.

    With FOLLOW, a link at the end is followed too, so the last part is then no link. FileNotFoundError where a folder
    on the way is missing, UnsafePath where a link is not to be trusted.
    """
    parts = [part for part in absolute(path).split("/") if part]
    if not parts:
        raise UnsafePath("'/' itself can't be managed")
    fd, links = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), 0
    try:
        while True:
            name, last = parts.pop(0), not parts
            target = None if last and not follow else _link_at(fd, name, path)
            if target is not None:
                if (links := links + 1) > LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if target.startswith("/"):
                    fd = _stepped(fd, "/", path)
                parts = [part for part in target.split("/") if part not in ("", ".")] + parts
                if not parts:
                    raise UnsafePath(f"{path} leads to '/' itself")
            elif last:
                yield fd, name
                return
            else:
                fd = _stepped(fd, name, path)
    finally:
        os.close(fd)


def _link_at(fd: int, name: str, path: str) -> str | None:
    """Where the link NAME in the folder FD points, None if it is no link or missing. UnsafePath if not trusted."""
    if name == "..":
        return None
    try:
        found = os.open(name, _WALK, dir_fd=fd)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(found)
        if not stat.S_ISLNK(status.st_mode):
            return None
        if not trusted(status):
            raise UnsafePath(
                f"{path}: refused, since its part {name!r} is a symbolic link that user {user_name(status.st_uid)} made"
            )
        return os.readlink("", dir_fd=found)
    finally:
        os.close(found)


def _stepped(fd: int, name: str, path: str) -> int:
    """The folder NAME in FD, which is closed then."""
    try:
        found = os.open(name, _WALK | os.O_DIRECTORY, dir_fd=fd)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, path) from None
    os.close(fd)
    return found


def write(
    path: str,
    chunks: Iterable[bytes],
    *,
    uid: int | None = None,
    gid: int | None = None,
    mode: int | None = None,
    follow: bool = True,
) -> None:
    """Make the file PATH hold CHUNKS, at once: no reader ever sees a part, and a crash leaves the old or the new.

    Written beside it (0600), given its owner and MODE, synced, then renamed. What is None stays as the old file has it
    (a new one: this process's user, 0644); extended attributes and ACLs of the old one are kept.
    """
    _replace(path, lambda fd: _fill(fd, chunks), uid, gid, mode, follow)


def copy(path: str, source: str) -> None:
    """Make the file PATH hold what the file SOURCE holds, as `write` does, and by reference where the file system can.

    TemporaryError where SOURCE changes meanwhile.
    """
    with open(source, "rb", buffering=0) as file:
        before = os.fstat(file.fileno())

        def fill(fd: int) -> None:
            _pour(file.fileno(), fd, before.st_size)
            after = os.fstat(file.fileno())
            if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise TemporaryError(f"{source} changed while it was copied: try again")

        _replace(path, fill, None, None, None, True)


def move(path: str, source: str) -> None:
    """Put the file SOURCE, which nobody else has open, in the place of PATH, as `copy` does; it is gone then."""
    try:
        _put(path, lambda folder, name: _moved(source, folder, name), None, None, None, True)
    except _CantMove:
        copy(path, source)
        os.unlink(source)


class _CantMove(Exception):
    """A file can only be copied into a folder."""


def _moved(source: str, folder: int, name: str) -> int:
    if os.fstat(folder).st_mode & stat.S_ISGID or _has_default_acl(folder):
        raise _CantMove  # a new file gets its group, or its access list, from the folder
    try:
        os.rename(source, name, dst_dir_fd=folder)
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise _CantMove from None
        raise
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)


def _has_default_acl(folder: int) -> bool:
    try:
        return "system.posix_acl_default" in os.listxattr(f"/proc/self/fd/{folder}")  # acl(5)
    except OSError:
        return False  # a file system without


def _replace(
    path: str, fill: Callable[[int], None], uid: int | None, gid: int | None, mode: int | None, follow: bool
) -> None:
    def made(folder: int, name: str) -> int:
        fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            fill(fd)
        except BaseException:
            os.close(fd)
            raise
        return fd

    _put(path, made, uid, gid, mode, follow)


def _put(
    path: str, make: Callable[[int, str], int], uid: int | None, gid: int | None, mode: int | None, follow: bool
) -> None:
    """Put what MAKE(folder, name) makes, and opens, in the place of PATH."""
    with parent_of(path, follow=follow) as (folder, name):
        old = _regular(folder, name, path)
        temporary = f".{name[:200]}.{os.urandom(8).hex()}"
        try:
            fd = make(folder, temporary)
            try:
                _dress(fd, folder, name, old, uid, gid, mode)
                os.fsync(fd)
            finally:
                os.close(fd)
            _move(folder, temporary, name)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
        sync_folder(folder)
    count("file writes")


def _move(folder: int, temporary: str, name: str) -> None:
    """Put TEMPORARY in the place of NAME; where NAME is itself a mount (a container's /etc/hosts), fill it instead."""
    try:
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        flags = os.O_NOFOLLOW | os.O_CLOEXEC
        source = os.open(temporary, os.O_RDONLY | flags, dir_fd=folder)
        target = os.open(name, os.O_WRONLY | os.O_TRUNC | flags, dir_fd=folder)
        try:
            _fill(target, iter(lambda: os.read(source, 1 << 20), b""))
            os.fsync(target)
        finally:
            os.close(source)
            os.close(target)
        os.unlink(temporary, dir_fd=folder)


def _regular(folder: int, name: str, path: str) -> os.stat_result | None:
    try:
        old = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not (stat.S_ISREG(old.st_mode) or stat.S_ISLNK(old.st_mode)):
        raise UnsafePath(f"{path} is there and is {kind_of(old.st_mode)}, not a file")
    return old


def _fill(fd: int, chunks: Iterable[bytes | memoryview]) -> None:
    for chunk in chunks:
        left = memoryview(chunk)
        while left:
            left = left[os.write(fd, left) :]


def _pour(source: int, target: int, size: int) -> None:
    """Copy the file SOURCE, of SIZE bytes, to the empty TARGET, both from where they stand."""
    done = 0
    with suppress(OSError):  # copy_file_range(2): not between these two, so by hand from where it stopped
        while done < size and (moved := os.copy_file_range(source, target, min(size - done, _MOVED))):
            done += moved
    buffer = memoryview(bytearray(min(max(size - done, 1), _MOVED)))
    while count := os.readv(source, [buffer]):
        _fill(target, [buffer[:count]])


def _dress(
    fd: int, folder: int, name: str, old: os.stat_result | None, uid: int | None, gid: int | None, mode: int | None
) -> None:
    """Give the new file FD its owner, extended attributes and mode, in the order in which none undoes another."""
    now = os.fstat(fd)
    keep = old if old is not None and stat.S_ISREG(old.st_mode) else None
    owner = uid if uid is not None else keep.st_uid if keep else now.st_uid
    group = gid if gid is not None else keep.st_gid if keep else now.st_gid
    if (owner, group) != (now.st_uid, now.st_gid):
        os.fchown(fd, owner, group)
    if keep is not None:
        _copy_attributes(fd, folder, name)
    os.fchmod(fd, mode if mode is not None else stat.S_IMODE(keep.st_mode) if keep else 0o644)


def _copy_attributes(fd: int, folder: int, name: str) -> None:
    try:
        old = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError:
        return
    try:
        for attribute in os.listxattr(old):
            if attribute not in ("security.capability", "security.ima", "security.evm"):  # bound to the old bytes
                with suppress(OSError):
                    os.setxattr(fd, attribute, os.getxattr(old, attribute))
    except OSError:
        pass  # a file system without extended attributes
    finally:
        os.close(old)


def sync_folder(folder: int) -> None:
    """Make the names in the folder FOLDER (a descriptor) last across a power failure, as far as it can."""
    with suppress(OSError):
        fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def set_attributes(path: str, *, uid: int | None, gid: int | None, mode: int | None, follow: bool = True) -> None:
    """Give the file or folder PATH an owner, group and MODE; None leaves one as it is. Mode comes last, since a change
    of owner clears the set-user-id bit (chown(2))."""
    with parent_of(path, follow=follow) as (folder, name):
        fd = os.open(name, _WALK, dir_fd=folder)
        try:
            _set(fd, uid, gid, mode)
        finally:
            os.close(fd)


def _set(fd: int, uid: int | None, gid: int | None, mode: int | None) -> None:
    status = os.fstat(fd)
    here = f"/proc/self/fd/{fd}"  # the way to the thing itself that a descriptor opened with O_PATH offers
    if stat.S_ISLNK(status.st_mode):
        raise UnsafePath("a symbolic link has no permissions of its own")
    if uid not in (None, status.st_uid) or gid not in (None, status.st_gid):
        os.chown(here, -1 if uid is None else uid, -1 if gid is None else gid)
        if mode is None and stat.S_IMODE(status.st_mode) & 0o6000:
            mode = stat.S_IMODE(status.st_mode)
    if mode is not None:
        os.chmod(here, mode)


def set_times(path: str, times: tuple[float, float] | None) -> None:
    """Give the file or folder PATH these TIMES of access and change, in seconds since the epoch, or now."""
    with parent_of(path, follow=True) as (folder, name):
        os.utime(name, times, dir_fd=folder, follow_symlinks=False)


def rename(source: str, target: str) -> None:
    """Move SOURCE to TARGET inside one file system; a link in either place is itself moved, or replaced."""
    with parent_of(source, follow=False) as (folder, name), parent_of(target, follow=False) as (into, as_name):
        os.rename(name, as_name, src_dir_fd=folder, dst_dir_fd=into)


def make_folders(path: str, *, uid: int | None = None, gid: int | None = None, mode: int = 0o755) -> None:
    """Make the folder PATH and the missing ones above it, each with this owner and MODE; those there stay as they
    are."""
    path = absolute(path)
    missing: list[str] = []
    while path != "/" and not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for folder in reversed(missing):
        with parent_of(folder, follow=False) as (fd, name):
            try:
                os.mkdir(name, 0o700, dir_fd=fd)
            except FileExistsError:
                if not os.path.isdir(folder):
                    raise UnsafePath(f"{folder} is there and is not a folder") from None
                continue
            made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
            try:
                if uid is not None or gid is not None:
                    os.fchown(made, -1 if uid is None else uid, -1 if gid is None else gid)
                os.fchmod(made, mode)
            finally:
                os.close(made)


def kind_of(st_mode: int) -> str:
    """What a `st_mode` is, in words: "a file", "a directory", "a symbolic link", …"""
    return _KINDS.get(stat.S_IFMT(st_mode), "something unknown")


_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a directory",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a block device",
    stat.S_IFCHR: "a character device",
}


def link(target: str, path: str, *, uid: int | None = None, gid: int | None = None, replace: bool = False) -> None:
    """Make PATH a symbolic link to TARGET. With REPLACE a link that is there is replaced at once; FileExistsError where
    something else is there."""
    with parent_of(path, follow=False) as (folder, name):
        temporary = f".{name[:200]}.{os.urandom(8).hex()}" if replace else name
        os.symlink(target, temporary, dir_fd=folder)
        try:
            if uid is not None or gid is not None:
                uid, gid = -1 if uid is None else uid, -1 if gid is None else gid
                os.chown(temporary, uid, gid, dir_fd=folder, follow_symlinks=False)
            if replace:
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
        sync_folder(folder)
