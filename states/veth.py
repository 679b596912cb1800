"""Pairs of virtual Ethernet interfaces: that each exists, both ends up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from modules import veth
from modules._network import netvalues as values
from modules._network.interface import ELSEWHERE
from modules._network.netlink import NetworkError, View, look
from modules.veth import Veth
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, check_together, state
from states._network.addressing import Around
from states._network.check import asked, common, conflicts
from states._network.interface import Seen, check_free, common_steps, common_wish, mtu_steps, up_steps
from states._network.persistence import persisted


@state
@persisted("veth")
def present(
    ctx: Context,
    name: str,
    *,
    peer: str,
    addresses: Sequence[str] | Unset = UNSET,
    gateway: str | Unset = UNSET,
    mtu: int | Unset = UNSET,
    persist: str | bool | Unset = UNSET,
) -> Plan:
    """The virtual Ethernet interface NAME exists and its other end is PEER; both are up. What is not named is left as
    it is.

    peer: the name of the other end. One that was moved into another network namespace (into a container) is left
        there.
    addresses, gateway: of NAME, as in `bridge.present`; so is persist.
    mtu: of both ends, in bytes.
    """
    values.interface_name(name, "veth")
    _peer(name, peer)
    common = common_wish(addresses, gateway, mtu)
    wish = Veth(peer=peer, peer_mtu=common["mtu"], **common)
    seen = Seen(wish)
    current = veth.read(seen.view, name, **seen.judged)
    comment = None
    if current and current.peer == ELSEWHERE:
        wish = replace(wish, peer=ELSEWHERE, peer_up=UNSET, peer_mtu=UNSET)
        comment = f"As wished; the other end of {name} is in another network namespace and is left there"
    else:
        _check_peer(seen.view, name, current, peer)
    return Plan(current, wish, steps(name, current, wish, seen.around(name)), comment=comment)


@check(present)
def _check_arguments(name: str, *, peer: str, **more: Any) -> None:
    asked(name=lambda: values.interface_name(name, "veth"), peer=lambda: _peer(name, peer), **common(more))


check_together(conflicts, present)


@state
@persisted("veth")
def absent(ctx: Context, name: str) -> Plan:
    """There is no virtual Ethernet interface NAME; its other end goes with it."""
    values.interface_name(name, "veth")
    view = look()
    current = veth.read(view, name)
    if current is None:
        return Plan(None, None)
    check_free(view, name, "go")
    if current.peer != ELSEWHERE:
        check_free(view, current.peer, "go")
    step = Step(f"delete {name} and its peer {current.peer}", current.peer, None, do=call(veth.delete, name))
    return Plan(current, None, [step])


def steps(name: str, current: Veth | None, wish: Veth, around: Around = Around()) -> Iterator[Step]:
    """The steps from CURRENT (None: no such interface) to WISH, in order. Pure."""
    if current is None:
        yield Step(f"add {name} with the peer {wish.peer}", None, wish.peer, do=call(veth.add, name, wish.peer))
    else:
        if current.peer != wish.peer:
            sentence = f"rename {current.peer}, the peer of {name}, to {wish.peer}"
            yield Step(sentence, current.peer, wish.peer, do=call(veth.rename_peer, name, wish.peer))
        yield from up_steps(name, current.up)
        yield from up_steps(wish.peer, current.peer_up)
    yield from mtu_steps(wish.peer, current.peer_mtu if current else None, wish.peer_mtu)
    yield from common_steps(name, current, wish, around)


def _peer(name: str, peer: str) -> None:
    if values.interface_name(peer, "peer") == name:
        raise values.BadValue(f"{name} can't be its own peer")


def _check_peer(view: View, name: str, current: Veth | None, peer: str) -> None:
    """The name PEER must be free, unless it is the other end already."""
    there = view.find(peer)
    if there and not (current and there.name == peer == current.peer):
        raise NetworkError(f"{peer} can't be the peer of {name}: there is another interface of that name already")
