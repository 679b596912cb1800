"""Archives made for tests."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from modules import archive
from saltern.marks import permit_acting


class Entry(NamedTuple):
    """A member for an archive to be made."""

    name: str
    body: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o644


def folder(name: str, mode: int = 0o755) -> Entry:
    return Entry(name, kind=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str) -> Entry:
    return Entry(name, kind=tarfile.SYMTYPE, target=target, mode=0o777)


def hard(name: str, target: str) -> Entry:
    return Entry(name, kind=tarfile.LNKTYPE, target=target)


def tarred(path: Path, entries: Iterable[Entry], form: str = "") -> str:
    with tarfile.open(path, f"w:{form}", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.type, info.linkname, info.mode, info.size = entry.kind, entry.target, entry.mode, len(entry.body)
            info.mtime = 1_000_000_000
            tar.addfile(info, io.BytesIO(entry.body))
    return str(path)


def zipped(path: Path, entries: Iterable[Entry], system: int = 3) -> str:
    kinds = {tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK, tarfile.FIFOTYPE: stat.S_IFIFO}
    with zipfile.ZipFile(path, "w") as made:
        for entry in entries:
            info = zipfile.ZipInfo(entry.name)
            info.create_system = system
            info.external_attr = (kinds.get(entry.kind, stat.S_IFREG) | entry.mode) << 16
            made.writestr(info, entry.target or entry.body)
    return str(path)


def unpack(path: str, dest: Path, **options: object) -> list[str]:
    with permit_acting():
        return archive.extract(path, str(dest), **options)  # type: ignore[arg-type]


GOOD = (
    folder("./"),
    folder("./app/"),
    Entry("./app/run", b"#!/bin/sh\n", mode=0o777),
    Entry("app/lib/deep/data", b"d" * 3000),
    link("app/current", "lib/deep"),
    link("app/lib/up", "../run"),
    hard("app/again", "app/run"),
)
