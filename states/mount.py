"""Mounts: that something is mounted where it should be, with these options, now and after a reboot."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modules import _mount_options as options
from modules import _mountinfo as mountinfo
from modules import _safe, mount
from modules._fstab import Line
from modules._mount_options import MountOptionError
from modules._mountinfo import Live
from modules.mount import Mount, Unit
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import state


@dataclass(frozen=True, slots=True)
class Way:
    """How TARGET is mounted: what mount(8) is given, whether its directory is there, whether a unit starts it."""

    target: str
    device: str
    fstype: str
    opts: str
    has_point: bool
    by_unit: bool


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
    dump: int = 0,
    pass_num: int = 0,
) -> Plan:
    """DEVICE is mounted at NAME.

    fstype: as for mount(8). `nfs` and `nfs4` mean the same where the kernel shows NFS 4.
    opts: a list, or one text with commas. Those that are named must hold; what the kernel adds is left alone. Others
        are applied by a remount where that can be, else by unmounting and mounting.
    mkmnt: make the directory where it is missing.
    persist: it is mounted at boot too: by a systemd mount unit that is enabled for multi-user.target where systemd
        runs, else by a line of /etc/fstab with DUMP and PASS_NUM.
    """
    target = _safe.absolute(name)
    words = options.listed(",".join(opts) if not isinstance(opts, str) else opts)
    _check(device, "device")
    _check(fstype, "fstype")
    found = mount.mounts()
    by_unit = persist and mount.under_systemd()
    wish_options = options.compared(words)
    live = mountinfo.on_top(found, target)
    persistent = _wished(target, device, fstype, words, by_unit, dump, pass_num) if persist else UNSET
    wish = Mount(device, fstype, wish_options, persistent)
    current = _current(target, live, wish, found, words)
    has_point = live is not None or os.path.isdir(target)
    if not has_point and not mkmnt:
        return Plan(current, wish, unknown=f"there is no directory {target}, and mkmnt is off")
    way = Way(target, device, fstype, ",".join(words), has_point, by_unit)
    return Plan(current, wish, steps(current, wish, way))


@state
def unmounted(ctx: Context, name: str, *, persist: bool = False) -> Plan:
    """Nothing is mounted at NAME. It is never taken away under those who use it: a busy one is a failure that names
    them. PERSIST: it is not mounted at boot either."""
    target = _safe.absolute(name)
    live = mountinfo.on_top(mount.mounts(), target)
    kept: Unit | Line | Unset | None = (mount.unit_of(target) or mount.line_of(target)) if persist else UNSET
    current = Mount(live.device if live else None, UNSET, UNSET, kept)
    wish = Mount(None, UNSET, UNSET, None if persist else UNSET)
    return Plan(current, wish, _gone(target, current, wish))


def steps(current: Mount, wish: Mount, way: Way) -> Iterator[Step]:
    """The steps from CURRENT to WISH: what is wrong goes, the unit or line is written, then it is mounted. Pure."""
    target, known = way.target, current.device is not None
    replaced = known and (current.device, current.fstype) != (wish.device, wish.fstype)
    differs = known and not replaced and current.options != wish.options
    was, will = current.options, wish.options
    assert not isinstance(was, Unset)
    assert not isinstance(will, Unset)
    remount = differs and options.can_remount(was, will, way.fstype)
    if replaced or (differs and not remount):
        yield Step(f"unmount {current.device} from {target}", current.device, None, do=call(mount.umount, target))
    if not way.has_point:
        yield Step(f"make directory {target}", None, target, do=call(mount.make_point, target))
    yield from _persist_steps(target, current.persistent, wish.persistent)
    if remount:
        yield Step(
            f"remount {target} with {way.opts}", sorted(was), sorted(will), do=call(mount.remount, target, way.opts)
        )
    elif not known or replaced or differs:
        do = call(mount.start_unit, target, way.fstype)
        if not way.by_unit:
            do = call(mount.mount, target, way.device, fstype=way.fstype, opts=way.opts)
        yield Step(f"mount {way.device} at {target}", None, way.device, do=do)


def _persist_steps(target: str, have: object, wish: object) -> Iterator[Step]:
    if isinstance(wish, Unit):
        old = have if isinstance(have, Unit) else None
        name = mountinfo.unit_name(target)
        if old is None or old.text != wish.text:
            before = old.text if old else None
            yield Step(f"write unit {name}", before, wish.text, do=call(mount.write_unit, target, wish.text))
        if old is None or not old.enabled:
            yield Step(f"enable unit {name}", False, True, do=call(mount.enable_unit, target))
    elif isinstance(wish, Line) and have != wish:
        yield Step(f"write {target} into /etc/fstab", have, wish, do=call(mount.write_line, target, wish))


def _gone(target: str, current: Mount, wish: Mount) -> Iterator[Step]:
    if current.device is not None:
        yield Step(f"unmount {target}", current.device, None, do=call(mount.umount, target))
    if isinstance(current.persistent, Unit) and wish.persistent is None:
        name = mountinfo.unit_name(target)
        yield Step(f"remove unit {name}", name, None, do=call(mount.remove_unit, target))
    elif isinstance(current.persistent, Line) and wish.persistent is None:
        yield Step(
            f"remove {target} from /etc/fstab", current.persistent, None, do=call(mount.write_line, target, None)
        )


def unit_text(target: str, device: str, fstype: str, opts: Sequence[str]) -> str:
    """The mount unit of TARGET (systemd.mount(5)). `%` is a specifier there, so it is doubled."""
    what, where, words = (text.replace("%", "%%") for text in (device, target, ",".join(opts) or "defaults"))
    return (
        f"# Managed by Saltern\n[Unit]\nDescription=Mount of {where}\n\n[Mount]\nWhat={what}\nWhere={where}\n"
        f"Type={fstype}\nOptions={words}\n\n[Install]\nWantedBy=multi-user.target\n"
    )


def _wished(
    target: str, device: str, fstype: str, words: Sequence[str], by_unit: bool, dump: int, pass_num: int
) -> Unit | Line:
    if by_unit:
        return Unit(unit_text(target, device, fstype, words), True)
    return Line(device, fstype, ",".join(words) or "defaults", dump, pass_num)


def _current(target: str, live: Live | None, wish: Mount, found: list[Live], words: Sequence[str]) -> Mount:
    """What is mounted, in the words of WISH where they mean the same."""
    kept: Unit | Line | Unset | None = UNSET
    if isinstance(wish.persistent, Unit):
        kept = mount.unit_of(target)
    elif isinstance(wish.persistent, Line):
        kept = mount.line_of(target)
    if live is None:
        return Mount(None, None, frozenset(), kept)
    assert isinstance(wish.options, frozenset)
    device, fstype = live.device, live.fstype
    if {"bind", "rbind"} & set(words):
        same = mountinfo.bound(found, str(wish.device)) == (live.number, live.root)
        device, fstype = (str(wish.device), str(wish.fstype)) if same else (f"{live.device}[{live.root}]", fstype)
    elif _same_device(str(wish.device), device):
        device = str(wish.device)
    if {str(wish.fstype), fstype} <= {"nfs", "nfs4"} or wish.fstype == "auto":
        fstype = str(wish.fstype)
    return Mount(device, fstype, options.holding(wish.options, live), kept)


def _same_device(wish: str, live: str) -> bool:
    if wish == live or (":" in wish and wish.rstrip("/") == live.rstrip("/")):
        return True
    kind, equals, value = wish.partition("=")
    link = (
        f"/dev/disk/by-{kind.lower()}/{value}"
        if equals and kind in ("UUID", "LABEL", "PARTUUID", "PARTLABEL")
        else wish
    )
    return link.startswith("/dev/") and os.path.realpath(link) == os.path.realpath(live)


def _check(text: str, what: str) -> None:
    if not text or text.startswith("-") or any(char in text for char in "\n\0\t") or not text.isprintable():
        raise MountOptionError(f"not a {what} to mount: {text!r}")
    if what == "fstype" and not text.replace(".", "").replace("_", "").replace("-", "").isalnum():
        raise MountOptionError(f"not a file system type: {text!r}")
