"""Files, folders and links on the node: what they are, and safe ways to change them.

Writes are atomic; no function follows a link that another user made (see `modules/_file/safe.py`).
"""

from __future__ import annotations

import os
import stat as st
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from modules._file import identity, safe
from modules._file import owner as file_owner
from modules._file import remove as file_remove
from modules._file.contents import Contents
from modules._file.contents import read as read_contents
from modules._file.lookups import (
    access,
    basename,
    dirname,
    find,
    get_gid,
    get_uid,
    grep,
    group_to_gid,
    join,
    lstat,
    normpath,
    path_exists_glob,
    user_to_uid,
)
from saltern.errors import PermanentError
from saltern.marks import acting, reading

# functions of this namespace that lie elsewhere
__all__ = [
    "access",
    "basename",
    "dirname",
    "find",
    "get_gid",
    "get_uid",
    "grep",
    "group_to_gid",
    "join",
    "lstat",
    "normpath",
    "path_exists_glob",
    "user_to_uid",
]

_CHECK_S = 60.0  # for a command that is to approve of new contents


class FileError(PermanentError):
    """A file can't be read or changed as asked."""


@reading
def file_exists(path: str) -> bool:
    """Whether PATH is a file (a link to one counts)."""
    return os.path.isfile(safe.absolute(path))


@reading
def directory_exists(path: str) -> bool:
    """Whether PATH is a directory (a link to one counts)."""
    return os.path.isdir(safe.absolute(path))


@reading
def path_exists(path: str) -> bool:
    """Whether there is anything at PATH, be it a link that leads nowhere."""
    return os.path.lexists(safe.absolute(path))


@reading
def is_link(path: str) -> bool:
    """Whether PATH is a symbolic link."""
    return os.path.islink(safe.absolute(path))


@reading
def readlink(path: str) -> str:
    """Where the symbolic link PATH points. FileError where it is none."""
    try:
        return os.readlink(safe.absolute(path))
    except OSError as error:
        raise FileError(f"{path} is not a symbolic link: {error.strerror}") from None


@reading
def read(path: str) -> str:
    """The text of the file PATH (UTF-8, other bytes replaced). FileError where it is missing or over 10 MiB."""
    fd = _opened(safe.absolute(path))
    try:
        size = os.fstat(fd).st_size
        if size > 10 << 20:
            raise FileError(f"{path} is too long to be shown: {size} bytes")
        from modules._file.contents import drain

        return drain(fd, size).decode("utf-8", "replace")
    finally:
        os.close(fd)


@reading
def stats(path: str, follow_symlinks: bool = True) -> dict[str, Any]:
    """What the kernel knows of PATH: type, mode ("0644"), user, group, uid, gid, size (bytes), inode, times (seconds
    since 1970), target (the real path)."""
    path = safe.absolute(path)
    try:
        found = os.stat(path, follow_symlinks=follow_symlinks)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    return {
        "inode": found.st_ino,
        "uid": found.st_uid,
        "gid": found.st_gid,
        "group": file_owner.group_name(found.st_gid),
        "user": file_owner.user_name(found.st_uid),
        "atime": found.st_atime,
        "mtime": found.st_mtime,
        "ctime": found.st_ctime,
        "size": found.st_size,
        "mode": file_owner.mode_of(found.st_mode),
        "type": safe.kind_of(found.st_mode).split(" ", 1)[1],
        "target": os.path.realpath(path),
    }


@reading
def get_mode(path: str, follow_symlinks: bool = True) -> str:
    """The permissions of PATH as four octal digits, or "" where it does not exist."""
    with suppress(OSError):
        return file_owner.mode_of(os.stat(safe.absolute(path), follow_symlinks=follow_symlinks).st_mode)
    return ""


@reading
def get_user(path: str, follow_symlinks: bool = True) -> str:
    """The user that owns PATH."""
    return str(stats(path, follow_symlinks)["user"])


@reading
def get_group(path: str, follow_symlinks: bool = True) -> str:
    """The group that owns PATH."""
    return str(stats(path, follow_symlinks)["group"])


@reading
def get_hash(path: str, form: str = "sha256") -> str:
    """The digest of the file PATH in hex; FORM is a hash that Python's hashlib knows."""
    import hashlib

    fd = _opened(safe.absolute(path))
    with open(fd, "rb") as file:
        try:
            return hashlib.file_digest(file, form).hexdigest()
        except ValueError:
            raise FileError(f"there is no hash {form!r}: use sha256, sha512, …") from None


@reading
def readdir(path: str) -> list[str]:
    """The names in the directory PATH, sorted."""
    try:
        return sorted(os.listdir(safe.absolute(path)))
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None


