"""Mounts: that something is mounted where it should be, with these options, now and after a reboot, and can be used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from modules import mount
from modules._mount import fstab as mount_fstab
from modules._mount import options, proof
from modules._mount import table as mountinfo
from modules._mount import unit as mount_unit
from modules._mount.fstab import Line
from modules._mount.options import MountOptionError
from modules._mount.table import Live
from modules._probe import ask, server_of
from modules.mount import Mount, MountError, Unit
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Unset
from saltern.converge.state import check, state
from states._mount import Way, gone_steps, is_other, steps

NAMELESS = frozenset(["tmpfs", "ramfs", "devtmpfs", "proc", "sysfs", "devpts", "mqueue", "hugetlbfs", "cgroup2"])
"""File systems without a device: what stands in its place is a mere label, proc(5)."""


@state
def mounted(
    ctx: Context,
    name: str,
    *,
    device: str,
    fstype: str,
    opts: Sequence[str] = ("defaults",),
    mkmnt: bool = True,
    persist: bool = True,
    automount: bool | Unset = UNSET,
    idle_timeout: int = 0,
    prove: bool | Literal["read", "write"] | Unset = UNSET,
    guard: bool | Unset = UNSET,
    dump: int = 0,
    pass_num: int = 0,
) -> Plan:
    """DEVICE is mounted at NAME.

    device: as for mount(8): a path, `UUID=…`, `LABEL=…`, `server:/path`; the source of a bind mount. Of file systems
        without a device (tmpfs) it is only a label, and another one is left alone.
    fstype: as for mount(8). `nfs` is also right where the kernel shows NFS 4.
    opts: a list, or one text with commas. Flags of mount(8) that are not named have their defaults (a bind mount: those
        of its source); of a file system's own options, those that are named must hold, and what the kernel adds is left
        alone: a smaller rsize or wsize is what the server granted, a size in percent is not compared. A difference is
        mended by a remount where that can be, else by unmounting and mounting. With `noauto` it is not mounted at boot.
    mkmnt: make the directory where it is missing.
    persist: it is mounted at boot too: by a systemd mount unit that is enabled for multi-user.target where systemd
        runs, else by a line of /etc/fstab with DUMP and PASS_NUM. A unit or line that means the same is left alone.
    automount: it is mounted when it is first used, by a systemd automount unit, and after IDLE_TIMEOUT seconds without
        use unmounted again (0: never). `false` removes such a unit.
    prove: that it can be read, and with `write` written: a file is made, synced and removed after mounting, and later
        the server is asked. A server that does not answer is a failure in bounded time. Default: file systems of a
        network prove `write`, or `read` where they are read-only; `true` means the same for any.
    guard: the directory under the mount is made immutable, so that nothing fills the disk below while the mount is
        away. Default: for file systems of a network, where that directory is empty and can be guarded.
    """
    target, words = _checked(name, device, fstype, opts)
    found = mount.mounts()
    target = mount.point(mount.without_links(target, found))
    by_unit = persist and mount.under_systemd()
    if automount is True and not by_unit:
        raise MountError(f"{target}: `automount` needs systemd on the node, and `persist`")
    if automount is True and mountinfo.on_top(found, target) is None and mount.is_armed(target):
        ask("readable", target, server=server_of(device))  # to use it mounts it
        found = mount.mounts()
    live = mountinfo.on_top(found, target)
    bound = _real(device, found) if options.is_bind(words) else None
    source = mountinfo.holder(found, bound) if bound else None
    may = options.unasked(words, live.fstype if live else fstype, source.options if source else frozenset())
    asked = options.compared(words, fstype, may)
    wish = Mount(device, fstype, asked)
    if by_unit:
        enabled = "noauto" not in words and automount is not True
        wish = replace(wish, unit=Unit(mount_unit.text(target, device, fstype, words), enabled))
    elif persist:
        wish = replace(wish, line=Line(device, fstype, ",".join(words) or "defaults", dump, pass_num))
    if isinstance(automount, bool) and mount.under_systemd():
        auto = Unit(mount_unit.automount(target, idle_timeout), True) if automount else None
        wish = replace(wish, automount=auto, armed=automount)
    current = _current(target, live, wish, found, bound, may)
    way = Way(target, mount.device_word(device), mount.fstype_word(fstype), words, True, by_unit)
    way = replace(
        way, must_guard=guard is True, proof=_proof(prove, fstype if live is None else live.fstype, "ro" in asked)
    )
    if live is None and not os.path.isdir(target):
        if os.path.lexists(target):
            raise MountOptionError(f"{target} is there and is no directory, so nothing can be mounted on it")
        if not mkmnt:
            return Plan(current, wish, unknown=f"there is no directory {target}, and mkmnt is off")
        way = replace(way, has_point=False)
    if target == "/" and is_other(current, wish):
        raise MountOptionError(f"another root file system can't be mounted while the node runs ({current.device} is)")
    current, wish = _guarded(current, wish, guard, way)
    if live is not None and way.proof is not None and not is_other(current, wish):
        try:
            current = _proven(current, way)
        except proof.Unproven as error:  # an earlier state may mend the network, or the server's export
            return Plan(current, wish, unknown=str(error))
    return Plan(current, wish, steps(current, wish, way))


@check(mounted)
def checked(
    name: str, *, device: str, fstype: str, opts: Sequence[str] = ("defaults",), idle_timeout: int = 0, **_: object
) -> None:
    """MountOptionError for what a line of fstab or a unit would read as something else."""
    _checked(name, device, fstype, opts)
    if idle_timeout < 0:
        raise MountOptionError(f"not a time in seconds: idle_timeout {idle_timeout}")


@state
def unmounted(ctx: Context, name: str, *, device: str | Unset = UNSET, persist: bool = False) -> Plan:
    """Nothing is mounted at NAME. It is never taken away under those who use it: a busy one is a failure that names
    them. Where nothing will be mounted there at boot any more, its directory is no longer guarded.

    device: only where this is mounted there.
    persist: it is not mounted at boot either: neither by a systemd mount unit nor by /etc/fstab.
    """
    found = mount.mounts()
    target = mount.point(mount.without_links(mount.point(name), found))
    live = mountinfo.on_top(found, target)
    if live and isinstance(device, str) and not _same_device(device, live.device):
        live = None
    unit, line = mount.unit_of(target), mount.line_of(target)
    armed = mount.is_armed(target)
    current = Mount(live.device if live else None, armed=armed)
    wish = Mount(None, armed=False)
    if persist:
        current = replace(current, unit=unit, line=line, automount=mount.unit_of(target, "automount"))
        wish = replace(wish, unit=None, line=None, automount=None)
    if persist or (unit is None and line is None):
        below = proof.below(target)
        if below is not None and below == (True, True):
            current, wish = replace(current, guarded=True), replace(wish, guarded=False)
        else:
            current, wish = replace(current, guarded=False), replace(wish, guarded=False)
    return Plan(current, wish, gone_steps(target, current, wish))


def _checked(name: str, device: str, fstype: str, opts: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The mount point and the options as words. Pure."""
    mount.device_word(device)
    mount.fstype_word(fstype)
    return mount.point(name), options.listed(",".join(opts) if not isinstance(opts, str) and len(opts) == 1 else opts)


