"""Interfaces that are there already: that they are up or down, with this MTU and MAC address."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modules import _linkvalues, link
from modules import _netvalues as values
from modules._netlink import look
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import state
from states._interface import mtu_steps, up_steps
from states._persistence import persisted


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an interface is set to, or should be."""

    up: bool | Unset = UNSET
    mtu: int | Unset = UNSET
    mac: str | Unset = UNSET


@state
@persisted("link")
def managed(
    ctx: Context,
    name: str,
    *,
    up: bool | Unset = UNSET,
    mtu: int | Unset = UNSET,
    mac: str | Unset = UNSET,
    persist: str | bool | Unset = UNSET,
) -> Plan:
    """The interface NAME, whatever made it, is set like this. What is not named is left as it is.

    up: whether it is up.
    mtu: the largest packet in bytes.
    mac: its MAC address; where its driver can't change that while it is up, it goes down for a moment.
    persist: as in `bridge.present`.
    """
    values.interface_name(name)
    wish = Settings(
        up=up,
        mtu=UNSET if isinstance(mtu, Unset) else values.mtu(mtu),
        mac=UNSET if isinstance(mac, Unset) else _linkvalues.mac_address(mac),
    )
    if wish == Settings():
        raise values.BadValue(f"nothing is said of {name}: give up, mtu or mac")
    view = look()
    found = view.find(name)
    if found is None:
        return Plan(None, wish, steps(name, Settings(), wish), unknown=view.missing(name))
    current = Settings(up=found.is_up, mtu=found.mtu, mac=found.hwaddr or UNSET)
    return Plan(current, wish, steps(found.name, current, wish))


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
    if wish.up is True and current.up is not True:
        yield from up_steps(name, False)