@reading
def contains(path: str, text: str) -> bool:
    """Whether a line of the file PATH holds TEXT. A missing file holds nothing."""
    return file_exists(path) and any(text in line for line in read(path).splitlines())


@reading
def search(path: str, pattern: str, ignore_if_missing: bool = False) -> bool:
    """Whether the regular expression PATTERN (lines are told apart, re.MULTILINE) is found in the file PATH."""
    import re

    if ignore_if_missing and not file_exists(path):
        return False
    try:
        return re.search(pattern, read(path), re.MULTILINE) is not None
    except re.error as error:
        raise FileError(f"not a regular expression: {pattern!r}: {error}") from None


@reading
def status(path: str, follow: bool = True) -> os.stat_result | None:
    """The status of PATH, an absolute path, or None. A link at the end is followed with FOLLOW, and UnsafePath raised
    where another user made it. For states; users have `file.stats`."""
    try:
        found = os.lstat(path)
        if follow and st.S_ISLNK(found.st_mode):
            if not safe.trusted(found):
                maker = file_owner.user_name(found.st_uid)
                raise safe.UnsafePath(f"{path}: refused, since it is a symbolic link that user {maker} made")
            return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    return found


@reading
def held(path: str, size: int, wished: Contents | None = None) -> Contents:
    """What the file PATH of about SIZE bytes holds: WISHED itself where its bytes are the same. For states."""
    fd = _opened(path)
    try:
        found = read_contents(fd, size)
    finally:
        os.close(fd)
    return wished if wished is not None and found == wished else found


def _opened(path: str) -> int:
    """PATH, open for reading; never waits on a pipe. FileError where it is missing or no file."""
    try:
        with identity.reading(path):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise FileError(f"{path}: {error.strerror}") from None
    mode = os.fstat(fd).st_mode
    if not st.S_ISREG(mode):
        os.close(fd)
        raise FileError(f"{path} is {safe.kind_of(mode)}, not a file")
    return fd


@acting
def put(
    path: str,
    contents: str | Contents,
    *,
    user: str | int | None = None,
    group: str | int | None = None,
    mode: str | int | None = None,
    follow_symlinks: bool = True,
    backup: str | None = None,
    check_cmd: str | Sequence[str] = (),
    tmp_ext: str = "",
) -> bool:
    """Make the file PATH hold CONTENTS, with this owner and MODE, all at once; None keeps what the old file has.
    BACKUP is a directory below which a copy of the old file is kept first, under its own path and the time. CHECK_CMD:
    commands (of a shell) that are to approve of the new contents first, in a file of their own, whose path (it ends
    with TMP_EXT) comes last. FileError where one does not."""
    if backup is not None:
        _keep_copy(path, backup)
    body = Contents(contents.encode()) if isinstance(contents, str) else contents
    for command in [check_cmd] if isinstance(check_cmd, str) else check_cmd:
        _approve(path, body, command, tmp_ext)
    with _Worded(path):
        safe.write(
            path,
            body.chunks(),
            uid=None if user is None else file_owner.uid(user),
            gid=None if group is None else file_owner.gid(group),
            mode=None if mode is None else file_owner.bits(mode),
            follow=follow_symlinks,
        )
    return True


@acting
def write(path: str, *lines: str) -> str:
    """Make the file PATH hold these LINES."""
    put(path, "".join(line if line.endswith("\n") else line + "\n" for line in lines))
    return f"Wrote {len(lines)} lines to {path!r}"


@acting
def append(path: str, *lines: str) -> str:
    """Add these LINES at the end of the file PATH, in one atomic write."""
    old = read(path) if file_exists(path) else ""
    if old and not old.endswith("\n"):
        old += "\n"
    put(path, old + "".join(line if line.endswith("\n") else line + "\n" for line in lines))
    return f"Wrote {len(lines)} lines to {path!r}"


@acting
def touch(path: str, atime: float | None = None, mtime: float | None = None, makedirs: bool = False) -> bool:
    """Make sure that the file PATH exists, and set its times to ATIME and MTIME (seconds since 1970; where only one is
    given both are it), or to now. MAKEDIRS makes the directories above it."""
    if makedirs:
        mkdir(os.path.dirname(safe.absolute(path)))
    if not path_exists(path):
        put(path, "")
    given = [time for time in (atime, mtime) if time is not None]
    with _Worded(path):
        safe.set_times(path, (given[0], given[-1]) if given else None)
    return True


@acting
def set_attributes(
    path: str,
    *,
    user: str | int | None = None,
    group: str | int | None = None,
    mode: str | int | None = None,
    follow_symlinks: bool = True,
) -> bool:
    """Give PATH an owner, group and MODE; None leaves one as it is."""
    with _Worded(path), identity.writing(path):
        safe.set_attributes(
            path,
            uid=None if user is None else file_owner.uid(user),
            gid=None if group is None else file_owner.gid(group),
            mode=None if mode is None else file_owner.bits(mode),
            follow=follow_symlinks,
        )
    return True


