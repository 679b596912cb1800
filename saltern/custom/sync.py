"""Brings the custom code of the trees into the minion's private folder: only what changed, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from saltern.context import FileSource
from saltern.custom.errors import BrokenModule
from saltern.custom.kinds import KINDS
from saltern.custom.source import Origin, as_index, contents, examined, read_index
from saltern.errors import PermanentError

_KEPT_S = 3600.0  # what no index names any more: another job may be about to read it


@dataclass(frozen=True, slots=True)
class Synced:
    """CHANGED: what is new, another, or gone, as `KIND.STEM`, by kind. PROBLEMS: what can't be used, and why."""

    changed: Mapping[str, tuple[str, ...]]
    problems: tuple[str, ...]

    def __bool__(self) -> bool:
        return any(self.changed.values())


def sync(files: FileSource, folder: Path, kinds: Sequence[str] = KINDS) -> Synced:
    """Make FOLDER hold what FILES have of KINDS. PermanentError where the disk does not take it.

    Contents lie in it under their digest and an index names them, which is put in its place last: a sync that is cut
    off leaves what was there.
    """
    before = read_index(folder)
    known = {f"{one.path} {one.digest}": one for found in before.values() for one in found}
    now = {kind: tuple(examined(files, kind, known)) if kind in kinds else before.get(kind, ()) for kind in KINDS}
    changed = {kind: _changed(before.get(kind, ()), now[kind]) for kind in kinds}
    problems = tuple(one.problem for kind in kinds for one in now[kind] if one.problem)
    synced = Synced(changed, problems)
    all_ = [one for found in now.values() for one in found]
    if any(now[kind] != before.get(kind, ()) for kind in kinds) or not all(_is_there(folder, one) for one in all_):
        _put(files, folder, all_)
    return synced


def _is_there(folder: Path, origin: Origin) -> bool:
    if origin.problem:
        return True
    try:
        return stat.S_ISREG(os.lstat(folder / f"{origin.digest}.py").st_mode)
    except FileNotFoundError:
        return False


def _changed(before: Sequence[Origin], now: Sequence[Origin]) -> tuple[str, ...]:
    old = {one.stem: one.digest for one in before}
    new = {one.stem: one.digest for one in now}
    stems = sorted(stem for stem in old.keys() | new.keys() if old.get(stem) != new.get(stem))
    return tuple(f"{(now or before)[0].kind}.{stem}" for stem in stems)


def _put(files: FileSource, folder: Path, origins: Sequence[Origin]) -> None:
    from saltern.wire import private

    try:
        private.make_folder(folder)
        for origin in origins:
            if not _is_there(folder, origin):
                data = contents(files, origin.path, origin.saltenv)
                if hashlib.sha256(data).hexdigest() != origin.digest:
                    raise BrokenModule(f"{origin.path}: it changed while it was synced: try again")
                private.write_file(folder / f"{origin.digest}.py", data)
        private.write_file(folder / "index.json", json.dumps(as_index(origins)).encode())
        named = {f"{origin.digest}.py" for origin in origins}
        for name in os.listdir(folder):
            old = os.lstat(folder / name).st_mtime < time.time() - _KEPT_S
            if old and name != "index.json" and name not in named:
                os.unlink(folder / name)
    except OSError as error:
        raise PermanentError(f"{folder}: the tree's modules can't be kept there: {error.strerror or error}") from None
