"""Walks the directories of `file_roots` and tells what each file is, without reading one.

Only regular files are seen. Folders are entered through handles that follow no link, so a folder that is swapped for a
link during the walk is not entered. A symbolic link is followed where what it names lies in the same root.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from saltern.wire.manifest import BadManifest, check_path

IGNORED = frozenset({".git", ".hg", ".svn"})  # a history may hold what was taken out of the tree on purpose
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Stat(NamedTuple):
    """What tells whether a file is still the one that was read."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Found(NamedTuple):
    """A file: REAL is its path on this machine, MODE its permission bits."""

    real: str
    stat: Stat
    mode: int


@dataclass(slots=True)
class Scan:
    """The files of one root by their path in the tree, and what was SKIPPED: path and reason."""

    files: dict[str, Found] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def stat_of(status: os.stat_result) -> Stat:
    """The Stat of what os.stat gave."""
    return Stat(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def scan(root: str) -> Scan:
    """The files below ROOT; nothing where there is no such folder. ROOT itself may be a link."""
    result = Scan()
    real = os.path.realpath(root)
    try:
        handle = os.open(real, _FOLDER)
    except (FileNotFoundError, NotADirectoryError) as error:
        result.skipped.append((root, error.strerror or "not there"))
        return result
    try:
        _walk(handle, real, "", real, (_identity(handle),), result)
    finally:
        os.close(handle)
    return result


def _walk(handle: int, folder: str, prefix: str, root: str, above: tuple[tuple[int, int], ...], result: Scan) -> None:
    """Take in FOLDER, open as HANDLE; its files get PREFIX. ABOVE are the folders that led here, itself included."""
    with os.scandir(handle) as entries:
        for entry in entries:
            name = entry.name
            path = prefix + name
            try:
                if entry.is_symlink():
                    _link(handle, name, path, root, above, result)
                elif entry.is_file(follow_symlinks=False):
                    _file(path, f"{folder}/{name}", entry.stat(follow_symlinks=False), result)
                elif entry.is_dir(follow_symlinks=False):
                    if name in IGNORED:
                        continue
                    inner = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=handle)
                    _enter(inner, f"{folder}/{name}", path, root, above, result)
                else:
                    result.skipped.append((path, "not a regular file"))
            except OSError as error:  # gone meanwhile, a dangling link, not readable
                result.skipped.append((path, error.strerror or str(error)))


def _enter(handle: int, folder: str, path: str, root: str, above: tuple[tuple[int, int], ...], result: Scan) -> None:
    try:
        identity = _identity(handle)
        if identity in above:
            result.skipped.append((path, "a link to a folder that it lies in"))
        else:
            _walk(handle, folder, path + "/", root, (*above, identity), result)
    finally:
        os.close(handle)


def _link(handle: int, name: str, path: str, root: str, above: tuple[tuple[int, int], ...], result: Scan) -> None:
    target = os.open(name, os.O_PATH | os.O_CLOEXEC, dir_fd=handle)  # opens nothing: a FIFO or device stays untouched
    try:
        real = os.readlink(f"/proc/self/fd/{target}")
        status = os.fstat(target)
        if not real.startswith(root.rstrip("/") + "/"):
            result.skipped.append((path, "a link that leaves the root"))
        elif any(part in IGNORED for part in real[len(root) :].split("/")):
            result.skipped.append((path, "a link to what is not published"))
        elif stat.S_ISREG(status.st_mode):
            _file(path, real, status, result)
        elif stat.S_ISDIR(status.st_mode):
            _enter(os.open(f"/proc/self/fd/{target}", _FOLDER), real, path, root, above, result)
        else:
            result.skipped.append((path, "not a regular file"))
    finally:
        os.close(target)


def _file(path: str, real: str, status: os.stat_result, result: Scan) -> None:
    try:
        check_path(path)
    except BadManifest:
        result.skipped.append((path, "a name that is not allowed: control characters, backslashes or not UTF-8"))
        return
    result.files[path] = Found(real, stat_of(status), stat.S_IMODE(status.st_mode) & 0o777)


def _identity(handle: int) -> tuple[int, int]:
    status = os.fstat(handle)
    return status.st_dev, status.st_ino


def merged(roots: list[str]) -> Scan:
    """The files of several roots of one environment: the first root that has a path wins, as in Salt's `file_roots`."""
    result = Scan()
    for root in roots:
        one = scan(root)
        result.skipped += one.skipped
        for path, found in one.files.items():
            result.files.setdefault(path, found)
    for path in _both_file_and_folder(result.files):
        result.skipped.append((path, "a folder in one root and a file in another"))
        del result.files[path]
    return result


def _both_file_and_folder(files: dict[str, Found]) -> Iterator[str]:
    folders = set()
    for path in files:
        while (path := path.rpartition("/")[0]) and path not in folders:
            folders.add(path)
    return iter([path for path in folders if path in files])