@acting
def set_tree(root: str, changes: Sequence[tuple[str, Mapping[str, str]]]) -> int:
    """Set owner, group and mode of many paths below ROOT: (relative path, {"user", "group", "mode"}). Their number."""
    for path, wanted in changes:
        full = f"{root}/{path}"
        with _Worded(full):
            safe.set_attributes(
                full,
                uid=file_owner.uid(wanted["user"]) if "user" in wanted else None,
                gid=file_owner.gid(wanted["group"]) if "group" in wanted else None,
                mode=file_owner.bits(wanted["mode"]) if "mode" in wanted else None,
                follow=False,
            )
    return len(changes)


@acting
def set_mode(path: str, mode: str | int) -> str:
    """Set the permissions of PATH to MODE ("0644"). What they are then."""
    set_attributes(path, mode=mode)
    return get_mode(path)


@acting
def chown(path: str, user: str | int | None = None, group: str | int | None = None) -> bool:
    """Give PATH to USER and GROUP."""
    return set_attributes(path, user=user, group=group)


@acting
def mkdir(
    path: str, user: str | int | None = None, group: str | int | None = None, mode: str | int | None = None
) -> bool:
    """Make the directory PATH and the missing ones above it, each with this owner and MODE (default 0755)."""
    with _Worded(path):
        safe.make_folders(
            path,
            uid=None if user is None else file_owner.uid(user),
            gid=None if group is None else file_owner.gid(group),
            mode=0o755 if mode is None else file_owner.bits(mode),
        )
    return True


@acting
def remove(path: str) -> bool:
    """Delete PATH, a directory with all that it holds. Links are deleted, never followed; `/`, mount points and what
    holds one are refused. Whether it was there."""
    with _Worded(path):
        return file_remove.remove(path)


@acting
def remove_entries(folder: str, names: Sequence[str]) -> int:
    """Delete the entries NAMES of FOLDER as `file.remove` does. How many were there."""
    with _Worded(folder):
        return file_remove.remove_entries(folder, names)


@acting
def symlink(
    target: str, path: str, *, user: str | int | None = None, group: str | int | None = None, replace: bool = False
) -> bool:
    """Make PATH a symbolic link to TARGET. What is there already is put away only with REPLACE, a link at once."""
    if replace and path_exists(path) and not is_link(path):
        remove(path)
    with _Worded(path):
        safe.link(
            target,
            path,
            uid=None if user is None else file_owner.uid(user),
            gid=None if group is None else file_owner.gid(group),
            replace=replace,
        )
    return True


@acting
def rename(source: str, target: str) -> bool:
    """Move SOURCE to TARGET, inside one file system."""
    with _Worded(source):
        safe.rename(source, target)
    return True


class _Worded:
    """Turns an OSError inside the block into a FileError that names PATH; a class, since it costs less to enter."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise FileError(f"{self._path}: {error.strerror}") from None


def _approve(path: str, body: Contents, command: str, suffix: str) -> None:
    """Have COMMAND look at BODY, which is to be the contents of PATH. FileError where it ends with another code than
    0."""
    import shlex
    import tempfile

    from modules import _cmd

    with tempfile.NamedTemporaryFile(prefix="saltern-check-", suffix=suffix) as copy:  # 0600
        for chunk in body.chunks():
            copy.write(chunk)
        copy.flush()
        ran = _cmd.execute(f"{command} {shlex.quote(copy.name)}", timeout=_CHECK_S, merge=True)
    if ran.code != 0:
        said = "" if body.hidden else f": {ran.out.strip()[-_cmd.SHOWN :]}"
        raise FileError(f"{path} is left as it was, since `{command}` does not approve of what it was to be{said}")


def _keep_copy(path: str, folder: str) -> None:
    """Copy the file PATH below FOLDER, named as Salt's `backup: minion` does."""
    if not file_exists(path):
        return
    from datetime import UTC, datetime

    real = os.path.realpath(safe.absolute(path))
    found = os.stat(real)
    stamp = datetime.now(UTC).strftime("%a_%b_%d_%H:%M:%S_%f_%Y")
    kept = f"{folder}{real}_{stamp}"
    safe.make_folders(os.path.dirname(kept), mode=0o700)
    body = Contents(path=real, size=found.st_size)
    safe.write(kept, body.chunks(), uid=found.st_uid, gid=found.st_gid, mode=st.S_IMODE(found.st_mode), follow=False)
