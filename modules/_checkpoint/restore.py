"""Takes the node's network back to a checkpoint, and proves by reading again that it is there."""

from __future__ import annotations

import errno
import ipaddress
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from modules._checkpoint import capture
from modules._checkpoint.checkpoint import Checkpoint, SavedAddress, SavedFile, SavedLink, SavedRoute, Touched
from modules._checkpoint.diff import Action, way_back
from modules._file import safe
from modules._network.netsocket import words
from saltern.wire.private import sync_folder

ROUNDS = 12  # a stack of links needs two or three
_PATIENT = 4  # rounds without any success before it is given up
_WAIT_S = 0.25  # between rounds that did not help
_SELF = 2  # BRIDGE_FLAGS_SELF: of the bridge itself, not of a port
_NODAD = 0x02  # IFA_F_NODAD: it was proven to be ours before
_KEPT_FLAGS = 0x200 | 0x100 | 0x400  # IFA_F_NOPREFIXROUTE, MANAGETEMPADDR, MCAUTOJOIN

Say = Callable[[str], None]
Keep = Callable[[SavedFile], None]


def restore_kernel(socket: Any, checkpoint: Checkpoint, touched: Touched, say: Say = lambda words: None) -> list[str]:
    """Take the kernel back. What remains different, in words; nothing where all is as it was. SAY hears of each step
    before it is done."""
    refused: dict[str, str] = {}
    useless = 0
    for _ in range(ROUNDS):
        actions = way_back(capture.kernel(socket), checkpoint.kernel, touched)
        actions = [action for action in actions if action.verb != "lack"]
        if not actions or useless >= _PATIENT:
            break
        before = dict(refused)
        done = [_tried(socket, action, checkpoint, refused, say) for action in actions]
        useless = 0 if any(done) else useless + 1
        if not any(done) or refused == before:
            time.sleep(_WAIT_S if not any(done) else 0)
    _settings_back(touched.settings, say)
    left = way_back(capture.kernel(socket), checkpoint.kernel, touched)
    left_words = [_with_reason(action, refused) for action in left]
    return left_words + [
        f"set {path} to {value}"
        for path, value in touched.settings.items()
        if capture.read_setting(path) not in (None, value)
    ]


def _with_reason(action: Action, refused: dict[str, str]) -> str:
    reason = refused.get(action.words)
    return f"{action.words} ({reason})" if reason else action.words


def _tried(socket: Any, action: Action, checkpoint: Checkpoint, refused: dict[str, str], say: Say) -> bool:
    """Whether ACTION went through; why not goes into REFUSED."""
    from pyroute2.netlink.exceptions import NetlinkError

    say(action.words)
    try:
        _do(socket, action, checkpoint)
    except NetlinkError as error:
        if error.code == errno.EEXIST:
            return False
        refused[action.words] = words(error)
        return False
    except (OSError, LookupError, ValueError, TypeError) as error:
        refused[action.words] = str(error) or type(error).__name__
        return False
    return True


def _do(socket: Any, action: Action, checkpoint: Checkpoint) -> None:
    verb, name, values = action.verb, action.name, dict(action.values)
    if verb == "make":
        _make(socket, name, values, checkpoint.kernel.find(name))
    elif verb == "join":
        _join(socket, name, values["master"], values["down"])
    elif verb == "options":
        _changed(socket, name, values)
    elif verb in ("link", "rename"):
        _changed(socket, name, values, rename=verb == "rename")
    elif verb == "delete":
        socket.link("del", index=_index(socket, name))
    elif verb == "port":
        socket.brport("set", index=_index(socket, name), **values)
    elif verb in ("vlan add", "vlan del"):
        entry = {"vid": values["vid"], "flags": values["flags"]}
        own = {"IFLA_AF_SPEC": {"attrs": [["IFLA_BRIDGE_FLAGS", _SELF]]}} if values["own"] else {}
        socket.vlan_filter(verb.split()[1], index=_index(socket, name), vlan_info=entry, **own)
    elif verb in ("address add", "address del"):
        _address(socket, verb.split()[1], action.what)
    elif verb in ("route add", "route del"):
        _route(socket, verb.split()[1], action.what)
    elif verb == "setting":
        write_setting(name, values["value"])


def _index(socket: Any, name: str) -> int:
    found = socket.link_lookup(ifname=name)
    if not found:
        raise LookupError(f"there is no {name}")
    return int(found[0])


def _make(socket: Any, name: str, values: dict[str, Any], saved: SavedLink | None) -> None:
    parent = values.pop("parent", None)
    if values["kind"] == "vxlan":
        if parent:
            values["vxlan_link"] = _index(socket, parent)
    elif parent:
        values["link"] = _index(socket, parent)
    if values["kind"] not in ("bridge", "bond") and saved and saved.mac and values["kind"] != "veth":
        values["address"] = saved.mac
    socket.link("add", ifname=name, **values)


def _join(socket: Any, name: str, master: str | None, down: bool) -> None:
    index = _index(socket, name)
    if down:
        socket.link("set", index=index, state="down")
    socket.link("set", index=index, master=_index(socket, master) if master else 0)


