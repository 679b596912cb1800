"""The steps from a mount point as it is to one as it should be. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modules import mount
from modules._mount import options, proof
from modules._mount import table as mountinfo
from modules._mount.fstab import Line
from modules.mount import Mount, Unit
from saltern.converge.plan import Step, call


@dataclass(frozen=True, slots=True)
class Way:
    """How TARGET is mounted: what mount(8) is given, whether its directory is there, whether a unit starts it, how the
    mount proves itself ("read", "write"; None: not at all), and whether it is an error that a new directory can't be
    guarded."""

    target: str
    device: str
    fstype: str
    opts: tuple[str, ...]
    has_point: bool
    by_unit: bool
    proof: str | None = None
    must_guard: bool = True


def steps(current: Mount, wish: Mount, way: Way) -> Iterator[Step]:
    """The steps from CURRENT to WISH: what is wrong goes, the directory is guarded, the unit or line is written, then
    it is mounted and proven."""
    target, known = way.target, current.device is not None
    rearmed = is_rearmed(current, wish)
    disarmed = current.armed is True and (wish.armed is False or rearmed)
    replaced = known and (is_other(current, wish) or rearmed or disarmed)  # what lies on an automount goes with it
    differs = known and not replaced and current.options != wish.options
    was = current.options if isinstance(current.options, frozenset) else frozenset()
    will = wish.options if isinstance(wish.options, frozenset) else frozenset()
    remount = differs and options.can_remount(was, will, way.fstype)
    if replaced or (differs and not remount):
        yield Step(f"unmount {current.device} from {target}", current.device, None, do=call(mount.umount, target))
    if disarmed:
        yield Step(f"stop automount of {target}", True, False, do=call(mount.disarm, target))
    if not way.has_point:
        yield Step(f"make directory {target}", None, target, do=call(mount.make_point, target))
    yield from _guard_steps(target, current, wish, must=way.has_point or way.must_guard)
    yield from _persist_steps(target, current, wish)
    if rearmed and wish.armed is True:
        yield Step(f"start automount of {target}", current.armed, True, do=call(mount.arm, target))
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
    else:
        return
    if way.proof is not None:
        how = "read and written" if way.proof == "write" else "read"
        do = call(proof.prove, target, way.device, way.proof == "write")
        yield Step(f"prove that {target} can be {how}", None, how, do=do)


def _guard_steps(target: str, current: Mount, wish: Mount, *, must: bool = True) -> Iterator[Step]:
    if isinstance(wish.guarded, bool) and current.guarded != wish.guarded:
        verb = "guard" if wish.guarded else "no longer guard"
        sentence = f"{verb} the directory under {target} against files"
        do = call(proof.guard, target, wish.guarded) if must else call(proof.guard_if_possible, target)
        yield Step(sentence, current.guarded, wish.guarded, do=do)


def _persist_steps(target: str, current: Mount, wish: Mount) -> Iterator[Step]:
    if isinstance(wish.unit, Unit):
        yield from _unit_steps(target, "mount", current.unit, wish.unit)
    elif isinstance(wish.line, Line) and current.line != wish.line:
        do = call(mount.write_line, target, wish.line)
        yield Step(f"write {target} into {mount.FSTAB}", current.line, wish.line, do=do)
    if isinstance(wish.automount, Unit):
        yield from _unit_steps(target, "automount", current.automount, wish.automount)
    elif wish.automount is None:
        yield from _unit_gone(target, "automount", current.automount)


def _unit_steps(target: str, kind: str, current: object, wish: Unit) -> Iterator[Step]:
    name, old = mountinfo.unit_name(target, kind), current if isinstance(current, Unit) else None
    more = () if kind == "mount" else (kind,)
    if old is None or old.text != wish.text:
        before = old.text if old else None
        yield Step(f"write unit {name}", before, wish.text, do=call(mount.write_unit, target, wish.text, *more))
    if wish.enabled and (old is None or not old.enabled):
        yield Step(f"enable unit {name}", False, True, do=call(mount.enable_unit, target, *more))
    if not wish.enabled and old is not None and old.enabled:
        yield Step(f"disable unit {name}", True, False, do=call(mount.disable_unit, target, *more))


def _unit_gone(target: str, kind: str, current: object) -> Iterator[Step]:
    if isinstance(current, Unit):
        name, more = mountinfo.unit_name(target, kind), () if kind == "mount" else (kind,)
        yield Step(f"remove unit {name}", name, None, do=call(mount.remove_unit, target, *more))


def gone_steps(target: str, current: Mount, wish: Mount) -> Iterator[Step]:
    """The steps after which nothing is mounted at TARGET, and where wished nothing at boot."""
    if current.device is not None:
        yield Step(f"unmount {target}", current.device, None, do=call(mount.umount, target))
    if current.armed is True:
        yield Step(f"stop automount of {target}", True, False, do=call(mount.disarm, target))
    for kind, unit, wanted in (
        ("automount", current.automount, wish.automount),
        ("mount", current.unit, wish.unit),
    ):
        if wanted is None:
            yield from _unit_gone(target, kind, unit)
    if isinstance(current.line, Line) and wish.line is None:
        do = call(mount.write_line, target, None)
        yield Step(f"remove {target} from {mount.FSTAB}", current.line, None, do=do)
    yield from _guard_steps(target, current, wish)


def is_other(current: Mount, wish: Mount) -> bool:
    """Whether something else is mounted than should be."""
    return (current.device, current.fstype) != (wish.device, wish.fstype)


def is_rearmed(current: Mount, wish: Mount) -> bool:
    """Whether the automount point has to be set up anew, which it can only be while nothing is mounted on it."""
    if wish.armed is not True:
        return False
    old, new = current.automount, wish.automount
    changed = isinstance(old, Unit) and isinstance(new, Unit) and old.text != new.text
    return current.armed is not True or old is None or changed


def _binds(words: Sequence[str]) -> tuple[str, ...]:
    """A bind mount has flags of its own, so it is remounted as one."""
    return ("bind",) if {"bind", "rbind"} & set(words) and "bind" not in words else ()
