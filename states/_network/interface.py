"""What the states of all kinds of interfaces share: the wish for MTU, addresses and gateway, and the steps to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from modules import link
from modules._network import netvalues as values
from modules._network.interface import Interface
from modules._network.netlink import NetworkError, View, look
from saltern.converge.plan import UNSET, Step, Unset, call
from states._network.addressing import Around, address_steps, around, gateway_steps


def common_wish(addresses: Sequence[str] | Unset, gateway: str | Unset, mtu: int | Unset) -> dict[str, Any]:
    """The fields of Interface, checked. BadValue where one is none."""
    wanted = UNSET if isinstance(addresses, Unset) else values.interface_addresses(addresses)
    in_networks = None if isinstance(wanted, Unset) else wanted
    return {
        "mtu": UNSET if isinstance(mtu, Unset) else values.mtu(mtu),
        "addresses": wanted,
        "addresses_elsewhere": UNSET if isinstance(addresses, Unset) else frozenset(),
        "gateway": UNSET if isinstance(gateway, Unset) else values.gateway_address(gateway, in_networks),
    }


class Seen:
    """One look at the node with what a wish needs of it; `judged` are the arguments of a module's `read`."""

    def __init__(self, wish: Interface) -> None:
        self.named = wish.addresses if isinstance(wish.addresses, frozenset) else frozenset()
        self.gateway = wish.gateway if isinstance(wish.gateway, str) else None
        self.view = look(addresses=not isinstance(wish.addresses, Unset), routes=self.gateway is not None)

    @property
    def judged(self) -> dict[str, Any]:
        """For `read(view, name, **judged)`."""
        return {"addresses": self.named, "gateway": self.gateway}

    def around(self, name: str) -> Around:
        """What else the node has that the steps must know."""
        return around(self.view, name, self.named, self.gateway)


def mtu_steps(name: str, have: int | Unset | None, want: int | Unset) -> Iterator[Step]:
    """To the MTU WANT of the interface NAME."""
    if not isinstance(want, Unset) and have != want:
        before = None if isinstance(have, Unset) else have
        yield Step(f"set MTU of {name} to {want}", before, want, do=call(link.set_mtu, name, want))


def common_steps(
    name: str, current: Interface | None, wish: Interface, around: Around, *, anew: bool = False
) -> Iterator[Step]:
    """To the MTU, addresses and gateway of WISH. Where the interface is made ANEW, its MTU may become another."""
    yield from mtu_steps(name, None if current is None or anew else current.mtu, wish.mtu)
    yield from address_steps(name, current.addresses if current else frozenset(), wish.addresses, around)
    yield from gateway_steps(name, current.gateway if current else None, wish.gateway, around.displaced)


def up_steps(name: str, is_up: bool | Unset) -> Iterator[Step]:
    """Bring the interface NAME up if it is down."""
    if is_up is False:
        yield Step(f"bring up {name}", "down", "up", do=call(link.up, name))


def check_free(view: View, name: str, what: str) -> None:
    """NetworkError where something lies on the interface NAME, which is to WHAT ("go", "be made anew")."""
    found = view.find(name)
    if found and (carried := view.carried(found.index)):
        names = ", ".join(sorted(link.name for link in carried))
        raise NetworkError(f"{name} can't {what} while {names} lies on it: take that away first")


def check_mtu(name: str, mtu: int | Unset, parent: str, most: int) -> str | None:
    """Why an MTU can't be set yet: a link can't have more than its parent, which an earlier state may raise."""
    if isinstance(mtu, Unset) or mtu <= most:
        return None
    return f"MTU {mtu} of {name} is more than the {most} of its parent {parent}: raise that first"
