"""What the publisher remembers between runs: which file had which digest, and which blob holds which digest.

It lies beside the blobs as one MessagePack file of mode 0600, since it holds the blobs' keys. Losing it costs one
publication of everything and nothing else.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from master.blobs import BlobStore
from master.scan import Stat
from saltern.wire import private
from saltern.wire.blob import sealed_size
from saltern.wire.manifest import Digest, Key

_VERSION = 1


class Held(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """The BLOB that holds a file of SIZE bytes under KEY. UNUSED: since when (seconds since 1970) no tree names it, or
    None while one does."""

    blob: Digest
    key: Key
    size: int
    unused: float | None = None


class _Document(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    version: int
    held: dict[Digest, Held]
    stats: list[tuple[int, int, int, int, int, Digest]]


class TreeIndex:
    """HELD: digest of a plain file → its blob. STATS: state of a file on disk → its digest."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._version_on_disk: tuple[int, int] | None = None
        self.held: dict[str, Held] = {}
        self.stats: dict[Stat, str] = {}

    def load(self, store: BlobStore) -> bool:
        """Read what another process wrote, if it did; whether it did. A blob that is not whole on disk is forgotten."""
        found = self._identity()
        if found == self._version_on_disk and found is not None:
            return False
        self.held, self.stats = {}, {}
        self._version_on_disk = found
        with suppress(FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            document = msgspec.msgpack.decode(self._file.read_bytes(), type=_Document)
            if document.version == _VERSION:
                self.held = {
                    digest: held
                    for digest, held in document.held.items()
                    if store.size(held.blob) == sealed_size(held.size)
                }
                self.stats = {Stat(*row[:5]): row[5] for row in document.stats if row[5] in self.held}
        return True

    def save(self) -> None:
        """Write everything, durably."""
        rows = [(*stat, digest) for stat, digest in self.stats.items()]
        private.write_file(self._file, msgspec.msgpack.encode(_Document(_VERSION, self.held, rows)))
        self._version_on_disk = self._identity()

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._file)
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns
