"""The repositories that apt knows: read from its files, and changed in them once they are proved.

Where the files lie is asked of apt itself (`apt-config`), so a root of its own counts. Before a repository is written
down its index is fetched, and no other's: that shows that it answers and is signed by the key that it should be.
"""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from modules import _run, file
from modules._file.system_text import put_text, text_of
from modules._pkg.apt_sources import (
    TYPES,
    Entry,
    Part,
    SourceError,
    checked,
    found_in,
    is_stanzas,
    line_of,
    parsed,
    parts,
    with_entry,
    without_entry,
)
from saltern.errors import PermanentError, nearest
from saltern.marks import acting, reading

FETCH_S = 600.0  # for the index of one repository
LOCK_S = 120.0  # how long to wait for another apt that holds the lists
LOCK_EVERY_S = 1.0
_NAME = re.compile(r"[A-Za-z0-9_.-]+")  # of a file that apt reads, sources.list(5)


class RepositoryError(PermanentError):
    """A repository can't be read or changed, or apt can't fetch its index."""


class Places(NamedTuple):
    """The file, the folder of files, and the folder of keys."""

    main: str
    folder: str
    keys: str


@reading
def places() -> Places:
    """Where apt has its repositories. RepositoryError where there is no apt."""
    if _run.which("apt-config") is None:
        raise RepositoryError("there is no apt-config: repositories are managed on Debian and its like only, for now")
    said = _run.checked(
        [
            "apt-config",
            "shell",
            "main",
            "Dir::Etc::sourcelist/f",
            "parts",
            "Dir::Etc::sourceparts/d",
            "etc",
            "Dir::Etc/d",
        ]
    )
    found = dict(word.partition("=")[::2] for word in shlex.split(said))
    return Places(found["main"], found["parts"].rstrip("/"), os.path.join(found["etc"], "keyrings"))


@reading
def files(where: Places) -> dict[str, list[Part]]:
    """The parts of each file of repositories, by path, the main file first and the others in apt's order."""
    names = sorted(os.listdir(where.folder)) if os.path.isdir(where.folder) else []
    paths = [where.main] + [
        f"{where.folder}/{name}" for name in names if name.endswith((".list", ".sources")) and _NAME.fullmatch(name)
    ]
    return {path: parts(text_of(path), is_stanzas(path)) for path in paths if os.path.isfile(path)}


