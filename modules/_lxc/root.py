"""Files in the root of a container, read and written from the node without following what the container put there.

What runs in a container owns its root: a link in it could lead to any file of the node. So each folder on the way is
opened by itself, none through a link (O_NOFOLLOW), and a link in the place of the file is replaced.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from modules._lxc.config import LxcError, values

MOST_BYTES = 1 << 20
_WALK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
KEYS = "/root/.ssh/authorized_keys"


def inner_path(path: object) -> str:
    """PATH if it can be that of a file in a container: absolute, without `..` or control characters."""
    parts = path[1:].split("/") if isinstance(path, str) and path.startswith("/") else [""]
    if not isinstance(path, str) or any(part in ("", ".", "..") for part in parts) or not path.isprintable():
        raise LxcError(f"not the path of a file in a container: {path!r}; write it like /etc/motd")
    return path


def root_of(text: str) -> str | None:
    """The folder that is the root of a container with the configuration TEXT; None where its root is none of these."""
    found = (values(text, "lxc.rootfs.path") or ("",))[-1].removeprefix("dir:")
    return found if found.startswith("/") else None


def read(root: str, path: str) -> str | None:
    """The text of the file PATH below ROOT; None where there is none, or a link, or what is no text of a sane size."""
    try:
        with _parent(root, path, make=False) as folder:
            fd = os.open(
                os.path.basename(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
            )
    except OSError:
        return None
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        try:
            return file.read(MOST_BYTES).decode()
        except UnicodeDecodeError:
            return None


def keys(root: str, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the WANTED lines that root's authorized_keys has."""
    lines = (read(root, KEYS) or "").splitlines()
    return tuple(key for key in wanted if key in lines)


def write(root: str, path: str, text: str, mode: int = 0o644) -> bool:
    """Make the file PATH below ROOT hold TEXT, at once, with the folders on the way; it belongs to whom ROOT belongs
    to, which is root also where the container has users of its own. True."""
    name = os.path.basename(inner_path(path))
    owner = os.stat(root)
    temporary = f".{name[:200]}.{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with _parent(root, path, make=True) as folder:
            fd = os.open(temporary, flags, 0o600, dir_fd=folder)
            try:
                with open(fd, "wb") as file:
                    file.write(text.encode())
                    file.flush()
                    os.fchown(fd, owner.st_uid, owner.st_gid)
                    os.fchmod(fd, mode)
                    os.fsync(fd)
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                os.unlink(temporary, dir_fd=folder)
                raise
    except OSError as error:
        raise LxcError(
            f"{path} can't be written in {root}: {error.strerror} (links on the way are not followed)"
        ) from None
    return True


def add_keys(root: str, wanted: Sequence[str]) -> bool:
    """Make root's authorized_keys have the WANTED lines; others stay. True."""
    text = read(root, KEYS) or ""
    lines = text.splitlines()
    return write(root, KEYS, "".join(f"{line}\n" for line in [*lines, *(k for k in wanted if k not in lines)]), 0o600)


@contextmanager
def _parent(root: str, path: str, *, make: bool) -> Iterator[int]:
    """The folder that holds PATH below ROOT. MAKE: missing ones on the way, root's own for it alone."""
    owner = os.stat(root)
    fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in inner_path(path)[1:].split("/")[:-1]:
            try:
                found = os.open(part, _WALK, dir_fd=fd)
            except FileNotFoundError:
                if not make:
                    raise
                os.mkdir(part, 0o700 if part in ("root", ".ssh") else 0o755, dir_fd=fd)
                os.chown(part, owner.st_uid, owner.st_gid, dir_fd=fd, follow_symlinks=False)
                found = os.open(part, _WALK, dir_fd=fd)
            os.close(fd)
            fd = found
        yield fd
    finally:
        os.close(fd)


def wanted_files(
    files: Mapping[str, object] | None, dns: Sequence[str] | None, hostname: str | None
) -> dict[str, tuple[str, int]]:
    """The files that a container must have, each with its text and mode: FILES (a text, or {contents, mode}), and what
    tells its name servers and its name."""
    found: dict[str, tuple[str, int]] = {}
    if dns is not None:
        found["/etc/resolv.conf"] = ("".join(f"nameserver {server}\n" for server in dns), 0o644)
    if hostname is not None:
        found["/etc/hostname"] = (f"{hostname}\n", 0o644)
    for path, given in (files or {}).items():
        contents = given.get("contents") if isinstance(given, Mapping) else given
        extra = set(given) - {"contents", "mode"} if isinstance(given, Mapping) else set()
        if not isinstance(contents, str) or extra:
            raise LxcError(f"the file {path} must be a text, or have `contents` and `mode`, not {given!r}")
        if inner_path(path) in found:
            raise LxcError(f"the file {path} is given in files, and by dns or hostname too")
        mode = file_mode(path, given.get("mode", "0644") if isinstance(given, Mapping) else "0644")
        found[path] = (contents if contents.endswith("\n") else contents + "\n", mode)
    return found


def file_mode(path: str, mode: object) -> int:
    """MODE, octal digits, as a number."""
    try:
        number = int(str(mode), 8) if not isinstance(mode, bool) else -1
    except ValueError:
        number = -1
    if not 0 <= number <= 0o7777:
        raise LxcError(f"the mode of {path} must be octal digits in quotes like '0755', not {mode!r}")
    return number