def _proof(prove: bool | str | Unset, fstype: str, read_only: bool) -> str | None:
    """How a mount proves itself: "read", "write" or None. Pure."""
    if isinstance(prove, str):
        return prove
    if prove is False or (isinstance(prove, Unset) and not proof.is_network(fstype)):
        return None
    return "read" if read_only else "write"


def _guarded(current: Mount, wish: Mount, guard: bool | Unset, way: Way) -> tuple[Mount, Mount]:
    """CURRENT and WISH with what is so, and should be so, of the guard below the mount."""
    if isinstance(guard, Unset) and not proof.is_network(way.fstype):
        return current, wish
    if not way.has_point:  # what its file system knows is seen once it is there
        return replace(current, guarded=False), replace(wish, guarded=guard is not False)
    found = proof.below(way.target) if way.target != "/" else None
    if found is None or found[1] is None:
        if guard is True:
            raise MountError(f"the directory under {way.target} can't be guarded: its file system has no such flag")
        return current, wish
    empty, guarded = found
    if not empty and not guarded and guard is not False:
        if guard is True:
            raise MountError(f"the directory under {way.target} holds files that the mount hides: move them away first")
        return current, wish
    return replace(current, guarded=bool(guarded)), replace(wish, guarded=guard is not False)


def _proven(current: Mount, way: Way) -> Mount:
    """CURRENT, if it can be used; a stale one (its server forgot it) as something else that is to be mounted anew.
    Unproven where mounting again would not help."""
    write = way.proof == "write" and isinstance(current.options, frozenset) and "ro" not in current.options
    answer = proof.look(way.target, way.device, write=write)
    if answer.error == "ESTALE":
        return replace(current, device=f"{current.device} (stale)")
    if (said := proof.objection(way.target, way.device, answer, write=write)) is not None:
        raise proof.Unproven(said)
    return current


