"""Files and folders that nobody else may read: closed from their first moment, whole or absent, never half written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from saltern.errors import PermanentError


class NotPrivate(PermanentError):
    """A folder that must be ours alone belongs to, or is open to, somebody else."""


def make_folder(folder: Path) -> Path:
    """FOLDER (and what lacks above it), with mode 0700 whatever the umask is.

    NotPrivate where it exists already and is a link, another user's, or open to others: a secret put there would be
    given away.
    """
    if not folder.parent.is_dir():
        make_folder(folder.parent)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        status = os.lstat(folder)
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise NotPrivate(
                f"{folder}: refused, since it must be a folder of user {os.geteuid()} with mode 0700: "
                "chown and chmod it, or remove it"
            ) from None
    return folder


def new_file(folder: Path) -> tuple[int, Path]:
    """A new file of mode 0600 in FOLDER under a name that nobody can foresee: its open handle and its path."""
    path = folder / os.urandom(16).hex()
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), path


def write_file(file: Path, data: bytes) -> None:
    """Put DATA into FILE at once and durably, with mode 0600 from its first moment."""
    handle, temporary = new_file(file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


def sync_folder(folder: Path | str) -> None:
    """Make the names in FOLDER durable (fsync(2): a file's own fsync does not cover its directory entry)."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
