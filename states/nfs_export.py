"""NFS exports: that a directory is exported to these clients, in the file and by the server that runs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modules import _exports, nfs_export
from modules._exports import Clients, ExportError
from modules.nfs_export import Export
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, state


@state
def present(
    ctx: Context,
    name: str,
    *,
    clients: Sequence[Any] | Mapping[str, Any] | Unset = UNSET,
    hosts: Sequence[str] | Unset = UNSET,
    options: Sequence[str] | Unset = UNSET,
) -> Plan:
    """The directory NAME is exported to exactly these clients (exports(5)).

    clients: client → options: `{192.168.43.0/24: [rw, sync, no_subtree_check]}`, or a list of such, or of Salt's
        `{hosts: …, options: […]}`. A client is a host, `*.domain`, `@netgroup`, an address or a network; without
        options it may read (`ro`).
    hosts, options: the same for clients with one set of options, as Salt writes it.

    The file is kept and, where the server runs, what it exports. Other entries and comments of the file stay, and an
    entry that means the same is left as it is.
    """
    path, wanted = _wanted(name, clients, hosts, options)
    current = nfs_export.get(path, wanted)
    serving = nfs_export.running()
    wish = Export(wanted, wanted if serving else UNSET)
    missing = None if os.path.isdir(path) else f"there is no directory {path} to export"
    return Plan(current, wish, steps(path, current, wish), unknown=missing, comment=_comment(path, serving))


@check(present)
def checked(
    name: str,
    *,
    clients: Sequence[Any] | Mapping[str, Any] | Unset = UNSET,
    hosts: Sequence[str] | Unset = UNSET,
    options: Sequence[str] | Unset = UNSET,
) -> None:
    """ExportError for a path or client that exports(5) would read as something else, or an option that it has not."""
    nfs_export.checked_path(name)
    try:
        _wanted(name, clients, hosts, options)
    except ExportError as error:
        error.argument = "hosts" if isinstance(clients, Unset) else "clients"
        raise


@state
def absent(ctx: Context, name: str) -> Plan:
    """The directory NAME is exported to nobody, neither by the file nor by the server."""
    path = nfs_export.checked_path(name)
    current = nfs_export.get(path)
    return Plan(current, None, steps(path, current, None), comment=f"{path} is not exported")


@check(absent)
def checked_path(name: str) -> None:
    """ExportError for a path that no export can have."""
    nfs_export.checked_path(name)


def _wanted(
    name: str,
    clients: Sequence[Any] | Mapping[str, Any] | Unset,
    hosts: Sequence[str] | Unset,
    options: Sequence[str] | Unset,
) -> tuple[str, Clients]:
    """The path and its clients as values. Pure."""
    path = nfs_export.checked_path(name)
    wanted = nfs_export.checked_clients(_given(name, clients, hosts, options))
    if not wanted:
        raise ExportError(f"{name}: no clients; use nfs_export.absent for an export that is not to be")
    return path, wanted


def steps(path: str, current: Export | None, wish: Export | None) -> Iterator[Step]:
    """The steps from CURRENT (None: not exported) to WISH: the file, then the server. Pure."""
    have = current.file if current else frozenset()
    want = wish.file if wish else frozenset()
    if have != want:
        sentence = f"write {path} into {nfs_export.EXPORTS}" if want else f"remove {path} from {nfs_export.EXPORTS}"
        yield Step(sentence, _line(path, have), _line(path, want), do=call(nfs_export.write, path, want or None))
    live = current.live if current else UNSET
    before = frozenset() if isinstance(live, Unset) else live
    after = (frozenset() if isinstance(live, Unset) else want) if wish is None else wish.live
    if not isinstance(after, Unset) and before != after:
        sentence = f"export {path} as the file says" if want else f"no longer export {path}"
        yield Step(sentence, _line(path, before), _line(path, after), do=call(nfs_export.reload, path))


def _given(
    name: str,
    clients: Sequence[Any] | Mapping[str, Any] | Unset,
    hosts: Sequence[str] | Unset,
    options: Sequence[str] | Unset,
) -> object:
    if isinstance(clients, Unset) == isinstance(hosts, Unset):
        raise ExportError(f"{name}: say to whom, either by `clients` or by `hosts` and `options`")
    if not isinstance(clients, Unset):
        if not isinstance(options, Unset):
            raise ExportError(f"{name}: `options` belong to `hosts`; with `clients`, write them behind each client")
        return clients
    return {"hosts": hosts, "options": () if isinstance(options, Unset) else options}


def _line(path: str, clients: Clients) -> str | None:
    return _exports.line(path, dict(clients)) if clients else None


def _comment(path: str, serving: bool) -> str:
    if serving:
        return f"{path} is exported as declared"
    return f"{nfs_export.EXPORTS} is as declared; no NFS server runs, so nothing is exported now"
