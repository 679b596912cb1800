"""Archives: tar (plain, gzip, bzip2, xz) and zip. What they hold, and unpacking them safely.

Whatever unpacks here refuses, before it writes anything, an archive with a member that leads out of its folder (by its
name or by links), that is a device, or that has the set-user-id bit; `archive.tar` alone is tar(1) itself.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from modules import cp
from modules._archive.members import ArchiveError, Kind, Member, judged, tops
from modules._archive.place import fits, place
from modules._archive.read import FORMATS, opened
from modules._archive.survey import How, Notes, survey
from modules._cmd import execute
from modules._file import owner as file_owner
from modules._file import safe
from saltern.context import Context
from saltern.marks import acting, reading
from saltern.secret import Secret

LIMIT_S = 3600.0  # for a program


class Seen(NamedTuple):
    """How a folder differs from what an archive would bring: paths that are MISSING, whose contents DIFFER, that are
    WRONG kinds of thing (with their status), and those whose OWNER is another (with user and group)."""

    missing: tuple[str, ...]
    differ: tuple[str, ...]
    wrong: Mapping[str, os.stat_result]
    owner: Mapping[str, tuple[int, int]]


@reading
def list_(
    ctx: Context,
    name: str,
    archive_format: str | None = None,
    strip_components: int = 0,
    verbose: bool = False,
    saltenv: str = "base",
    source_hash: str | None = None,
    password: str | Secret | None = None,
) -> list[str] | dict[str, list[str]]:
    """The paths in the archive NAME (`salt://…`, a path, or http(s)://…); a folder ends with `/`. VERBOSE: by kind,
    {"dirs", "files", "links", "top_level_dirs", "top_level_files", "top_level_links"}."""
    local = _brought(ctx, name, saltenv, source_hash)
    members = survey(local, How(known_format(archive_format), strip_components), secret_bytes(password)).members
    if not verbose:
        return sorted(shown_path(member) for member in members)
    kinds = (("dirs", Kind.FOLDER), ("links", Kind.LINK))
    found = {name: sorted(shown_path(member) for member in members if member.kind is kind) for name, kind in kinds}
    rest = (Kind.FOLDER, Kind.LINK)
    found["files"] = sorted(member.path for member in members if member.kind not in rest)
    for kind in ("dirs", "files", "links"):
        found[f"top_level_{kind}"] = [path for path in found[kind] if "/" not in path.rstrip("/")]
    return found


@reading
def is_encrypted(ctx: Context, name: str, saltenv: str = "base", source_hash: str | None = None) -> bool:
    """Whether the zip archive NAME (as in `archive.list`) has a file that wants a password."""
    local = _brought(ctx, name, saltenv, source_hash)
    with opened(local, "zip") as archive:
        return any(raw.handle.flag_bits & 1 for raw in archive.raws())


@reading
def look(
    dest: str, members: Sequence[Member], sums: Mapping[str, str], uid: int | None = None, gid: int | None = None
) -> Seen:
    """How the folder DEST differs from MEMBERS, the files among them with these SUMS, owned by UID and GID (None: not
    looked at). For states."""
    missing, differ, wrong, owner = [], [], {}, {}
    for member in members:
        path = f"{dest}/{member.path}"
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            missing.append(member.path)
            continue
        except OSError as error:
            raise ArchiveError(f"{path}: {error.strerror}") from None
        if not fits(member.kind, status):
            wrong[member.path] = status
            continue
        if member.path in sums and (member.size != status.st_size or sums[member.path] != _digest(path)):
            differ.append(member.path)
        if member.kind is Kind.LINK:
            if os.readlink(path) != member.target and sums:
                differ.append(member.path)
        elif uid not in (None, status.st_uid) or gid not in (None, status.st_gid):
            owner[member.path] = (status.st_uid, status.st_gid)
    return Seen(tuple(missing), tuple(differ), wrong, owner)


@acting
def extract(
    name: str,
    dest: str,
    archive_format: str | None = None,
    strip_components: int = 0,
    user: str | int | None = None,
    group: str | int | None = None,
    force: bool = False,
    password: str | Secret | None = None,
    extract_perms: bool = True,
) -> list[str]:
    """Unpack the archive NAME, a path, into the folder DEST, all of it or nothing. The paths that came.

    USER, GROUP: whose they are; default: Saltern's own user. FORCE puts away what is of another kind in their place.
    """
    how = How(known_format(archive_format), strip_components, extract_perms)
    return unpack(safe.absolute(name), dest, how, user=user, group=group, force=force, password=password)


@acting
def unpack(
    path: str,
    dest: str,
    how: How,
    *,
    user: str | int | None = None,
    group: str | int | None = None,
    force: bool = False,
    clean: bool = False,
    afresh: bool = False,
    password: str | Secret | None = None,
    notes: Notes | None = None,
    identity: str = "",
    forget: bool = False,
) -> list[str]:
    """As `archive.extract`, for states. CLEAN: what is at the top of the archive goes from DEST first. AFRESH: DEST
    itself does. NOTES: where to note the archive's IDENTITY. FORGET: PATH, a copy, is deleted then."""
    uid = None if user is None else file_owner.uid(user)
    gid = None if group is None else file_owner.gid(group)
    with opened(path, how.form, secret_bytes(password)) as archive:
        members = judged(archive.raws(), strip=how.strip, perms=how.perms)
        gone = tuple(tops(members)) if clean else ()
        try:
            place(dest, members, archive.chunks, uid=uid, gid=gid, remove=gone, afresh=afresh, force=force)
        except OSError as error:
            raise ArchiveError(f"it can't be unpacked into {dest}: {error.strerror}") from None
    if notes is not None:
        notes.note(identity)
    if forget:
        os.unlink(path)
    return sorted(shown_path(member) for member, _ in members.values())


@acting
def unzip(
    zip_file: str, dest: str, password: str | Secret | None = None, extract_perms: bool = True, trim_output: int = 0
) -> list[str]:
    """Unpack the zip archive ZIP_FILE into the folder DEST. The paths that came; TRIM_OUTPUT: so many of them."""
    found = extract(zip_file, dest, "zip", password=password, extract_perms=extract_perms)
    return found[:trim_output] if trim_output else found


@acting
def tar(
    options: str,
    tarfile: str,
    sources: str | Sequence[str] | None = None,
    dest: str | None = None,
    cwd: str | None = None,
    runas: str | None = None,
) -> list[str]:
    """Run tar(1) with OPTIONS (`cjvf`) on the archive TARFILE, for SOURCES (a list, or with commas between), unpacking
    into DEST. The lines that it prints."""
    given = sources.split(",") if isinstance(sources, str) else list(sources or ())
    into = [f"--directory={dest}"] if dest else []
    return _ran(["tar", *shlex.split(options), tarfile, *into, "--", *given], cwd, runas)


@acting
def gzip(sourcefile: str, options: str = "", cwd: str | None = None, runas: str | None = None) -> list[str]:
    """Compress the file SOURCEFILE by gzip(1) with OPTIONS. The lines that it prints."""
    return _ran(["gzip", *shlex.split(options), "--", sourcefile], cwd, runas)


@acting
def gunzip(gzipfile: str, options: str = "", cwd: str | None = None, runas: str | None = None) -> list[str]:
    """Uncompress the file GZIPFILE by gunzip(1) with OPTIONS. The lines that it prints."""
    return _ran(["gunzip", *shlex.split(options), "--", gzipfile], cwd, runas)


@acting
def zip_(zip_file: str, sources: str | Sequence[str], cwd: str | None = None) -> list[str]:
    """Make the zip archive ZIP_FILE of SOURCES (a list, or with commas between; below CWD where they are relative),
    folders with all that is in them, links followed. The paths that went in."""
    from modules._archive.write import write_zip

    given = sources.split(",") if isinstance(sources, str) else list(sources)
    return write_zip(safe.absolute(zip_file), given, safe.absolute(cwd) if cwd else None)


def known_format(form: str | None) -> str | None:
    """FORM if it is one of FORMATS or None. ArchiveError otherwise."""
    if form is not None and form not in FORMATS:
        raise ArchiveError(f"archive_format: {form!r} can't be unpacked; {' and '.join(FORMATS)} can")
    return form


def secret_bytes(password: str | Secret | None) -> bytes | None:
    """A password as zip wants it."""
    if password is None:
        return None
    return (password.reveal() if isinstance(password, Secret) else password).encode()


def shown_path(member: Member) -> str:
    """The path of MEMBER for people; a folder ends with `/`."""
    path = member.path.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return path + "/" if member.kind is Kind.FOLDER else path


def _brought(ctx: Context, name: str, saltenv: str, source_hash: str | None) -> str:
    """The path of the archive NAME on the node. ArchiveError where there is none."""
    found = cp.cache_file(ctx, name, saltenv, source_hash)
    if not isinstance(found, str):
        raise ArchiveError(f"there is no file {name}")
    return found


def _digest(path: str) -> str:
    import hashlib

    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW)) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror}") from None


def _ran(argv: list[str], cwd: str | None, runas: str | None) -> list[str]:
    ran = execute(argv, cwd=cwd, runas=runas, timeout=LIMIT_S)
    if ran.code != 0:
        said: Any = ran.err.strip() or ran.out.strip()
        raise ArchiveError(f"{argv[0]} ended with {ran.code}: {said}")
    return ran.out.splitlines()
