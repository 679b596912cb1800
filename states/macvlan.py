"""Macvlans: that each exists on its parent, is up, and has these addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from modules import macvlan
from modules._network import linkvalues
from modules._network import netvalues as values
from modules._network.netlink import NetworkError, View, look
from modules.macvlan import PASSTHRU, Macvlan
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, check_together, state
from states._network.addressing import Around
from states._network.check import asked, common, conflicts, parent_of
from states._network.interface import Seen, check_free, check_mtu, common_steps, common_wish, up_steps
from states._network.persistence import persisted


@state
@persisted("macvlan")
def present(
    ctx: Context,
    name: str,
    *,
    parent: str,
    mode: str = "bridge",
    addresses: Sequence[str] | Unset = UNSET,
    gateway: str | Unset = UNSET,
    mtu: int | Unset = UNSET,
    persist: str | bool | Unset = UNSET,
) -> Plan:
    """The macvlan NAME, an interface with its own MAC address, exists on the interface PARENT; both are up. What is
    not named is left as it is.

    mode: how it reaches the parent's other macvlans: "bridge" (directly), "private" (not at all), "vepa" (by the switch
        outside), "passthru" (it is the only one and takes the whole parent).
    addresses, gateway, mtu, persist: as in `bridge.present`. The MTU can't be more than the parent's.
    With another parent, and between passthru and other modes, it is made anew; its MAC address, addresses and routes
    are kept.
    """
    values.interface_name(name, "macvlan")
    parent_of(name, parent)
    wish = Macvlan(parent=parent, mode=linkvalues.macvlan_mode(mode), **common_wish(addresses, gateway, mtu))
    seen = Seen(wish)
    current = macvlan.read(seen.view, name, **seen.judged)
    wish, unknown = _checked(seen.view, name, current, wish)
    below = seen.view.find(wish.parent)
    plan = steps(name, current, wish, below is None or below.is_up, seen.around(name))
    return Plan(current, wish, plan, unknown=unknown)


@check(present)
def _check_arguments(name: str, *, parent: str, mode: str = "bridge", **more: Any) -> None:
    asked(
        name=lambda: values.interface_name(name, "macvlan"),
        parent=lambda: parent_of(name, parent),
        mode=lambda: linkvalues.macvlan_mode(mode),
        **common(more),
    )


check_together(conflicts, present)


@state
@persisted("macvlan")
def absent(ctx: Context, name: str) -> Plan:
    """There is no macvlan NAME."""
    values.interface_name(name, "macvlan")
    view = look()
    current = macvlan.read(view, name)
    if current is None:
        return Plan(None, None)
    check_free(view, name, "go")
    step = Step(f"delete macvlan {name}", f"on {current.parent}", None, do=call(macvlan.delete, name))
    return Plan(current, None, [step])


def steps(
    name: str, current: Macvlan | None, wish: Macvlan, parent_is_up: bool = True, around: Around = Around()
) -> Iterator[Step]:
    """The steps from CURRENT (None: no such interface) to WISH, in order. Pure. PARENT_IS_UP: the wished parent."""
    yield from up_steps(wish.parent, parent_is_up)
    anew = current is not None and needs_anew(current, wish)
    words = _words(wish)
    arguments = (name, wish.parent, wish.mode)
    if current is None:
        yield Step(f"add {name}: {words}", None, words, do=call(macvlan.add, *arguments))
    elif anew:
        sentence = f"make {name} anew: {_words(current)} → {words}"
        yield Step(sentence, _words(current), words, do=call(macvlan.replace, *arguments))
    else:
        if current.mode != wish.mode:
            sentence = f"set the mode of {name} to {wish.mode}"
            yield Step(sentence, current.mode, wish.mode, do=call(macvlan.set_mode, name, wish.mode))
        yield from up_steps(name, current.up)
    yield from common_steps(name, current, wish, around, anew=anew)


def needs_anew(current: Macvlan, wish: Macvlan) -> bool:
    """Whether the kernel can't change CURRENT to WISH."""
    return current.parent != wish.parent or (current.mode != wish.mode and PASSTHRU in (current.mode, wish.mode))


def _words(value: Macvlan) -> str:
    return f"macvlan on {value.parent} ({value.mode})"


def _checked(view: View, name: str, current: Macvlan | None, wish: Macvlan) -> tuple[Macvlan, str | None]:
    """The wish with its parent by its real name, and why nothing can be said yet. NetworkError where the kernel would
    refuse it whatever comes before."""
    parent = view.find(wish.parent)
    if parent is None:
        return wish, view.missing(wish.parent)
    wish = wish if parent.name == wish.parent else replace(wish, parent=parent.name)
    if parent.is_loopback:
        raise NetworkError(f"{parent.name} carries no macvlans: give an interface with a MAC address")
    if parent.kind == "macvlan":
        real = view.name_at(parent.parent)
        raise NetworkError(f"{name} can't lie on {parent.name}: that is a macvlan itself, so give its parent {real}")
    master = view.at(parent.master)
    if master and master.kind in ("bridge", "bond"):
        owner = f"the {master.kind} {master.name}"
        raise NetworkError(f"{name} can't lie on {parent.name}: that belongs to {owner}, so give {master.name}")
    if current is not None and needs_anew(current, wish):
        check_free(view, name, "be made anew")
    return wish, check_mtu(name, wish.mtu, parent.name, parent.mtu)
