"""Looks at a path in a process of its own: a program, run as `python -I -S _look.py WORK PATH …`, that imports little.

A file system whose server is away makes whoever touches it sleep, and no signal wakes that. So nothing of the kind is
touched in the worker: this program is, and it is left behind where it does not come back. It prints an empty line when
it begins, and then one of JSON, {"ok": …} or {"error": the name of an errno, "said": its text}.
"""

import ctypes
import fcntl
import json
import os
import struct
import sys

_GETFLAGS, _SETFLAGS, _IMMUTABLE = 0x80086601, 0x40086602, 0x10  # ioctl_iflags(2)
_OPEN_TREE, _CLONE = 428, 1  # open_tree(2): a copy of a mount without those that lie on it


def space(path: str) -> dict[str, int]:
    """Bytes and files of the file system of PATH (statvfs(3)): size, free for everybody, used, files."""
    found = os.statvfs(path)
    return {
        "size": found.f_blocks * found.f_frsize,
        "free": found.f_bavail * found.f_frsize,
        "used": (found.f_blocks - found.f_bfree) * found.f_frsize,
        "files": found.f_files,
        "files_free": found.f_favail,
    }


def status(path: str) -> dict[str, int]:
    """Mode, owner and group of PATH, whatever a symbolic link at its end leads to. A server is asked for it: what NFS
    remembers of a file proves nothing."""
    os.statvfs(path)
    found = os.stat(path)
    return {"mode": found.st_mode, "uid": found.st_uid, "gid": found.st_gid}


def real(path: str) -> str:
    """PATH without symbolic links."""
    return os.path.realpath(path)


def readable(path: str) -> None:
    """OSError unless the directory PATH can be listed; its server is asked."""
    os.statvfs(path)
    with os.scandir(path) as entries:
        next(entries, None)


def may_write(path: str) -> None:
    """OSError unless PATH may be written to (access(2), which asks the server of an NFS mount), by this user or by the
    owner of PATH: a server that squashes root lets only the owner write."""
    readable(path)
    as_owner(path, lambda: _access(path))


def _access(path: str) -> None:
    if not os.access(path, os.W_OK | os.X_OK, effective_ids=True):
        raise PermissionError(13, os.strerror(13))


def write(path: str) -> None:
    """OSError unless a file can be made in PATH, written, made to last, and removed. A full file system is no error."""
    readable(path)
    as_owner(path, lambda: _write(f"{path}/.saltern-prove-{os.urandom(8).hex()}"))


def _write(file: str) -> None:
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno in (28, 122):  # ENOSPC, EDQUOT
            return
        raise
    try:
        os.write(fd, b"proof\n")
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (28, 122):
            raise
    finally:
        os.close(fd)
        os.unlink(file)


def as_owner(path: str, do) -> None:  # type: ignore[no-untyped-def]
    """Call DO as this user, or where that is forbidden, as the owner of PATH."""
    try:
        do()
    except PermissionError:
        status = os.stat(path)
        if os.geteuid() != 0 or status.st_uid == 0:
            raise
        os.setgroups([])
        os.setegid(status.st_gid)
        os.seteuid(status.st_uid)
        do()


def below(path: str) -> dict[str, object]:
    """The directory PATH under what is mounted there: {"empty", "guarded"}; "guarded" is None where its file system has
    no such flag."""
    fd = _below(path)
    try:
        flags: int | None = _flags(fd)
    except OSError:
        flags = None
    with os.scandir(fd) as entries:
        empty = next(entries, None) is None
    return {"empty": empty, "guarded": None if flags is None else bool(flags & _IMMUTABLE)}


def guard(path: str, on: str) -> None:
    """Make the directory PATH under what is mounted there immutable (ON is "1"), or give it back ("0")."""
    fd = _below(path)
    flags = _flags(fd)
    wish = flags | _IMMUTABLE if on == "1" else flags & ~_IMMUTABLE
    if wish != flags:
        fcntl.ioctl(fd, _SETFLAGS, struct.pack("q", wish))


def _flags(fd: int) -> int:
    found: int = struct.unpack_from("i", fcntl.ioctl(fd, _GETFLAGS, bytes(8)))[0]
    return found


def _below(path: str) -> int:
    """A descriptor of the directory PATH itself, whatever is mounted over it: reached through a private copy of the
    mount above, which goes with its descriptor."""
    parent, name = os.path.split(path)
    libc = ctypes.CDLL(None, use_errno=True)
    tree = libc.syscall(_OPEN_TREE, -100, os.fsencode(parent), _CLONE | os.O_CLOEXEC)
    if tree < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=tree)


WORKS = {work.__name__: work for work in (space, status, real, readable, may_write, write, below, guard)}


def answer(argv: list[str]) -> dict[str, object]:
    """What WORK on PATH, the words of ARGV, comes to."""
    import errno

    try:
        return {"ok": WORKS[argv[0]](*argv[1:])}
    except OSError as error:
        return {"error": errno.errorcode.get(error.errno or 0, "EIO"), "said": error.strerror or str(error)}


if __name__ == "__main__":
    print(flush=True)
    print(json.dumps(answer(sys.argv[1:])))
