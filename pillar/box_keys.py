"""The keys of the values that are sealed in a pillar tree: one that seals, and those from before it that still open.

FILE holds the key that seals. `rotate` moves it to `FILE.old/NAME`, where NAME is what each box tells of its key, and
makes another. A key that no box names any more is forgotten by deleting its file.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from saltern.errors import ConfigError
from saltern.secret import Secret
from saltern.wire.keys import KeyPair, load_or_make, make
from saltern.wire.private import make_folder, sync_folder
from saltern.wire.sealed_value import NotOpened, key_name, name_of, opened, sealed


class BoxKeys:
    """The keys in FILE and beside it. They are read when they are first needed, and again for a box whose key is not
    among them."""

    def __init__(self, file: Path) -> None:
        self._file, self._old = file, file.with_name(file.name + ".old")
        self._known: dict[str, Secret] = {}

    def current(self) -> KeyPair:
        """The key that seals, made at first."""
        return load_or_make(self._file)

    def names(self) -> list[str]:
        """The names of all keys, that of the current one first."""
        self._read()
        return list(self._known)

    def open(self, minions: str, box: str) -> Secret:
        """What is sealed in BOX for MINIONS, by whichever key. NotOpened, ConfigError."""
        name = key_name(box)
        if name not in self._known:
            self._read()
        if name not in self._known:
            raise NotOpened(f"a value is sealed for the key {name}, and this master has {', '.join(self._known)}")
        return opened(self._known[name], minions, box)

    def resealed(self, minions: str, box: str) -> str:
        """BOX sealed anew with the current key, as a text for the tree."""
        return sealed(self.current().public, self.open(minions, box), minions)

    def rotate(self) -> tuple[str, str]:
        """Make another key the one that seals: the names of the old and the new one."""
        old = name_of(self.current().public)
        make_folder(self._old)
        with suppress(FileExistsError):  # a rotation that was cut off here
            os.link(self._file, self._old / old)
        sync_folder(self._old)
        return old, name_of(make(self._file).public)

    def _read(self) -> None:
        if not self._file.exists():
            raise ConfigError(f"a value is sealed, but this master has no key for that: {self._file} is missing")
        found = [self._file, *(sorted(self._old.iterdir()) if self._old.is_dir() else ())]
        pairs = [load_or_make(file) for file in found]
        self._known = {name_of(pair.public): pair.secret for pair in pairs}
