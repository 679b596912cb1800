"""Deleting a file or a whole folder, never through a link, a mount or `/`."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress

from modules._file.safe import UnsafePath, absolute, parent_of, sync_folder

MOUNTS = "/proc/self/mountinfo"


def mount_points(mountinfo: str) -> tuple[str, ...]:
    """The mount points that MOUNTINFO names (proc_pid_mountinfo(5): the fifth field, octal escapes for blanks)."""
    found = []
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if len(fields) > 4:
            found.append(
                fields[4].replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
            )
    return tuple(found)


def mount_below(path: str, points: Iterable[str]) -> str | None:
    """The first of the mount POINTS that is PATH or lies below it, or None."""
    prefix = path.rstrip("/") + "/"
    return next((point for point in points if point == path or point.startswith(prefix)), None)


def mounts_in(folder: str) -> tuple[str, ...]:
    """The mount points below FOLDER, which has no links in it."""
    prefix = folder.rstrip("/") + "/"
    return tuple(point for point in _mounts() if point.startswith(prefix))


def _mounts() -> tuple[str, ...]:
    with open(MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
        return mount_points(file.read())


def check_removable(path: str) -> None:
    """UnsafePath where PATH is `/`, or is or holds a mount point: what lies there is not this folder's own."""
    path = absolute(path)
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    if path == "/" or real == "/":
        raise UnsafePath("refused: '/' is not deleted")
    point = mount_below(real, _mounts())
    if point is not None:
        raise UnsafePath(f"refused to delete {path}: {point} is a mount point; unmount it first")


def remove(path: str) -> bool:
    """Delete PATH, a folder with all that it holds; a link itself and not what it points to. Whether it was there."""
    return remove_entries(os.path.dirname(absolute(path)), [os.path.basename(absolute(path))]) == 1


def remove_entries(folder: str, names: Sequence[str]) -> int:
    """Delete the entries NAMES of FOLDER as `remove` does, and write that to the disk once. How many were there."""
    path, count = folder.rstrip("/"), 0
    for name in names:
        check_removable(f"{path}/{name}")
        if "/" in name or name in ("", "."):
            raise UnsafePath(f"not the name of an entry of {folder}: {name!r}")
    with suppress(FileNotFoundError, NotADirectoryError), parent_of(f"{path}/.entry", follow=False) as (above, _):
        for name in names:
            count += _remove_at(above, name)
        if count:
            sync_folder(above)
    return count


def _remove_at(folder: int, name: str) -> bool:
    """Delete the entry NAME of the open FOLDER. Whether it was there."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(status.st_mode):
        _remove_folder(folder, name, status.st_dev)
    else:
        os.unlink(name, dir_fd=folder)
    return True


def _remove_folder(folder: int, name: str, device: int) -> None:
    """Delete the folder NAME in the open FOLDER. No recursion, so that the depth has no limit but open files."""
    stack = [(folder, name, _entered(folder, name, device))]
    try:
        while stack:
            above, own_name, fd = stack[-1]
            below = _emptied(fd)
            if below is None:
                os.rmdir(own_name, dir_fd=above)
                os.close(fd)
                stack.pop()
            else:
                stack.append((fd, below, _entered(fd, below, device)))
    finally:
        for _, _, fd in stack:
            os.close(fd)


def _entered(folder: int, name: str, device: int) -> int:
    fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    if os.fstat(fd).st_dev != device:
        os.close(fd)
        raise UnsafePath(f"refused to delete {name!r}: another file system is mounted there")
    return fd


def _emptied(fd: int) -> str | None:
    """Delete all but folders in the open folder FD; the name of a folder that is left, or None."""
    with os.scandir(fd) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in names:
        if not is_folder:
            os.unlink(name, dir_fd=fd)
    return next((name for name, is_folder in names if is_folder), None)
