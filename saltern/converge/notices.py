"""Reactions that are still owed, on disk: a restart that failed or was cut off is done on the next run.

A notice is written before the first step of what is watched, and removed when the reaction succeeded. It names no
values: only who has to react, to what, and since which job.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

from saltern.errors import PermanentError
from saltern.wire.private import sync_folder


class NoticeError(PermanentError):
    """A notice can't be kept, so nothing that it is about may begin."""


class Notices:
    """The notices of a minion below FOLDER, which is made when the first is written (0700; files 0600)."""

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._known: set[str] | None = None
        self._lock = threading.RLock()  # states may run beside each other

    def pending(self, saltenv: str, tag: str, kind: str) -> bool:
        """Whether the state TAG owes its reaction of KIND ("watch", "listen")."""
        with self._lock:
            return _name(saltenv, tag, kind) in self._names()

    def write(self, saltenv: str, tag: str, kind: str, *, cause: str, jid: str) -> None:
        """Note it, safe against a crash when this returns. NoticeError where it can't be."""
        with self._lock:
            self._write(_name(saltenv, tag, kind), saltenv, tag, kind, cause, jid)

    def _write(self, name: str, saltenv: str, tag: str, kind: str, cause: str, jid: str) -> None:
        if name in self._names():
            return
        import json

        text = json.dumps({"saltenv": saltenv, "state": tag, "kind": kind, "cause": cause, "jid": jid})
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            _write(self._folder, name, text.encode() + b"\n")
        except OSError as error:
            raise NoticeError(
                f"can't note in {self._folder} that {tag} has to react: {error.strerror}; nothing was changed"
            ) from None
        self._names().add(name)

    def clear(self, saltenv: str, tag: str, kind: str) -> None:
        """The reaction succeeded, or is no longer wanted."""
        name = _name(saltenv, tag, kind)
        with self._lock:
            if name in self._names():
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(self._folder, name))
                self._names().discard(name)

    def _names(self) -> set[str]:
        if self._known is None:
            try:
                self._known = {name for name in os.listdir(self._folder) if not name.startswith(".")}
            except FileNotFoundError:
                self._known = set()
            except OSError as error:
                raise NoticeError(f"can't read {self._folder}: {error.strerror}") from None
        return self._known


def _name(saltenv: str, tag: str, kind: str) -> str:
    from hashlib import sha256

    return sha256(f"{saltenv}\0{kind}\0{tag}".encode()).hexdigest()


def _write(folder: str, name: str, data: bytes) -> None:
    """Write a whole file or none, and have both file and folder on the disk."""
    temporary = os.path.join(folder, f".{name}.{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(temporary, os.path.join(folder, name))
    sync_folder(folder)