@reading
def list_repos() -> dict[str, list[dict[str, Any]]]:
    """The repositories by URI: for each its {"file", "line", "type", "uri", "dist", "comps", "disabled",
    "architectures", "signedby"}."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path, kept in files(places()).items():
        for part in kept:
            for entry in part.entries:
                found.setdefault(entry.uri, []).append(as_dict(path, entry))
    return found


@reading
def get_repo(repo: str) -> dict[str, Any]:
    """The repository with the line REPO ("deb URI SUITE COMPONENT …"); {} where there is none."""
    found = found_in(files(places()), entry_of(repo))
    return {} if found is None else as_dict(*found)


@acting
def mod_repo(repo: str, file: str | None = None, refresh: bool = True, **settings: Any) -> dict[str, Any]:
    """Have the repository with the line REPO; SETTINGS as in `pkgrepo.managed` (dist, comps, architectures, disabled,
    signedby, …). FILE: where a new one goes. What it is then."""
    where = places()
    wanted = entry_of(repo, **settings)
    have = found_in(files(where), wanted)
    path = have[0] if have else file_for(where, file, wanted)
    if have is None or not have[1].same(wanted):
        put_entry(path, None if have is None else have[1], wanted, refresh=refresh)
    return as_dict(path, wanted)


@acting
def del_repo(repo: str) -> str:
    """Take the repository with the line REPO out of all files: what was done."""
    gone = removals(files(places()), entry_of(repo, partial=True))
    for path, old, left in gone:
        drop_entry(path, old, left)
    return f"taken from {', '.join(dict.fromkeys(path for path, _, _ in gone))}" if gone else "it is not there"


def as_dict(path: str, entry: Entry) -> dict[str, Any]:
    """ENTRY of the file PATH as users see it."""
    return {
        "file": path,
        "line": f"# {entry.line}" if entry.disabled else entry.line,
        "type": entry.type,
        "uri": entry.uri,
        "dist": entry.dist,
        "comps": list(entry.comps),
        "disabled": entry.disabled,
        "architectures": sorted(entry.archs),
        "signedby": entry.signed_by,
    }


def words_of(given: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """GIVEN, a list or a text with commas or spaces, as words."""
    if given is None:
        return None
    return tuple(given.replace(",", " ").split()) if isinstance(given, str) else tuple(map(str, given))


def entry_of(
    repo: str,
    *,
    uri: str | None = None,
    dist: str | None = None,
    comps: str | Sequence[str] | None = None,
    type: str | None = None,
    architectures: str | Sequence[str] | None = None,
    signedby: str | None = None,
    disabled: bool | None = None,
    comments: str | Sequence[str] = (),
    partial: bool = False,
) -> Entry:
    """The repository that the line REPO names, where the others given win; REPO may be a mere name where URI and DIST
    are given. PARTIAL: it may lack its components. SourceError where it is none."""
    line = parsed(repo)
    if line is None:
        if repo.startswith("ppa:"):
            raise SourceError(
                f"{repo}: write the archive as its line, deb https://ppa.launchpadcontent.net/…, and its key"
            )
        if uri is None or dist is None:
            raise SourceError(f"not a repository: {repo!r}; it reads `deb [options] https://host/path suite component`")
        line = Entry(type="deb", uri=uri, dist=dist)
    options = dict(line.options)
    if archs := words_of(architectures):
        options["arch"] = ",".join(archs)
    if signedby:
        options["signed-by"] = signedby
    found = Entry(
        type=type or line.type,
        uri=uri or line.uri,
        dist=dist or line.dist,
        comps=line.comps if comps is None else words_of(comps) or (),
        options=tuple(options.items()),
        disabled=line.disabled if disabled is None else disabled,
        comment=" ".join([comments] if isinstance(comments, str) else map(str, comments)),
    )
    if found.type not in TYPES:
        raise SourceError(
            f"a repository is of the type deb or deb-src, not {found.type!r}.{nearest(found.type, TYPES)}"
        )
    return found if partial and not found.comps else checked(found)


def file_for(where: Places, name: str | None, entry: Entry) -> str:
    """The path of the file NAME: a full one, or a name in apt's folder (`.list` where it says neither that nor
    `.sources`); None: one that is named after the host and path of ENTRY. RepositoryError where apt would not read
    it."""
    if name is None:
        name = re.sub(r"[^A-Za-z0-9.-]+", "_", entry.uri.partition(":")[2]).strip("_.") or "repository"
    path = os.path.normpath(name) if name.startswith("/") else f"{where.folder}/{name}"
    if path == where.main:
        return path
    if not path.endswith((".list", ".sources")):
        path += ".list"
    if os.path.dirname(path) != where.folder or not _NAME.fullmatch(os.path.basename(path)):
        raise RepositoryError(
            f"apt does not read {path}: name a file in {where.folder} with letters, digits, '_', '-' and '.' that ends "
            "with .list or .sources"
        )
    return path


def removals(found: Mapping[str, Sequence[Part]], gone: Entry) -> list[tuple[str, Entry, Entry | None]]:
    """What is to go of the repository GONE (of its components, where it names any): (file, what is there, what is left
    of it)."""
    changes: list[tuple[str, Entry, Entry | None]] = []
    for path, kept in found.items():
        for part in kept:
            for entry in part.entries:
                if entry.key != gone.key or (gone.archs and entry.archs != gone.archs):
                    continue
                left = tuple(comp for comp in entry.comps if comp not in gone.comps)
                if gone.comps and left == entry.comps and entry.comps:
                    continue
                changes.append((path, entry, replace(entry, comps=left) if gone.comps and left else None))
    return changes


@acting
def put_entry(path: str, old: Entry | None, new: Entry, *, alone: bool = False, refresh: bool = True) -> None:
    """Have NEW in the file PATH, in the place of OLD where that is there; ALONE: and nothing else. REFRESH: its index
    is fetched first, and where that fails the file stays as it is."""
    if refresh and not new.disabled:
        fetch_index(new)
    there = os.path.lexists(path)
    attributes = {} if there else {"mode": "0644"}
    put_text(path, with_entry(text_of(path) if there else "", path, old, new, alone=alone), **attributes)


@acting
def drop_entry(path: str, old: Entry, left: Entry | None) -> None:
    """Have LEFT (None: nothing) in the place of OLD in the file PATH. A file in apt's folder that says nothing any more
    is deleted."""
    text = text_of(path)
    new = without_entry(text, path, old) if left is None else with_entry(text, path, old, left)
    if new or path == places().main:
        put_text(path, new)
    else:
        file.remove(path)


@acting
def fetch_index(entry: Entry) -> None:
    """Fetch the indices of ENTRY, be it in a file of apt or not, and no others; so it is proved that it answers and is
    signed by its key. RepositoryError with what apt says."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="saltern-apt-") as folder:
        path = f"{folder}/one.list"
        with open(path, "w", encoding="utf-8") as written:
            written.write(line_of(entry))
        ran = _updated(path)
    if ran.code == 0:
        return
    if ran.timed_out:
        raise RepositoryError(f"the index of {entry.uri} can't be fetched: apt-get {ran.late}")
    told = [line for line in ran.err.splitlines() if line.startswith(("E: ", "W: "))] or ran.err.splitlines()[-5:]
    words = "\n".join(line.strip().replace(path, "it") for line in told[:8])
    raise RepositoryError(f"the index of {entry.uri} {entry.dist} can't be fetched:\n{words}")


def _updated(path: str) -> _run.Ran:
    """`apt-get update` of what the file PATH names; another apt that holds the lists is waited for."""
    options = [
        f"Dir::Etc::sourcelist={path}",
        "Dir::Etc::sourceparts=-",
        "APT::Get::List-Cleanup=0",  # the indices of other files stay
        "APT::Update::Error-Mode=any",
    ]
    argv = ["apt-get", "--quiet", *[f"--option={option}" for option in options], "update"]
    deadline = time.monotonic() + LOCK_S
    while True:
        ran = _run.run(argv, timeout_s=FETCH_S, env={"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})
        if ran.code == 0 or "Could not get lock" not in ran.err or time.monotonic() > deadline:
            return ran
        time.sleep(LOCK_EVERY_S)
