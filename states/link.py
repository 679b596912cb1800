"""Interfaces that are there already: that they are up or down, with this MTU and MAC address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from modules import link
from modules._network import linkvalues
from modules._network import netvalues as values
from modules._network.netlink import look
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, state
from states._network.check import asked, given
from states._network.interface import mtu_steps, up_steps
from states._network.persistence import persisted


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an interface is set to, or should be."""

    up: bool | Unset = UNSET
    mtu: int | Unset = UNSET
    mac: str | Unset = UNSET
    alias: str | Unset = UNSET
    txqueuelen: int | Unset = UNSET


@state
@persisted("link")
def managed(
    ctx: Context,
    name: str,
    *,
    up: bool | Unset = UNSET,
    mtu: int | Unset = UNSET,
    mac: str | Unset = UNSET,
    alias: str | Unset = UNSET,
    txqueuelen: int | Unset = UNSET,
    persist: str | bool | Unset = UNSET,
) -> Plan:
    """The interface NAME, whatever made it, is set like this. What is not named is left as it is.

    up: whether it is up.
    mtu: the largest packet in bytes.
    mac: its MAC address; where its driver can't change that while it is up, it goes down for a moment.
    alias: a text about it, of up to 255 bytes; "" for none.
    txqueuelen: how many packets wait at most to be sent.
    persist: as in `bridge.present`.
    """
    wish = _wish(name, up, mtu, mac, alias, txqueuelen)
    view = look()
    found = view.find(name)
    if found is None:
        return Plan(None, wish, steps(name, Settings(), wish), unknown=view.missing(name))
    current = Settings(
        up=found.is_up,
        mtu=found.mtu,
        mac=found.hwaddr or UNSET,
        alias=found.alias or "",
        txqueuelen=found.txqueuelen,
    )
    return Plan(current, wish, steps(found.name, current, wish))


@check(managed)
def _check_arguments(name: str, **more: Any) -> None:
    asked(
        name=lambda: values.interface_name(name),
        mtu=given(more.get("mtu", UNSET), values.mtu),
        mac=given(more.get("mac", UNSET), linkvalues.mac_address),
    )
    words = ("up", "mtu", "mac", "alias", "txqueuelen")
    _wish(name, **{word: more.get(word, UNSET) for word in words})


def _wish(
    name: str,
    up: bool | Unset,
    mtu: int | Unset,
    mac: str | Unset,
    alias: str | Unset,
    txqueuelen: int | Unset,
) -> Settings:
    """What the interface NAME shall be set to. BadValue."""
    values.interface_name(name)
    wish = Settings(
        up=up,
        mtu=UNSET if isinstance(mtu, Unset) else values.mtu(mtu),
        mac=UNSET if isinstance(mac, Unset) else linkvalues.mac_address(mac),
        alias=UNSET if isinstance(alias, Unset) else linkvalues.alias(alias),
        txqueuelen=UNSET if isinstance(txqueuelen, Unset) else linkvalues.queue_length(txqueuelen),
    )
    if wish == Settings():
        raise values.BadValue(f"nothing is said of {name}: give up, mtu, mac, alias or txqueuelen")
    return wish


def steps(name: str, current: Settings, wish: Settings) -> Iterator[Step]:
    """The steps from CURRENT to WISH, in order: down first and up last, so that the rest is done while it is
    down. Pure."""
    if wish.up is False and current.up is not False:
        yield Step(f"take down {name}", "up", "down", do=call(link.down, name))
    if not isinstance(wish.mac, Unset) and current.mac != wish.mac:
        before = None if isinstance(current.mac, Unset) else current.mac
        yield Step(
            f"set the MAC address of {name} to {wish.mac}", before, wish.mac, do=call(link.set_mac, name, wish.mac)
        )
    yield from mtu_steps(name, current.mtu, wish.mtu)
    for word, have, want, do in (
        ("alias", current.alias, wish.alias, link.set_alias),
        ("queue length", current.txqueuelen, wish.txqueuelen, link.set_txqueuelen),
    ):
        if not isinstance(want, Unset) and have != want:
            was = None if isinstance(have, Unset) else have
            yield Step(f"set the {word} of {name} to {want!r}", was, want, do=call(do, name, want))
    if wish.up is True and current.up is not True:
        yield from up_steps(name, False)
