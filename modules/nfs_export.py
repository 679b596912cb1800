"""NFS exports: the file /etc/exports, what the server exports now, and changing both (exports(5), exportfs(8))."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modules import _safe
from modules._mountinfo import escaped, unescaped
from modules._run import checked
from saltern.converge.plan import UNSET, Unset
from saltern.errors import PermanentError
from saltern.marks import acting, reading

EXPORTS = "/etc/exports"
TABLE = "/var/lib/nfs/etab"  # what exportfs(8) told mountd and the kernel

Options = frozenset[str]
Clients = frozenset[tuple[str, Options]]
_FIELD = re.compile(r'"[^"]*"|[^\s"]+')
_CLIENT = re.compile(r"([^()]*)(?:\(([^()]*)\))?")


class ExportError(PermanentError, ValueError):
    """An export can't be written so that exports(5) reads it as meant."""


@dataclass(frozen=True, slots=True)
class Export:
    """The clients of a path with their options: as the FILE says, and as is LIVE (UNSET: no server runs)."""

    file: Clients
    live: Clients | Unset = UNSET


def logical_lines(text: str) -> list[tuple[str, str]]:
    """(raw text, content without comment) of each entry: a backslash at the end of a line continues it."""
    found: list[tuple[str, str]] = []
    raw, content = "", ""
    for line in text.splitlines(keepends=True):
        raw += line
        body = line.rstrip("\n")
        continued = body.endswith("\\") and "#" not in body
        content += body[:-1] + " " if continued else body
        if not continued:
            found.append((raw, _uncommented(content).strip()))
            raw, content = "", ""
    if raw:
        found.append((raw, _uncommented(content).strip()))
    return found


def parse(text: str) -> dict[str, Clients]:
    """The exports of /etc/exports or of the server's table, by path. `-a,b` before the clients are their defaults."""
    found: dict[str, Clients] = {}
    for _, content in logical_lines(text):
        words = _FIELD.findall(content)
        if not words:
            continue
        path = unescaped(words[0].strip('"'))
        found[path] = found.get(path, frozenset()) | _clients(words[1:])
    return found


def put(text: str, path: str, clients: Clients | None) -> str:
    """TEXT with PATH exported to CLIENTS only (None: to nobody). All other lines and comments stay as they are."""
    kept: list[str] = []
    place: int | None = None
    for raw, content in logical_lines(text):
        words = _FIELD.findall(content)
        if words and unescaped(words[0].strip('"')) == path:
            place = len(kept) if place is None else place
        else:
            kept.append(raw if raw.endswith("\n") else raw + "\n")
    if clients:
        kept.insert(len(kept) if place is None else place, line(path, clients) + "\n")
    return "".join(kept)


def line(path: str, clients: Clients) -> str:
    """The entry of PATH, the clients in order, the options in the order that one writes them."""
    words = [f"{client}({','.join(sorted(options, key=_rank))})" for client, options in sorted(clients, key=_by_name)]
    return f"{escaped(path)}\t{' '.join(words)}"


def checked_clients(clients: Mapping[str, Iterable[str]]) -> Clients:
    """CLIENTS as values. ExportError for a client or an option that would be read as something else."""
    found = set()
    for client, options in clients.items():
        if not client or any(char in client for char in '()," \t\n\\#') or client.startswith("-"):
            raise ExportError(f"not a client of an export: {client!r} (a host, *.domain, @netgroup or a network)")
        words = frozenset(str(option) for option in options)
        for word in words:
            if not re.fullmatch(r"[a-z0-9_]+(=[^(),\s\"\\#]*)?", word):
                raise ExportError(f"not an option of an export: {word!r}")
        found.add((client, words or frozenset({"ro"})))
    return frozenset(found)


def checked_path(path: str) -> str:
    """PATH, absolute and plain. ExportError for one that exports(5) can't hold."""
    if any(char in path for char in '\n\0\t"\\,') or not path.isprintable():
        raise ExportError(f"not a path to export: {path!r} (no comma, quote, backslash or line break may be in it)")
    return _safe.absolute(path)


def holding(wish: Options, live: Options) -> Options:
    """Those of WISH that hold for a client whose options in the server's table are LIVE (which names all of them)."""
    same = {"fsid=root": "fsid=0", "insecure_locks": "no_auth_nlm"}
    return frozenset(word for word in wish if word in live or same.get(word, "") in live)


@reading
def exports() -> dict[str, dict[str, list[str]]]:
    """What /etc/exports says: path → client → options."""
    return {
        path: {client: sorted(options, key=_rank) for client, options in sorted(clients, key=_by_name)}
        for path, clients in parse(_read(EXPORTS)).items()
    }


@reading
def active() -> dict[str, dict[str, list[str]]]:
    """What the server exports now: path → client → options; empty where it does not run."""
    if not running():
        return {}
    return {
        path: {client: sorted(options) for client, options in sorted(clients, key=_by_name)}
        for path, clients in parse(_read(TABLE)).items()
    }


@reading
def running() -> bool:
    """Whether the kernel's NFS server has threads (nfsd(7))."""
    return _read("/proc/fs/nfsd/threads").strip() not in ("", "0")


@reading
def get(path: str, wish: Clients = frozenset()) -> Export | None:
    """How PATH is exported, or None where it is not. Of what is live, the options of WISH that hold are told."""
    file = parse(_read(EXPORTS)).get(path, frozenset())
    live: Clients | Unset = UNSET
    if running():
        wanted = dict(wish)
        live = frozenset(
            (client, holding(wanted[client], options) if client in wanted else options)
            for client, options in parse(_read(TABLE)).get(path, frozenset())
        )
    return Export(file, live) if file or live else None


@acting
def write(path: str, clients: Clients | None) -> None:
    """Put the entry of PATH into /etc/exports, or take it out."""
    _safe.write(EXPORTS, [put(_read(EXPORTS), path, clients).encode("utf-8", "surrogateescape")])


@acting
def reload() -> bool:
    """Have the server export what the files say, and nothing else. True."""
    checked(["exportfs", "-ra"], timeout_s=30)
    return True


def _clients(words: list[str]) -> Clients:
    found = set()
    defaults: Options = frozenset()
    for word in words:
        if word.startswith("-"):
            defaults = _options(word[1:])
            continue
        match = _CLIENT.fullmatch(word)
        if match:
            found.add((match[1] or "*", _options(match[2] or "") | defaults))
    return frozenset(found)


def _options(text: str) -> Options:
    return frozenset(word for word in (part.strip() for part in text.split(",")) if word)


def _uncommented(text: str) -> str:
    return text.partition("#")[0]


def _by_name(client: tuple[str, Options]) -> str:
    return client[0]


def _rank(option: str) -> tuple[int, str]:
    first = ("rw", "ro", "sync", "async")
    return (first.index(option), "") if option in first else (len(first), option)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        if os.path.dirname(path) == "/proc/fs/nfsd":  # there, but the server was never started
            return ""
        raise ExportError(f"{path}: {error.strerror}") from None
