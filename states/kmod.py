"""Kernel modules: loaded now and, where wished, at each boot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from modules import kmod
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import state


@dataclass(frozen=True, slots=True, kw_only=True)
class Modules:
    """Of the modules in question, those in the kernel and those that /etc/modules names."""

    loaded: frozenset[str]
    at_boot: frozenset[str] | Unset = UNSET


@state
def present(ctx: Context, name: str, *, persist: bool = False, mods: Sequence[str] | Unset = UNSET) -> Plan:
    """The kernel module NAME (or each of MODS) is loaded; one that is built in is. With PERSIST, /etc/modules has it
    loaded at each boot."""
    wanted = _wanted(name, mods)
    wish = Modules(loaded=wanted, at_boot=wanted if persist else UNSET)
    current = _read(wanted, persist)
    gone = [kmod.missing(mod) for mod in sorted(wanted - current.loaded) if not kmod.is_available(mod)]
    return Plan(current, wish, steps(current, wish), unknown=" ".join(gone) or None)


@state
def absent(ctx: Context, name: str, *, persist: bool = False, mods: Sequence[str] | Unset = UNSET) -> Plan:
    """The kernel module NAME (or each of MODS) is not loaded. With PERSIST, /etc/modules does not name it."""
    unwanted = _wanted(name, mods)
    for mod in sorted(unwanted & kmod.builtin()):
        raise kmod.ModuleError(f"the module {mod} is built into this kernel, so it can't be unloaded")
    none: frozenset[str] = frozenset()
    wish = Modules(loaded=none, at_boot=none if persist else UNSET)
    current = _read(unwanted, persist)
    return Plan(current, wish, steps(current, wish))


def steps(current: Modules, wish: Modules) -> Iterator[Step]:
    """The steps from CURRENT to WISH. Pure."""
    for mod in sorted(wish.loaded - current.loaded):
        yield Step(f"load module {mod}", None, mod, do=call(kmod.load, mod))
    for mod in sorted(current.loaded - wish.loaded):
        yield Step(f"unload module {mod}", mod, None, do=call(kmod.remove, mod))
    if isinstance(wish.at_boot, Unset) or isinstance(current.at_boot, Unset):
        return
    for mod in sorted(wish.at_boot - current.at_boot):
        yield Step(f"add {mod} to {kmod.MODULES_FILE}", None, mod, do=call(kmod.set_at_boot, mod))
    for mod in sorted(current.at_boot - wish.at_boot):
        yield Step(f"remove {mod} from {kmod.MODULES_FILE}", mod, None, do=call(kmod.unset_at_boot, mod))


def _wanted(name: str, mods: Sequence[str] | Unset) -> frozenset[str]:
    if isinstance(mods, Unset):
        return frozenset({kmod.plain(name)})
    return frozenset(kmod.plain(mod) for mod in ([mods] if isinstance(mods, str) else mods))


def _read(mods: frozenset[str], persist: bool) -> Modules:
    return Modules(
        loaded=frozenset(mod for mod in mods if kmod.is_loaded(mod)),
        at_boot=mods & frozenset(kmod.at_boot()) if persist else UNSET,
    )
