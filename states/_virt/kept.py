"""What the states of pools and networks have in common: libvirt keeps a definition, and may run by an older one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from modules._virt.kept import Kept
from saltern.converge.plan import UNSET, Step, Unset, call

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Wanted(Generic[D]):
    """A pool or network as it is, or as it should be. OUTDATED: it runs since before its definition was changed."""

    definition: D | Unset = UNSET
    running: bool | Unset = UNSET
    autostart: bool | Unset = UNSET
    outdated: bool | Unset = UNSET


class Kind(NamedTuple):
    """What it is called, and what acts on one: the first takes its XML, the others its name."""

    word: str
    define: Callable[..., bool]
    undefine: Callable[..., bool]
    start: Callable[..., bool]
    stop: Callable[..., bool]
    set_autostart: Callable[..., bool]


def restarts(current: Wanted[D] | None, wish: Wanted[D]) -> bool:
    """Whether it is stopped and started in order to run by its definition. Pure."""
    return current is not None and current.running is True and current.outdated is True and wish.outdated is False


def defining(
    kind: Kind, name: str, current: Wanted[D] | None, wish: Wanted[D], new: str, uri: str | None
) -> Iterator[Step]:
    """The step that gives NAME its definition, where that differs; NEW is its XML. Pure."""
    if current is None or current.definition != wish.definition:
        runs_on = current is not None and current.running is True and not restarts(current, wish)
        note = " (takes effect at its next start)" if runs_on else ""
        verb, before = ("redefine", current.definition) if current else ("define", None)
        do = call(kind.define, new, uri=uri)
        yield Step(f"{verb} {kind.word} {name}{note}", before, wish.definition, do=do)


def running(kind: Kind, name: str, current: Wanted[D] | None, wish: Wanted[D], uri: str | None) -> Iterator[Step]:
    """The steps after which NAME starts with the node, and runs, as wished. Pure."""
    if isinstance(wish.autostart, bool) and wish.autostart != (current.autostart if current else False):
        words = "start with the node" if wish.autostart else "not start with the node"
        do = call(kind.set_autostart, name, wish.autostart, uri=uri)
        yield Step(f"let {kind.word} {name} {words}", not wish.autostart, wish.autostart, do=do)
    again = restarts(current, wish)
    if again:
        yield _stop(kind, name, uri)
    if wish.running is True and (again or current is None or current.running is not True):
        yield Step(f"start {kind.word} {name}", "stopped", "running", do=call(kind.start, name, uri=uri))


def going(kind: Kind, name: str, found: Kept, uri: str | None) -> Iterator[Step]:
    """The steps that take NAME away. Pure."""
    if found.running is not None:
        yield _stop(kind, name, uri)
    if found.persistent:  # a transient one goes when it stops
        yield Step(f"undefine {kind.word} {name}", name, None, do=call(kind.undefine, name, uri=uri))


def _stop(kind: Kind, name: str, uri: str | None) -> Step:
    return Step(f"stop {kind.word} {name}", "running", "stopped", do=call(kind.stop, name, uri=uri))
