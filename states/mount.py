"""Mounts: that something is mounted where it should be, with these options, now and after a reboot."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modules import _fstab, _mount_unit, mount
from modules import _mount_options as options
from modules import _mountinfo as mountinfo
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
    opts: tuple[str, ...]
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

    device: as for mount(8): a path, `UUID=…`, `LABEL=…`, `server:/path`; the source of a bind mount.
    fstype: as for mount(8). `nfs` is also right where the kernel shows NFS 4.
    opts: a list, or one text with commas. Flags of mount(8) that are not named have their defaults (a bind mount: those
        of its source); of a file system's own options, those that are named must hold, and what the kernel adds is left
        alone: a smaller rsize or wsize is what the server granted, a size in percent is not compared. A difference is
        mended by a remount where that can be, else by unmounting and mounting. With `noauto` it is not mounted at boot.
    mkmnt: make the directory where it is missing.
    persist: it is mounted at boot too: by a systemd mount unit that is enabled for multi-user.target where systemd
        runs, else by a line of /etc/fstab with DUMP and PASS_NUM. A unit or line that means the same is left alone.
    """
    found = mount.mounts()
    target = mount.point(mount.without_links(mount.point(name), found))
    words = options.listed(",".join(opts) if not isinstance(opts, str) and len(opts) == 1 else opts)
    by_unit = persist and mount.under_systemd()
    way = Way(target, mount.device_word(device), mount.fstype_word(fstype), words, True, by_unit)
    live = mountinfo.on_top(found, target)
    source = mountinfo.holder(found, os.path.realpath(device)) if options.is_bind(words) else None
    may = options.unasked(words, live.fstype if live else fstype, source.options if source else frozenset())
    wish = Mount(device, fstype, options.compared(words, fstype, may), UNSET, UNSET)
    if by_unit:
        wish = _with(wish, unit=Unit(_mount_unit.text(target, device, fstype, words), "noauto" not in words))
    elif persist:
        wish = _with(wish, line=Line(device, fstype, ",".join(words) or "defaults", dump, pass_num))
    current = _current(target, live, wish, found, words, may)
    if live is None and not os.path.isdir(target):
        if os.path.lexists(target):
            raise MountOptionError(f"{target} is there and is no directory, so nothing can be mounted on it")
        if not mkmnt:
            return Plan(current, wish, unknown=f"there is no directory {target}, and mkmnt is off")
        way = Way(target, way.device, way.fstype, words, False, by_unit)
    if target == "/" and _is_other(current, wish):
        raise MountOptionError(f"another root file system can't be mounted while the node runs ({current.device} is)")
    return Plan(current, wish, steps(current, wish, way))


@state
def unmounted(ctx: Context, name: str, *, device: str | Unset = UNSET, persist: bool = False) -> Plan:
    """Nothing is mounted at NAME. It is never taken away under those who use it: a busy one is a failure that names
    them.

    device: only where this is mounted there.
    persist: it is not mounted at boot either: neither by a systemd mount unit nor by /etc/fstab.
    """
    found = mount.mounts()
    target = mount.point(mount.without_links(mount.point(name), found))
    live = mountinfo.on_top(found, target)
    if live and isinstance(device, str) and not _same_device(device, live.device):
        live = None
    nothing = None if persist else UNSET
    current = Mount(
        live.device if live else None,
        unit=mount.unit_of(target) if persist else UNSET,
        line=mount.line_of(target) if persist else UNSET,
    )
    wish = Mount(None, unit=nothing, line=nothing)
    return Plan(current, wish, gone_steps(target, current, wish))


def steps(current: Mount, wish: Mount, way: Way) -> Iterator[Step]:
    """The steps from CURRENT to WISH: what is wrong goes, the unit or line is written, then it is mounted. Pure."""
    target, known = way.target, current.device is not None
    replaced = known and _is_other(current, wish)
    differs = known and not replaced and current.options != wish.options
    was = current.options if isinstance(current.options, frozenset) else frozenset()
    will = wish.options if isinstance(wish.options, frozenset) else frozenset()
    remount = differs and options.can_remount(was, will, way.fstype)
    if replaced or (differs and not remount):
        yield Step(f"unmount {current.device} from {target}", current.device, None, do=call(mount.umount, target))
    if not way.has_point:
        yield Step(f"make directory {target}", None, target, do=call(mount.make_point, target))
    yield from _persist_steps(target, current, wish)
    if remount:
        given = ",".join((*_binds(way.opts), *options.for_remount(way.opts, was, way.fstype)))
        before, after = ",".join(sorted(was - will)), ",".join(sorted(will - was))
        change = f": {after or 'without'} {f'instead of {before}' if after and before else before}".rstrip()
        yield Step(f"remount {target}{change}", sorted(was), sorted(will), do=call(mount.remount, target, given))
    elif not known or replaced or differs:
        do = call(mount.start_unit, target, way.fstype)
        if not way.by_unit:
            do = call(mount.mount, target, way.device, fstype=way.fstype, opts=",".join(way.opts))
        yield Step(f"mount {way.device} at {target}", None, way.device, do=do)


