"""What an archive would bring, kept on the node: a run that finds all in place reads no archive.

Two notes for each place and source, below ROOT/var/cache/saltern/archives: what the archive holds, and which one was
unpacked there last. Both can be lost: then the archive is read once more.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from modules._archive.members import Kind, Member, judged
from modules._archive.read import opened
from modules._file import safe
from saltern.context import Context


class How(NamedTuple):
    """How an archive is read: FORM None is what it looks like; STRIP folders are taken off the front of each name;
    PERMS: with its own permissions; SUMS: with a checksum of each file."""

    form: str | None = None
    strip: int = 0
    perms: bool = True
    sums: bool = False


class Survey(NamedTuple):
    """What an archive would bring, folders before what is in them; SUMS are the SHA-256 of its files, if asked for."""

    members: tuple[Member, ...]
    sums: Mapping[str, str]


class Notes(NamedTuple):
    """The place of the notes on one unpacked archive, without their endings."""

    place: str

    def surveyed(self, identity: str, local: Callable[[], str], how: How, password: bytes | None = None) -> Survey:
        """What the archive with this IDENTITY, which LOCAL brings to the node, would bring. ArchiveError where it must
        not be unpacked."""
        kept = _read(self.place + ".survey")
        if kept is not None and kept[:2] == [identity, list(how)]:
            with suppress(TypeError, ValueError, IndexError):
                return _decoded(kept)
        found = survey(local(), how, password)
        members = [(*member[:1], member.kind.value, *member[2:]) for member in found.members]
        _write(self.place + ".survey", [identity, list(how), members, found.sums])
        return found

    @property
    def unpacked(self) -> str | None:
        """The identity of the archive that was unpacked last; None: not known."""
        kept = _read(self.place + ".unpacked")
        return str(kept[0]) if kept else None

    def note(self, identity: str) -> None:
        """Remember that the archive with this IDENTITY was unpacked."""
        _write(self.place + ".unpacked", [identity])


def notes(ctx: Context, place: str, source: str) -> Notes:
    """The notes on what is unpacked from SOURCE into the folder PLACE."""
    name = hashlib.sha256(f"{place}\0{source}".encode("utf-8", "surrogateescape")).hexdigest()
    return Notes(str(ctx.config.root / "var/cache/saltern/archives" / name))


def survey(path: str, how: How, password: bytes | None = None) -> Survey:
    """What the archive PATH would bring. ArchiveError where it must not be unpacked."""
    with opened(path, how.form, password) as archive:
        found = judged(archive.raws(), strip=how.strip, perms=how.perms)
        sums = {}
        for member, raw in found.values() if how.sums else ():
            if member.kind is Kind.FILE and raw is not None:
                hashed = hashlib.sha256()
                for chunk in archive.chunks(raw):
                    hashed.update(chunk)
                sums[member.path] = hashed.hexdigest()
    return Survey(tuple(member for member, _ in found.values()), sums)


def identity_of(path: str) -> str:
    """What tells the file PATH of the node from what it was before, without reading it."""
    found = os.stat(path)
    return f"{path}:{found.st_dev}:{found.st_ino}:{found.st_size}:{found.st_mtime_ns}"


def _decoded(kept: list[Any]) -> Survey:
    members = tuple(
        Member(path, Kind(kind), int(size), int(mode), target, mtime)
        for path, kind, size, mode, target, mtime in kept[2]
    )
    return Survey(members, dict(kept[3]))


def _read(path: str) -> list[Any] | None:
    try:
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, list) and found else None


def _write(path: str, value: list[Any]) -> None:
    with suppress(OSError):  # a node that can't keep a note reads the archive again
        safe.make_folders(os.path.dirname(path), mode=0o700)
        safe.write(path, [json.dumps(value).encode()], mode=0o600)
