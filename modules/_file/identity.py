"""Being the owner of a file where root is nobody: on NFS servers that squash root (exports(5), `root_squash`).

Such a server takes root for a stranger, so a directory of `oneadmin` with mode 0755 can't be written to by root, and a
disk of mode 0600 there can't be read. Its owner can. So what is done there is done as the owner: the thread takes that
user's and group's identity for file accesses (setfsuid(2), setfsgid(2)), and programs that `_run` starts meanwhile run
as that user, with no further groups. Other threads stay as they are; only one that is started meanwhile inherits it.
Nothing should be imported meanwhile: that user may not be let into the folders where Python and Saltern lie.

That happens to root alone, on NFS alone, and only where the server says (access(2)) that root may not do what is to be
done; the user is always the owner of that very file or directory. A server that lets root in sees root.
"""

from __future__ import annotations

import os
import pwd
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from modules._file.owner import user_name
from saltern.errors import PermanentError

TYPES = frozenset({0x6969})  # of file systems whose servers may squash root: NFS_SUPER_MAGIC, statfs(2)
NOBODY = 65534  # nogroup
_FIRST_GROUP = 1000  # below are those of the system (login.defs(5), GID_MIN): `disk`, `shadow`
_STATFS_BYTES = 512  # more than any struct statfs; it begins with its type, a long
_HERE = os.O_PATH | os.O_CLOEXEC

_mine = threading.local()


class IdentityError(PermanentError):
    """The owner of a directory can't be taken on, or must not be; the message says why."""


class Owner(NamedTuple):
    """Who a thread is for file accesses."""

    uid: int
    gid: int

    @property
    def name(self) -> str:
        """The user's name, or number."""
        return user_name(self.uid)


def current() -> Owner | None:
    """Whom this thread has taken on; None: nobody."""
    found: Owner | None = getattr(_mine, "owner", None)
    return found


@contextmanager
def reading(path: str) -> Iterator[None]:
    """To look at the file or directory PATH, and to open it for reading."""
    with as_myself():
        owner = _for(path, os.R_OK)
    with _as(owner):
        yield


@contextmanager
def writing(path: str) -> Iterator[None]:
    """To open the file PATH for writing, and to change its mode. Where it is missing, nobody is taken on."""
    with as_myself():
        owner = _for(path, os.R_OK | os.W_OK)
    with _as(owner):
        yield


@contextmanager
def within(folder: str) -> Iterator[None]:
    """To make, rename and remove what is in the directory FOLDER. IdentityError where everybody may do that there."""
    with as_myself():
        owner = _for(folder, os.W_OK | os.X_OK)
    with _as(owner):
        yield


@contextmanager
def _reaching(path: str) -> Iterator[None]:
    """To ask for what is in the directory of PATH, by its name."""
    with as_myself():
        owner = _for(os.path.dirname(path), os.X_OK)
    with _as(owner):
        yield


@contextmanager
def as_myself() -> Iterator[None]:
    """Within one of these: to do something as who we are."""
    with _as(None):
        yield


def status(path: str, *, follow: bool = True) -> os.stat_result:
    """stat(2) of PATH, or lstat(2). OSError as these."""
    with reading(path) if follow else _reaching(path):
        return os.stat(path, follow_symlinks=follow)


def is_there(path: str) -> bool:
    """Whether anything is at PATH, a link that leads nowhere too."""
    with _reaching(path):
        return os.path.lexists(path)


def exists(path: str) -> bool:
    """Whether there is a file or anything else at PATH, where its links lead."""
    with reading(path):
        return os.path.exists(path)


def chosen(found: os.stat_result, need: int, path: str) -> Owner | None:
    """Whom to take on for PATH, which has the status FOUND and refuses NEED (the bits of access(2)) to root. Pure but
    for the group of the user. IdentityError where a directory is open to everybody."""
    if found.st_uid == 0:
        return None  # root is not refused as root, so this would not help
    everybody = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
    if stat.S_ISDIR(found.st_mode) and need & os.W_OK and everybody:
        raise IdentityError(
            f"{path} is refused: everybody may rename and replace what is in it (mode {stat.S_IMODE(found.st_mode):04o}"
            f"), so what is made there as {user_name(found.st_uid)} could be exchanged meanwhile; chmod o-w or +t it"
        )
    return Owner(found.st_uid, _group(found))


def _group(found: os.stat_result) -> int:
    """The group of the owner: that of the user where this node knows it, since a directory may have any, such as
    `disk`, and programs run with this one."""
    try:
        return pwd.getpwuid(found.st_uid).pw_gid
    except KeyError:
        return found.st_gid if found.st_gid >= _FIRST_GROUP else NOBODY


def _for(path: str, need: int) -> Owner | None:
    """Whom to take on for PATH; None: nobody, since nothing refuses us. Where PATH can't even be reached, whoever owns
    the last directory that can goes on from there, and does it all if that is allowed."""
    if os.geteuid() != 0:
        return None
    try:
        fd = os.open(path, _HERE)
    except PermissionError:
        return _beyond(path, need)
    except OSError:
        return None  # missing, or something that whoever opens it will be told
    try:
        return None if _type(fd) not in TYPES or _allowed(fd, need) else chosen(os.fstat(fd), need, path)
    finally:
        os.close(fd)


def _beyond(path: str, need: int) -> Owner | None:
    """Whom to take on for PATH, which can't be reached by who this thread is."""
    folder = os.path.dirname(path)
    owner = _for(folder, os.X_OK) if folder != path else None
    if owner is None:
        return None
    with _as(owner):
        try:
            fd = os.open(path, _HERE)
        except OSError:
            return owner  # missing; or refused to the owner too, who will be told
        try:
            found = chosen(os.fstat(fd), need, path)
            return owner if _allowed(fd, need) else found
        finally:
            os.close(fd)


def _allowed(fd: int, need: int) -> bool:
    """Whether this thread may do with the open file FD what NEED, bits of access(2), says; its server is asked."""
    return os.access(f"/proc/self/fd/{fd}", need, effective_ids=True)


def _type(fd: int) -> int:
    """The type of the file system of the open file FD (fstatfs(2)); 0 where it does not say."""
    import ctypes

    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    if ctypes.CDLL(None).fstatfs(fd, buffer) != 0:
        return 0
    return int(ctypes.c_long.from_buffer(buffer).value)


@contextmanager
def _as(owner: Owner | None) -> Iterator[None]:
    """Take OWNER on (None: be who we are), and be again who we were."""
    before = current()
    if owner == before:
        yield
        return
    import subprocess  # noqa: F401 - `_run` needs it, and could not import it any more

    try:
        _become(owner)
        yield
    finally:
        _become(before)


def _become(owner: Owner | None) -> None:
    """IdentityError where the kernel does not let us."""
    import ctypes

    libc = ctypes.CDLL(None)
    uid, gid = owner or (os.geteuid(), os.getegid())
    _mine.owner = owner
    if owner is None:
        _set(libc.setfsuid, uid)
        _set(libc.setfsgid, gid)
    else:
        _set(libc.setfsgid, gid)
        _set(libc.setfsuid, uid)


def _set(function: Callable[..., int], number: int) -> None:
    """Call setfsuid(2) or setfsgid(2), which do not say whether they worked: -1 is none, and so tells what is."""
    import ctypes

    function(ctypes.c_uint(number))
    if function(ctypes.c_uint(0xFFFFFFFF)) & 0xFFFFFFFF != number:
        raise IdentityError(f"can't do file accesses as number {number}: CAP_SETUID and CAP_SETGID are needed for that")
