"""`ext_pillar: file_tree`: each file is a value, each directory a mapping.

    ROOT/hosts/MINION/tls/key      gives MINION {tls: {key: TEXT}}
    ROOT/nodegroups/GROUP/…        the same for all minions of a nodegroup; what `hosts` has wins

Links to directories are not followed unless `follow_dir_links` says so; a file is UTF-8 and its last line break is left
out unless `keep_newline` says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pillar.external import Checked, ExternalError
from saltern import merging
from saltern.errors import ConfigError
from saltern.targeting import MinionView

MAX_FILE_BYTES = 1 << 20
MAX_FILES = 10_000
_DEPTH = 32


class FileTree:
    """One such tree."""

    def __init__(self, options: Checked, nodegroups: Mapping[str, Any]) -> None:
        self.place, self._nodegroups = options.place, nodegroups
        self._root = options.text("root_dir")
        self._follow = options.flag("follow_dir_links", False)
        self._newline = options.flag("keep_newline", False)
        options.done()
        if not os.path.isabs(self._root):
            raise ConfigError(f"{self.place}: root_dir wants a full path, not {self._root!r}")

    def refresh(self) -> None:
        """The files are read for each minion."""

    def revision(self) -> None:
        """Its values are what counts."""
        return

    def of(self, minion: MinionView) -> dict[str, Any]:
        """The values of MINION: of its nodegroups in their order, and of its own."""
        result: dict[str, Any] = {}
        left = [MAX_FILES]
        for group in self._nodegroups:
            folder = os.path.join(self._root, "nodegroups", group)
            if os.path.isdir(folder) and self._is_member(minion, group):
                merging.update(result, self._read(folder, left, 0))
        own = os.path.join(self._root, "hosts", minion.id)
        if os.path.isdir(own):
            merging.update(result, self._read(own, left, 0))
        return result

    def _is_member(self, minion: MinionView, group: str) -> bool:
        from saltern.targeting import matches

        return matches(group, "nodegroup", minion, nodegroups=self._nodegroups)

    def _read(self, folder: str, left: list[int], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        try:
            with os.scandir(folder) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
            for entry in entries:
                if entry.is_dir(follow_symlinks=self._follow):
                    if depth == _DEPTH:
                        raise ExternalError(f"{self.place}: {entry.path} lies more than {_DEPTH} deep")
                    found[entry.name] = self._read(entry.path, left, depth + 1)
                elif entry.is_file():
                    left[0] -= 1
                    if left[0] < 0:
                        raise ExternalError(f"{self.place}: there are more than {MAX_FILES} files")
                    found[entry.name] = self._text(entry.path)
        except OSError as error:
            raise ExternalError(f"{self.place}: {error.filename or folder}: {error.strerror}") from None
        return found

    def _text(self, path: str) -> str:
        with open(path, "rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ExternalError(f"{self.place}: {path} has more than {MAX_FILE_BYTES} bytes")
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise ExternalError(f"{self.place}: {path} is not UTF-8 at byte {error.start}") from None
        return text if self._newline else text.removesuffix("\n").removesuffix("\r")
