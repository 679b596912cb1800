"""The state tree as directories of this machine, for `saltern-call --local`, the master and tests.

Several roots may serve one environment; the first that has a path wins, as in Salt's `file_roots`. Only regular files
below a root are served: a symbolic link is followed as long as what it names lies in the same root.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_CHUNK = 1 << 20


class LocalFiles:
    """A `FileSource` over ROOTS: environment → directories. Listings are read once, when first asked for."""

    def __init__(self, roots: Mapping[str, Sequence[str]]) -> None:
        names = sorted(roots, key=lambda name: (name != "base", name))
        self._roots: dict[str, tuple[str, ...]] = {
            name: tuple(os.path.realpath(root) for root in roots[name]) for name in names
        }
        self._listed: dict[str, dict[str, str]] = {}
        self._digests: dict[tuple[int, int, int, int], str] = {}

    def environments(self) -> tuple[str, ...]:
        """The names of all environments, `base` first."""
        return tuple(self._roots)

    def list(self, saltenv: str = "base") -> tuple[str, ...]:
        """Every path of the environment, sorted; empty where there is no such environment."""
        if saltenv not in self._listed:
            found: dict[str, str] = {}
            for root in self._roots.get(saltenv, ()):
                for path, real in _walk(root, root, "", ()):
                    found.setdefault(path, real)
            self._listed[saltenv] = dict(sorted(found.items()))
        return tuple(self._listed[saltenv])

    def digest(self, path: str, saltenv: str = "base") -> str | None:
        """The SHA-256 of a file in hex; None where there is no such file. Read again only after it changed."""
        real = self._find(path, saltenv)
        if real is None:
            return None
        try:
            with open(real, "rb") as file:
                status = os.fstat(file.fileno())
                key = (status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size)
                if key not in self._digests:
                    import hashlib  # where nothing is compared, starting is quicker without it

                    digest = hashlib.sha256()
                    while chunk := file.read(_CHUNK):
                        digest.update(chunk)
                    self._digests[key] = digest.hexdigest()
                return self._digests[key]
        except FileNotFoundError:
            return None

    def fetch(self, paths: tuple[str, ...], saltenv: str = "base") -> None:
        """Nothing to bring: the files are here. FileNotFoundError names the first that does not exist."""
        for path in paths:
            self._found(path, saltenv)

    def local(self, path: str, saltenv: str = "base") -> Path:
        """The file itself. FileNotFoundError where there is no such file."""
        return Path(self._found(path, saltenv))

    def mode(self, path: str, saltenv: str = "base") -> int:
        """The permission bits of the file. FileNotFoundError where there is no such file."""
        return stat.S_IMODE(os.stat(self._found(path, saltenv)).st_mode)

    def hand_over(self, path: str, saltenv: str = "base") -> None:
        """None: the file is here. FileNotFoundError where there is no such file."""
        self._found(path, saltenv)

    def _found(self, path: str, saltenv: str) -> str:
        real = self._find(path, saltenv)
        if real is None:
            raise FileNotFoundError(f"no file {path!r} in environment {saltenv!r}")
        return real

    def _find(self, path: str, saltenv: str) -> str | None:
        if saltenv in self._listed and (known := self._listed[saltenv].get(path)):
            return known
        parts = path.split("/")
        if "\0" in path or any(part in ("", ".", "..") for part in parts):
            return None
        for root in self._roots.get(saltenv, ()):
            real = os.path.realpath(os.path.join(root, path))
            if _is_below(real, root) and os.path.isfile(real):
                return real
        return None


def _is_below(real: str, root: str) -> bool:
    return real.startswith(root.rstrip("/") + "/")


def _walk(root: str, folder: str, prefix: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """The regular files of FOLDER as (path in the tree, real path); ABOVE are the folders that led here."""
    try:
        with os.scandir(folder) as scan:
            entries = list(scan)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        real = os.path.realpath(entry.path) if entry.is_symlink() else entry.path
        if not _is_below(real, root):
            continue
        if entry.is_dir():
            if real not in above and real != folder:
                yield from _walk(root, real, f"{prefix}{entry.name}/", (*above, folder))
        elif entry.is_file():
            yield prefix + entry.name, real
