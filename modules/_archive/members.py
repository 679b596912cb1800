"""What an archive holds, and what of it may be unpacked: nothing that leads out of its own folder.

Names, links and kinds come from whoever made the archive. All of them are judged before anything is written. Pure.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, NamedTuple

from saltern.errors import PermanentError

MEMBERS = 500_000
_DEPTH = 128  # folders
_PART_BYTES, _PATH_BYTES = 255, 3072  # of a name, of a path: below the kernel's own limits, with room for the place
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LINKS = 40  # as the kernel's own limit, path_resolution(7)


class ArchiveError(PermanentError):
    """An archive can't be read, or must not be unpacked."""


class Kind(Enum):
    """What a member is. HARD: another name of a file."""

    FILE = "file"
    FOLDER = "dir"
    LINK = "link"
    HARD = "hard"
    OTHER = "other"


class Raw(NamedTuple):
    """A member as the archive says. TARGET is of links; HANDLE is what the reader needs to get at the contents."""

    name: str
    kind: Kind
    size: int = 0
    mode: int = 0
    target: str = ""
    mtime: float = 0.0
    handle: Any = None


class Member(NamedTuple):
    """What is to be at PATH, relative to the folder of all: SIZE in bytes, MODE the permission bits."""

    path: str
    kind: Kind
    size: int = 0
    mode: int = 0o755
    target: str = ""
    mtime: float = 0.0


def judged(raws: Iterable[Raw], *, strip: int = 0, perms: bool = True) -> dict[str, tuple[Member, Raw | None]]:
    """The members by path, with the raw one that each comes from (None: a folder that only follows from a name);
    folders come before what is in them. STRIP: so many folders are taken off the front of each name. PERMS False: the
    usual permissions for all. ArchiveError for the first that must not be unpacked."""
    found: dict[str, tuple[Member, Raw | None]] = {}
    for count, raw in enumerate(raws):
        if count >= MEMBERS:
            raise ArchiveError(f"it holds more than {MEMBERS} members")
        path = stripped(relative(raw.name), strip)
        if not path:
            continue
        member = _member(raw, path, strip, perms)
        old = found.pop(path, None)
        if old is not None and old[0].kind is not member.kind:
            raise ArchiveError(f"{_shown(path)} comes twice, as two different things")
        found[path] = (member, raw)
    if not found:
        raise ArchiveError("there is nothing in it" + (" below the folders that are taken off" if strip else ""))
    _check_links({path: member for path, (member, _) in found.items()})
    return {path: found.get(path, (Member(path, Kind.FOLDER), None)) for path in _with_folders(found)}


def relative(name: str) -> str:
    """The NAME of a member as a relative path without `.`; "" for the folder of all. ArchiveError for one that leads
    elsewhere or that no file can have."""
    if name.startswith("/"):
        raise ArchiveError(f"{_shown(name)} is an absolute path")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ArchiveError(f"{_shown(name)} leads upwards, by `..`")
    if _CONTROL.search(name):
        raise ArchiveError(f"{_shown(name)} has control characters in its name")
    path = "/".join(parts)
    if len(parts) > _DEPTH or len(_bytes(path)) > _PATH_BYTES or any(len(_bytes(part)) > _PART_BYTES for part in parts):
        raise ArchiveError(f"{_shown(name)} is too long or too deep")
    return path


def stripped(path: str, count: int) -> str:
    """PATH without its first COUNT folders; "" where nothing is left."""
    return "/".join(path.split("/")[count:]) if path else ""


def tops(paths: Iterable[str]) -> list[str]:
    """What of PATHS lies at the top, sorted."""
    return sorted({path.partition("/")[0] for path in paths})


def _member(raw: Raw, path: str, strip: int, perms: bool) -> Member:
    """RAW as it is unpacked at PATH: nobody but the owner may write, and no permissions of the archive's maker."""
    if raw.kind is Kind.OTHER:
        raise ArchiveError(f"{_shown(path)} is a device or a pipe")
    if raw.kind is Kind.FILE and raw.mode & (stat.S_ISUID | stat.S_ISGID):
        raise ArchiveError(
            f"{_shown(path)} has the set-user-id or set-group-id bit; give it by `file.managed`, if at all"
        )
    target = raw.target
    if raw.kind is Kind.HARD:
        target = stripped(relative(target), strip)
    if raw.kind is Kind.LINK and (not target or _CONTROL.search(target)):
        raise ArchiveError(f"{_shown(path)} is a link to nowhere")
    if raw.kind is Kind.FOLDER:
        mode = (raw.mode & 0o755) | 0o700 if perms else 0o755
    else:
        mode = (raw.mode & 0o755) | 0o600 if perms else 0o644
    return Member(path, raw.kind, raw.size if raw.kind is Kind.FILE else 0, mode, target, raw.mtime)


def _check_links(members: Mapping[str, Member]) -> None:
    """ArchiveError where a member lies below one that is no folder, or a link leads out of the folder of all."""
    for path, member in members.items():
        for above in _above(path):
            if above in members and members[above].kind is not Kind.FOLDER:
                raise ArchiveError(f"{_shown(path)} lies below {_shown(above)}, which is no folder")
        if member.kind is Kind.HARD:
            other = members.get(member.target)
            if other is None or other.kind is not Kind.FILE:
                raise ArchiveError(
                    f"{_shown(path)} is a link to {_shown(member.target)}, which is no file of the archive"
                )
        elif member.kind is Kind.LINK:
            _check_inside(member, members)


def _check_inside(link: Member, members: Mapping[str, Member]) -> None:
    """ArchiveError where LINK leads out. Links of the archive on its way are followed: `..` behind one starts from
    where that one leads."""
    folder = link.path.split("/")[:-1]
    waiting, followed = _parts_of(link, link.target), 0
    while waiting:
        part = waiting.pop(0)
        if part == "..":
            if not folder:
                raise ArchiveError(f"{_shown(link.path)} is a link that leads outside: {_shown(link.target)}")
            folder.pop()
            continue
        folder.append(part)
        there = members.get("/".join(folder))
        if there is not None and there.kind is Kind.LINK:
            followed += 1
            if followed > _LINKS:
                raise ArchiveError(f"{_shown(link.path)} is a link that leads in a circle")
            folder.pop()
            waiting = _parts_of(link, there.target) + waiting


def _parts_of(link: Member, target: str) -> list[str]:
    if target.startswith("/"):
        raise ArchiveError(f"{_shown(link.path)} is a link that leads outside: {_shown(link.target)}")
    return [part for part in target.split("/") if part not in ("", ".")]


def _with_folders(paths: Iterable[str]) -> Iterator[str]:
    """PATHS and all folders above them, each once, before what is in it."""
    seen: set[str] = set()
    for path in paths:
        for one in (*_above(path), path):
            if one not in seen:
                seen.add(one)
                yield one


def _above(path: str) -> Iterator[str]:
    """The folders above PATH, the outermost first."""
    end = path.find("/")
    while end != -1:
        yield path[:end]
        end = path.find("/", end + 1)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _shown(name: str) -> str:
    text = repr(_bytes(name).decode("utf-8", "replace"))
    return text if len(text) <= 120 else text[:119] + "…"
