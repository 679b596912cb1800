"""Where published blobs lie: ciphertext alone, each in a file that is named by the SHA-256 of its contents.

Whoever asks names a blob, never a path, and a name has one form, so nothing outside the store can be reached.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from saltern.config import MasterConfig
from saltern.errors import PermanentError
from saltern.wire import private
from saltern.wire.manifest import is_digest

if TYPE_CHECKING:
    from saltern.wire.blob import Source, Written


def tree_folder(config: MasterConfig) -> Path:
    """Where published trees lie."""
    return config.paths.var / "master" / "trees"


def store_of(config: MasterConfig) -> BlobStore:
    """The store of CONFIG's published trees, which the files port serves from."""
    return BlobStore(tree_folder(config) / "blobs")


class NoSuchBlob(PermanentError, LookupError):
    """The store has no blob of that name, or it is no name of a blob. One answer for both."""


class BlobStore:
    """The blobs in FOLDER, two hex digits of their names to a subfolder. Only `add` and `remove` write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, blob: str) -> Path:
        """Where BLOB lies, whether it is there or not. NoSuchBlob where it is no name of a blob."""
        if not is_digest(blob):
            raise NoSuchBlob("there is no such blob")
        return self._folder / blob[:2] / blob

    def open(self, blob: str) -> int:
        """BLOB, open for reading: the caller closes it. NoSuchBlob where there is none.

        It stays whole for the reader even where it is removed meanwhile.
        """
        try:
            return os.open(self.path(blob), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            raise NoSuchBlob("there is no such blob") from None

    def size(self, blob: str) -> int | None:
        """How many bytes BLOB has; None where there is no such blob."""
        try:
            status = os.lstat(self.path(blob))
        except FileNotFoundError:
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def add(self, source: Source, key: bytes) -> Written:
        """Encrypt SOURCE under the fresh KEY into the store. `sync` makes it durable."""
        from saltern.wire.blob import encrypt_stream  # here, since the daemon itself only reads

        handle, temporary = private.new_file(private.make_folder(self._folder / "new"))
        try:
            with os.fdopen(handle, "wb", buffering=0) as sink:
                written = encrypt_stream(source, sink, key)
            final = self.path(written.blob)
            private.make_folder(final.parent)
            os.rename(temporary, final)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return written

    def sync(self, blobs: Sequence[str]) -> None:
        """Make BLOBS durable, before anything durable names them."""
        for blob in blobs:
            handle = self.open(blob)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        for folder in {self.path(blob).parent for blob in blobs}:
            private.sync_folder(folder)

    def remove(self, blob: str) -> None:
        """Remove BLOB, if it is there."""
        self.path(blob).unlink(missing_ok=True)

    def names(self) -> Iterator[str]:
        """The names of all blobs."""
        for folder in self._subfolders():
            yield from (name for name in os.listdir(folder) if is_digest(name) and name[:2] == folder.name)

    def changed(self, blob: str) -> float:
        """When BLOB was written (seconds since 1970). NoSuchBlob where there is none."""
        try:
            return os.lstat(self.path(blob)).st_mtime
        except FileNotFoundError:
            raise NoSuchBlob("there is no such blob") from None

    def clear_unfinished(self) -> None:
        """Remove what a publication that was cut off left half written. Only for the one that may write."""
        with suppress(FileNotFoundError):
            for name in os.listdir(self._folder / "new"):
                (self._folder / "new" / name).unlink(missing_ok=True)

    def _subfolders(self) -> Iterator[Path]:
        with suppress(FileNotFoundError):
            yield from (self._folder / name for name in sorted(os.listdir(self._folder)) if len(name) == 2)
