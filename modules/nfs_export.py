"""NFS exports: the file /etc/exports, what the server exports now, and changing both (exports(5), exportfs(8))."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from modules import _exports
from modules._exports import Clients, ExportError, Options
from modules._file import safe
from modules._file import text as file_text
from modules._run import run
from saltern.converge.plan import UNSET, Unset
from saltern.marks import acting, reading

EXPORTS = "/etc/exports"
MORE = "/etc/exports.d"
TABLE = "/var/lib/nfs/etab"  # what exportfs(8) told mountd and the kernel, every option by name
THREADS = "/proc/fs/nfsd/threads"
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Export:
    """The clients of a path with their options: as the FILE says, and as is LIVE (UNSET: no server runs)."""

    file: Clients
    live: Clients | Unset = UNSET


def checked_path(path: str) -> str:
    """PATH, absolute and plain. ExportError for one that exports(5) can't hold."""
    target = safe.absolute(path)
    if any(char in target for char in '"\\,') or not target.isprintable():
        raise ExportError(f"not a path to export: {path!r} (no comma, quote, backslash or line break may be in it)")
    return target


def checked_clients(clients: object) -> Clients:
    """CLIENTS as values: a mapping of client → options, or a list of such mappings or of Salt's `{hosts: …, options:
    …}`. ExportError for a client or an option that would be read as something else, or a client given twice."""
    found: dict[str, Options] = {}
    for host, options in _pairs(clients):
        if _exports.canonical_host(host) in map(_exports.canonical_host, found):
            raise ExportError(f"the client {host} is given twice")
        found[host] = _exports.checked_options(options if isinstance(options, list | tuple | str) else [])
    return frozenset(found.items())


def _pairs(clients: object) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    for part in clients if isinstance(clients, list | tuple) else [clients]:
        if isinstance(part, str):
            part = {part: ()}
        if not isinstance(part, Mapping):
            raise ExportError(f"not clients of an export: {part!r}; write them as CLIENT: [option, …]")
        if "hosts" in part:
            if extra := set(part) - {"hosts", "options"}:
                raise ExportError(
                    f"beside hosts and options there is no {', '.join(map(repr, sorted(map(str, extra))))}"
                )
            hosts = part["hosts"]
            part = dict.fromkeys([hosts] if isinstance(hosts, str) else hosts, part.get("options", ()))
        found += [(_exports.checked_host(host), options) for host, options in part.items()]
    return found


@reading
def exports() -> dict[str, dict[str, list[str]]]:
    """What /etc/exports says: path → client → options."""
    return _plain(_exports.parse(_read(EXPORTS)))


@reading
def active() -> dict[str, dict[str, list[str]]]:
    """What the server exports now: path → client → options; empty where it does not run."""
    return _plain(_exports.parse(_read(TABLE))) if running() else {}


@reading
def running() -> bool:
    """Whether the kernel's NFS server has threads (nfsd(7))."""
    return _read(THREADS).strip() not in ("", "0")


def get(path: str, wish: Clients = frozenset()) -> Export | None:
    """How PATH is exported, or None where it is not; in the words of WISH where they mean the same. ExportError where a
    file of /etc/exports.d exports it too, since that one is not ours to change."""
    if other := elsewhere(path):
        raise ExportError(f"{path} is exported by {other} too: take it out there, or manage it there alone")
    file = alike(_exports.parse(_read(EXPORTS)).get(path, {}), wish)
    live: Clients | Unset = UNSET
    if running():
        table = _exports.parse(_read(TABLE)).get(path, {})
        live = alike(table, wish, resolved(wish, table))
    return Export(file, live) if file or live else None


def alike(found: Mapping[str, Options], wish: Clients, names: Mapping[str, str] | None = None) -> Clients:
    """FOUND with each client that means the same as one of WISH in its words. NAMES: what a client of WISH is called in
    FOUND. Pure."""
    wanted = {_exports.canonical_host((names or {}).get(host, host)): (host, options) for host, options in wish}
    made = set()
    for host, options in found.items():
        mine = wanted.get(_exports.canonical_host(host))
        if mine is None:
            made.add((host, tuple(sorted(_exports.effective(options)))))
        elif _exports.effective(options) == _exports.effective(mine[1]):
            made.add(mine)
        else:
            made.add((mine[0], tuple(sorted(_exports.effective(options)))))
    return frozenset(made)


def resolved(wish: Clients, table: Mapping[str, Options]) -> dict[str, str]:
    """The full name of each host of WISH that TABLE does not know as it is written: exportfs(8) puts full names into
    its table."""
    known = {_exports.canonical_host(host) for host in table}
    names = [host for host, _ in wish if _exports.canonical_host(host) not in known and host[0] != "@"]
    found = {host: _full_name(host) for host in names if known and not any(char in host for char in "*?[/:")}
    return {host: name for host, name in found.items() if name}


def _full_name(host: str) -> str:
    import socket

    try:
        return socket.getaddrinfo(host, None, flags=socket.AI_CANONNAME)[0][3]
    except OSError:
        return ""


def elsewhere(path: str) -> str | None:
    """The file of /etc/exports.d that exports PATH too, or None."""
    try:
        names = sorted(os.listdir(MORE))
    except OSError:
        return None
    for name in names:
        if name.endswith(".exports") and not name.startswith(".") and path in _exports.parse(_read(f"{MORE}/{name}")):
            return f"{MORE}/{name}"
    return None


@acting
def write(path: str, clients: Clients | None) -> None:
    """Put the entry of PATH into /etc/exports, or take it out. All other lines and comments stay as they are."""
    text = _exports.put(_read(EXPORTS), path, dict(clients) if clients else None)
    safe.write(EXPORTS, [text.encode("utf-8", "surrogateescape")])


@acting
def reload(path: str | None = None) -> bool:
    """Have the server export what the files say, and nothing else (`exportfs -ra`). True.

    exportfs(8) goes on after an entry that it can't export, and fails in the end. With PATH, only what it says against
    that entry is an error.
    """
    ran = run(["exportfs", "-ra"], timeout_s=_TIMEOUT_S, env={"LC_ALL": "C"})
    said = complaints(ran.err)
    if ran.code != 0 and (path is None or not said or any(path in line for line in said)):
        why = "it did not end in time" if ran.timed_out else "\n".join(said) or f"it ended with {ran.code}"
        raise ExportError(f"exportfs -ra: {why}")
    return True


def complaints(text: str) -> list[str]:
    """What exportfs(8) complains of in TEXT, without its advice on options that are not written out."""
    lines = [line for line in text.splitlines() if line.startswith("exportfs: ")]
    return [line for line in lines if "Neither 'subtree_check'" not in line and "to avoid warning" not in line]


def _plain(found: Mapping[str, Mapping[str, Options]]) -> dict[str, dict[str, list[str]]]:
    return {path: {host: list(options) for host, options in clients.items()} for path, clients in found.items()}


def _read(path: str) -> str:
    try:
        return file_text.read(path)
    except OSError as error:
        if path == THREADS:  # there, but the server was never started
            return ""
        raise ExportError(f"{path}: {error.strerror}") from None