def _real(device: str, found: list[Live]) -> str:
    """The path DEVICE without links. MountError where it lies on a server that does not answer."""
    holder = mountinfo.holder(found, os.path.normpath(device))
    if holder is None or not proof.is_network(holder.fstype):
        return os.path.realpath(device)
    answer = ask("real", device, server=server_of(holder.device))
    if answer.error is not None:
        raise MountError(f"{device} can't be bound: {answer.said}")
    return str(answer.value)


def _current(
    target: str, live: Live | None, wish: Mount, found: list[Live], bound: str | None, may: frozenset[str]
) -> Mount:
    """What is mounted, in the words of WISH where they mean the same."""
    unit: Unit | Unset | None = UNSET
    line: Line | Unset | None = UNSET
    if isinstance(wish.unit, Unit):
        unit = mount.unit_of(target)
        if unit and mount_unit.same(unit.text, wish.unit.text):
            unit = Unit(wish.unit.text, unit.enabled)
    if isinstance(wish.line, Line):
        line = mount.line_of(target)
        if line and mount_fstab.same(line, wish.line):
            line = wish.line
    now = Mount(None, None, frozenset(), unit, line)
    if not isinstance(wish.armed, Unset):
        now = replace(now, automount=mount.unit_of(target, "automount"), armed=mount.is_armed(target))
    if live is None:
        return now
    assert isinstance(wish.options, frozenset)
    device, fstype = live.device, live.fstype
    if bound is not None:
        same = mountinfo.bound(found, bound) == (live.number, live.root)
        device, fstype = (str(wish.device), str(wish.fstype)) if same else (f"{live.device}[{live.root}]", fstype)
    elif _same_device(str(wish.device), device) or (fstype == wish.fstype and fstype in NAMELESS):
        device = str(wish.device)
    if (wish.fstype, fstype) == ("nfs", "nfs4") or wish.fstype == "auto" or fstype == f"fuse.{wish.fstype}":
        fstype = str(wish.fstype)
    return replace(now, device=device, fstype=fstype, options=options.holding(wish.options, live, may))


def _same_device(wish: str, live: str) -> bool:
    """Whether mountinfo's LIVE is the device WISH: by its path or a link to it, UUID or label, the file of a loop
    device; an NFS path may close with `/`."""
    if wish == live or (":/" in wish and wish.rstrip("/") == live.rstrip("/")):
        return True
    kind, equals, value = wish.partition("=")
    by_name = equals and kind in ("UUID", "LABEL", "PARTUUID", "PARTLABEL")
    link = f"/dev/disk/by-{kind.lower()}/{value}" if by_name else wish
    if link.startswith("/dev/"):
        return os.path.realpath(link) == os.path.realpath(live)
    return live.startswith("/dev/loop") and mount.loop_file(live) == os.path.realpath(wish)