def _persist_steps(target: str, current: Mount, wish: Mount) -> Iterator[Step]:
    if isinstance(wish.unit, Unit):
        old = current.unit if isinstance(current.unit, Unit) else None
        name = mountinfo.unit_name(target)
        if old is None or old.text != wish.unit.text:
            before = old.text if old else None
            yield Step(f"write unit {name}", before, wish.unit.text, do=call(mount.write_unit, target, wish.unit.text))
        if wish.unit.enabled and (old is None or not old.enabled):
            yield Step(f"enable unit {name}", False, True, do=call(mount.enable_unit, target))
        if not wish.unit.enabled and old is not None and old.enabled:
            yield Step(f"disable unit {name}", True, False, do=call(mount.disable_unit, target))
    elif isinstance(wish.line, Line) and current.line != wish.line:
        do = call(mount.write_line, target, wish.line)
        yield Step(f"write {target} into {mount.FSTAB}", current.line, wish.line, do=do)


def gone_steps(target: str, current: Mount, wish: Mount) -> Iterator[Step]:
    """The steps after which nothing is mounted at TARGET, and where wished nothing at boot. Pure."""
    if current.device is not None:
        yield Step(f"unmount {target}", current.device, None, do=call(mount.umount, target))
    if isinstance(current.unit, Unit) and wish.unit is None:
        name = mountinfo.unit_name(target)
        yield Step(f"remove unit {name}", name, None, do=call(mount.remove_unit, target))
    if isinstance(current.line, Line) and wish.line is None:
        do = call(mount.write_line, target, None)
        yield Step(f"remove {target} from {mount.FSTAB}", current.line, None, do=do)


def _is_other(current: Mount, wish: Mount) -> bool:
    return (current.device, current.fstype) != (wish.device, wish.fstype)


def _binds(words: Sequence[str]) -> tuple[str, ...]:
    """A bind mount has flags of its own, so it is remounted as one."""
    return ("bind",) if {"bind", "rbind"} & set(words) and "bind" not in words else ()


def _with(wish: Mount, *, unit: Unit | Unset = UNSET, line: Line | Unset = UNSET) -> Mount:
    return Mount(wish.device, wish.fstype, wish.options, unit, line)


def _current(
    target: str, live: Live | None, wish: Mount, found: list[Live], words: Sequence[str], may: frozenset[str]
) -> Mount:
    """What is mounted, in the words of WISH where they mean the same."""
    unit: Unit | Unset | None = UNSET
    line: Line | Unset | None = UNSET
    if isinstance(wish.unit, Unit):
        unit = mount.unit_of(target)
        if unit and _mount_unit.same(unit.text, wish.unit.text):
            unit = Unit(wish.unit.text, unit.enabled)
    if isinstance(wish.line, Line):
        line = mount.line_of(target)
        if line and _fstab.same(line, wish.line):
            line = wish.line
    if live is None:
        return Mount(None, None, frozenset(), unit, line)
    assert isinstance(wish.options, frozenset)
    device, fstype = live.device, live.fstype
    if options.is_bind(words):
        same = mountinfo.bound(found, os.path.realpath(str(wish.device))) == (live.number, live.root)
        device, fstype = (str(wish.device), str(wish.fstype)) if same else (f"{live.device}[{live.root}]", fstype)
    elif _same_device(str(wish.device), device):
        device = str(wish.device)
    if (wish.fstype, fstype) == ("nfs", "nfs4") or wish.fstype == "auto" or fstype == f"fuse.{wish.fstype}":
        fstype = str(wish.fstype)
    return Mount(device, fstype, options.holding(wish.options, live, may), unit, line)


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
