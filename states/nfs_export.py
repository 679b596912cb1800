"""NFS exports: that a directory is exported to these clients, in the file and by the server that runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from modules import nfs_export
from modules.nfs_export import Export, ExportError
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import state


@state
def present(
    ctx: Context,
    name: str,
    *,
    clients: Mapping[str, Sequence[str]] | Unset = UNSET,
    hosts: str | Unset = UNSET,
    options: Sequence[str] = ("rw", "sync", "no_subtree_check"),
) -> Plan:
    """The directory NAME is exported to exactly these clients (exports(5)).

    clients: client → options: `{192.168.43.0/24: [rw, sync, no_subtree_check]}`. A client is a host, `*.domain`,
        `@netgroup` or a network.
    hosts, options: the same for one client, as Salt writes it.

    The file is kept and, where the server runs, what it exports. Other entries and comments of the file stay.
    """
    path = nfs_export.checked_path(name)
    if isinstance(clients, Unset) == isinstance(hosts, Unset):
        raise ExportError(f"{name}: say to whom, either by `clients` or by `hosts` and `options`")
    given = {hosts: options} if isinstance(hosts, str) else clients
    assert not isinstance(given, Unset)
    wanted = nfs_export.checked_clients(given)
    if not wanted:
        raise ExportError(f"{name}: no clients; use nfs_export.absent for an export that is not to be")
    current = nfs_export.get(path, wanted)
    serving = nfs_export.running()
    wish = Export(wanted, wanted if serving else UNSET)
    comment = None if serving else "The file is as it should be. No NFS server runs, so nothing is exported now."
    return Plan(current, wish, steps(path, current, wish), comment=comment)


@state
def absent(ctx: Context, name: str) -> Plan:
    """The directory NAME is exported to nobody, neither by the file nor by the server."""
    path = nfs_export.checked_path(name)
    current = nfs_export.get(path)
    return Plan(current, None, steps(path, current, None))


def steps(path: str, current: Export | None, wish: Export | None) -> Iterator[Step]:
    """The steps from CURRENT (None: not exported) to WISH: the file, then the server. Pure."""
    have = current.file if current else frozenset()
    want = wish.file if wish else frozenset()
    if have != want:
        before = nfs_export.line(path, have) if have else None
        after = nfs_export.line(path, want) if want else None
        verb = f"write {path} into" if want else f"remove {path} from"
        yield Step(
            f"{verb} {nfs_export.EXPORTS}", before, after, do=call(nfs_export.write, path, wish.file if wish else None)
        )
    serving = wish.live if wish else (current.live if current else UNSET)
    if not isinstance(serving, Unset) and (
        current is None or wish is None or have != want or current.live != wish.live
    ):
        yield Step("export what the file says", None, path, do=call(nfs_export.reload))
