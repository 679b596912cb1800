"""Where custom code comes from: a tree on this machine, or the minion's own private copy of it."""

from __future__ import annotations

import json
import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from saltern.context import FileSource
from saltern.custom.errors import BrokenModule
from saltern.errors import PermanentError

MAX_BYTES = 4 << 20  # of one file

_STEM = re.compile(r"[a-z_][a-z0-9_]{0,63}")


class Origin(NamedTuple):
    """One file: PATH in the tree, its KIND ("modules") and STEM ("web"), the DIGEST (SHA-256) of its contents. NAMES:
    the namespaces that it may offer. PROBLEM: why it can't be used; '' for nothing."""

    kind: str
    stem: str
    path: str
    saltenv: str
    digest: str
    names: tuple[str, ...]
    problem: str = ""


class Source(Protocol):
    """Some custom code."""

    def origins(self, kind: str) -> tuple[Origin, ...]:
        """The files of KIND, by path, with those that can't be used."""
        ...

    def read(self, origin: Origin) -> bytes:
        """The contents of the file. SalternError."""
        ...


class TreeSource:
    """The custom code of the trees FILES, as it is in them now."""

    def __init__(self, files: FileSource) -> None:
        self._files = files
        self._known: dict[str, tuple[Origin, ...]] = {}

    def origins(self, kind: str) -> tuple[Origin, ...]:
        """See `Source`."""
        if kind not in self._known:
            self._known[kind] = tuple(examined(self._files, kind))
        return self._known[kind]

    def read(self, origin: Origin) -> bytes:
        """See `Source`."""
        return contents(self._files, origin.path, origin.saltenv)


class SyncedSource:
    """The copy in FOLDER, which `sync` makes; nothing where there was no sync yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[Origin, ...]] | None = None

    def forget(self) -> None:
        """Look anew."""
        self._known = None

    def origins(self, kind: str) -> tuple[Origin, ...]:
        """See `Source`."""
        if self._known is None:
            self._known = read_index(self._folder)
        return self._known.get(kind, ())

    def read(self, origin: Origin) -> bytes:
        """See `Source`. A file that is not what was synced is refused."""
        import hashlib

        file = self._folder / f"{origin.digest}.py"
        try:
            handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            raise BrokenModule(f"{origin.path}: its copy {file} can't be read: {error.strerror}{_AGAIN}") from None
        if hashlib.sha256(data).hexdigest() != origin.digest:
            with suppress(OSError):
                os.unlink(file)
            raise BrokenModule(f"{origin.path}: its copy {file} is not what the master sent{_AGAIN}")
        return data


_AGAIN = " (saltutil.sync_all brings it anew)"


def read_index(folder: Path) -> dict[str, tuple[Origin, ...]]:
    """What was synced to FOLDER, by kind; nothing where there is no index or it is damaged."""
    try:
        handle = os.open(folder / "index.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, encoding="utf-8") as stream:
            found = json.load(stream)
        origins = [Origin(**{**one, "names": tuple(one["names"])}) for one in found["files"]]
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    return by_kind(origins)


def by_kind(origins: Iterable[Origin]) -> dict[str, tuple[Origin, ...]]:
    """ORIGINS sorted."""
    sorted_: dict[str, list[Origin]] = {}
    for origin in origins:
        sorted_.setdefault(origin.kind, []).append(origin)
    return {kind: tuple(found) for kind, found in sorted_.items()}


def examined(files: FileSource, kind: str, known: Mapping[str, Origin] | None = None) -> Iterator[Origin]:
    """The files of KIND in all environments of FILES; for a name that several have, the first wins, `base` before the
    others. KNOWN by digest saves reading what was looked at before."""
    found = list(_found(files, kind))
    for saltenv in files.environments():
        wanted = tuple(one.path for one in found if one.saltenv == saltenv and not one.problem)
        if wanted:
            files.fetch(wanted, saltenv)
    for one in found:
        before = known.get(f"{one.path} {one.digest}") if known else None
        if before and not before.problem:
            yield before._replace(saltenv=one.saltenv)
        else:
            yield one if one.problem else _looked_at(files, one)


def _found(files: FileSource, kind: str) -> Iterator[Origin]:
    seen: set[str] = set()
    for saltenv in files.environments():
        for path in _below(files.list(saltenv), f"_{kind}/"):
            name = path.partition("/")[2]
            if not name.endswith(".py") or name == "__init__.py" or path in seen:
                continue
            seen.add(path)
            stem, problem = name.removesuffix(".py"), ""
            if "/" in name:
                problem = f"{path}: only files right in _{kind} are taken, no folders"
            elif not _STEM.fullmatch(stem):
                problem = f"{path}: its name can't be one of a namespace: use small letters, digits and _"
            yield Origin(kind, stem, path, saltenv, files.digest(path, saltenv) or "", (), problem)


def _below(paths: Sequence[str], prefix: str) -> Iterator[str]:
    """Those of the sorted PATHS that begin with PREFIX; a tree may have very many others."""
    for path in islice(paths, bisect_left(paths, prefix), None):
        if not path.startswith(prefix):
            return
        yield path


def _looked_at(files: FileSource, origin: Origin) -> Origin:
    from saltern.custom.outline import outline

    try:
        found = outline(contents(files, origin.path, origin.saltenv), origin.path)
    except (BrokenModule, PermanentError) as error:
        return origin._replace(names=(origin.stem,), problem=str(error))
    if origin.stem.startswith("_"):
        return origin
    names = tuple(name.rstrip("_") for name in found.names)
    built_in = _built_in(origin.kind)
    for name in names:
        if name in built_in:
            return origin._replace(problem=_shadows(origin, name))
        if not _STEM.fullmatch(name):
            problem = f"{origin.path}: {name!r} can't be a namespace: use small letters and digits"
            return origin._replace(problem=problem)
    return origin._replace(names=names)


def _shadows(origin: Origin, name: str) -> str:
    return (
        f"{origin.path}: {name!r} is one of Saltern's own {origin.kind}, which the tree can't replace: give the file "
        "another name"
    )


def _built_in(kind: str) -> frozenset[str]:
    if kind not in ("modules", "states"):
        return frozenset()
    from saltern.loader import built_in

    return frozenset(built_in(kind))


def contents(files: FileSource, path: str, saltenv: str) -> bytes:
    """The contents of a file of the tree. PermanentError where it is too large or can't be read."""
    try:
        with open(files.local(path, saltenv), "rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise PermanentError(f"{path}: can't be read: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise BrokenModule(f"{path}: larger than {MAX_BYTES >> 20} MiB, which no module is")
    return data


def as_index(origins: Iterable[Origin]) -> dict[str, Any]:
    """What `read_index` reads."""
    return {"files": [origin._asdict() for origin in origins]}