def _changed(socket: Any, name: str, values: dict[str, Any], *, rename: bool = False) -> None:
    """Change a link, where the kernel wants it so while it is down."""
    from pyroute2.netlink.exceptions import NetlinkError

    index = _index(socket, name)
    if "bond_primary" in values:
        values["bond_primary"] = _index(socket, values["bond_primary"]) if values["bond_primary"] else 0
    try:
        socket.link("set", index=index, **values)
    except NetlinkError as error:
        if error.code not in (errno.EBUSY, errno.EPERM, errno.ENOTSUP) or "state" in values:
            raise
        socket.link("set", index=index, state="down")
        try:
            socket.link("set", index=index, **values)
        finally:
            socket.link("set", index=index, state="up")  # the next round takes it down where it was down


def _address(socket: Any, verb: str, entry: SavedAddress) -> None:
    value = ipaddress.ip_interface(entry.address)
    given: dict[str, Any] = {
        "index": _index(socket, entry.link),
        "address": entry.peer or str(value.ip),
        "local": str(value.ip),
        "prefixlen": value.network.prefixlen,
        "family": entry.family,
    }
    if verb == "add":
        flags = entry.flags & _KEPT_FLAGS | (_NODAD if entry.family == 10 else 0)
        given |= {"scope": entry.scope, "flags": flags}
        given |= {"broadcast": entry.broadcast} if entry.broadcast else {}
        given |= {"label": entry.label} if entry.label else {}
        if entry.valid_s is not None:
            given |= {"valid_lft": entry.valid_s, "preferred_lft": entry.preferred_s or 0}
    socket.addr(verb, **given)


def _route(socket: Any, verb: str, route: SavedRoute) -> None:
    given: dict[str, Any] = {
        "family": route.family,
        "dst": route.destination,
        "table": route.table,
        "proto": route.protocol,
        "scope": route.scope,
        "type": route.type,
    }
    given |= {"priority": route.metric} if route.metric else {}
    given |= {"tos": route.tos} if route.tos else {}
    given |= {"prefsrc": route.source} if route.source else {}
    given |= {"metrics": dict(route.metrics)} if route.metrics else {}
    hops = [hop for hop in route.hops if hop.link or hop.gateway]
    if len(hops) == 1:
        given |= _hop(socket, route, 0)
    elif hops:
        given["multipath"] = [_hop(socket, route, place) for place in range(len(hops))]
    # IPv6 takes several routes of a kind side by side, so there one is added beside what is deleted in the same round
    socket.route("replace" if verb == "add" and route.family == 2 else verb, **given)


def _hop(socket: Any, route: SavedRoute, place: int) -> dict[str, Any]:
    hop, several = route.hops[place], len(route.hops) > 1
    given: dict[str, Any] = {}
    if hop.link:
        given["oif"] = _index(socket, hop.link)
    if hop.gateway:
        six = ":" in hop.gateway and route.family == 2
        given["via" if six else "gateway"] = {"family": 10, "addr": hop.gateway} if six else hop.gateway
    if several:
        given["hops"] = hop.weight
    if hop.onlink:
        given["flags"] = 4  # RTNH_F_ONLINK
    return given


def _settings_back(values: dict[str, str], say: Say) -> None:
    for path, value in values.items():
        if capture.read_setting(path) not in (None, value):
            say(f"set {path} to {value}")
            with suppress(OSError):
                write_setting(path, value)


def write_setting(path: str, value: str) -> None:
    """Set the kernel parameter at PATH below /proc/sys. OSError."""
    fd = os.open(f"/proc/sys/{path}", os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode() + b"\n")
    finally:
        os.close(fd)


def restore_files(
    checkpoint: Checkpoint, touched: Touched, say: Say = lambda words: None, keep: Keep = lambda file: None
) -> tuple[bool, list[str]]:
    """Take the files back: whether any had changed, and what remains different, in words. KEEP is given each file that
    is about to go: the run wrote it, or somebody else did meanwhile."""
    then: dict[str, SavedFile | None] = {file.path: file for file in checkpoint.files}
    then = {**then, **touched.files}
    now = {file.path: file for file in capture.files(checkpoint.folders, checkpoint.paths)}
    for path in touched.files:
        found = capture.saved_file(path)
        if found is not None:
            now[path] = found
    changed = [path for path in {**then, **now} if then.get(path) != now.get(path)]
    for path in changed:
        say(f"{'put back' if then.get(path) else 'remove'} {path}")
        if (going := now.get(path)) is not None:
            keep(going)
        with suppress(OSError, safe.UnsafePath):
            _file_back(path, then.get(path), now.get(path))
    left = [path for path in changed if capture.saved_file(path) != then.get(path)]
    return bool(changed), [f"{'put back' if then.get(path) else 'remove'} {path}" for path in left]


def _file_back(path: str, then: SavedFile | None, now: SavedFile | None) -> None:
    if now is not None and (then is None or now.target is not None or then.target is not None):
        os.unlink(path)
        sync_folder(os.path.dirname(path))
    if then is None:
        return
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    if then.target is not None:
        os.symlink(then.target, path)
        os.lchown(path, then.uid, then.gid)
    else:
        safe.write(path, [then.data], uid=then.uid, gid=then.gid, mode=then.mode, follow=False)
    sync_folder(os.path.dirname(path))


def files_named(paths: Iterable[str], folders: Iterable[str]) -> dict[str, SavedFile | None]:
    """The files of PATHS outside FOLDERS, as they are now; None where there is none."""
    inside = tuple(f"{folder}/" for folder in folders)
    return {path: capture.saved_file(path) for path in paths if not path.startswith(inside) and not os.path.isdir(path)}
