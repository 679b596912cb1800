"""Single addresses of an interface, beside whatever else it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from modules._network import linkvalues
from modules._network import netvalues as values
from modules._network.netlink import View, look
from modules.bridge import elsewhere
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Unset
from saltern.converge.state import check, check_together, state
from states._network.addressing import address_steps, around
from states._network.check import asked, conflicts
from states._network.persistence import persisted


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Of the addresses in question, those that the interface has; those that others have, as "10.0.0.1/24 on eth0"."""

    addresses: frozenset[str]
    elsewhere: frozenset[str] | Unset = UNSET


@state
@persisted("address")
def present(
    ctx: Context,
    name: str,
    *,
    interface: str,
    addresses: Sequence[str] | Unset = UNSET,
    persist: str | bool | Unset = UNSET,
) -> Plan:
    """INTERFACE has the address NAME (or each of ADDRESSES), with its prefix length ("192.168.43.1/24",
    "2001:db8::1/64"). Its other addresses stay.

    An address that another interface has is moved, with the routes over it; one with another prefix length is changed.

    persist: as in `bridge.present`.
    """
    wanted = values.interface_addresses(name if isinstance(addresses, Unset) else addresses)
    view, link, unknown = _look(interface)
    index = view.find(link)
    wish = Addresses(addresses=wanted, elsewhere=frozenset())
    current = Addresses(
        addresses=having(view, link, _plain(wanted)),
        elsewhere=elsewhere(view, index.index if index else None, wanted),
    )
    plan = address_steps(link, current.addresses, wanted, around(view, link, wanted, None))
    return Plan(current, wish, plan, unknown=unknown)


@check(present)
def _check_arguments(name: str, *, interface: str, **more: Any) -> None:
    wanted = more.get("addresses", UNSET)
    asked(
        interface=lambda: values.interface_name(interface),
        addresses=lambda: values.interface_addresses(name if isinstance(wanted, Unset) else wanted),
    )


check_together(conflicts, present)


@state
@persisted("address")
def absent(ctx: Context, name: str, *, interface: str, addresses: Sequence[str] | Unset = UNSET) -> Plan:
    """INTERFACE does not have the address NAME (or any of ADDRESSES), whatever its prefix length, which need not be
    given. Its other addresses stay, and so do routes that don't need it."""
    given = [name] if isinstance(addresses, Unset) else [addresses] if isinstance(addresses, str) else addresses
    unwanted = frozenset(linkvalues.plain_address(address) for address in given)
    view, link, _ = _look(interface)
    none: frozenset[str] = frozenset()
    have = having(view, link, unwanted)
    return Plan(
        Addresses(addresses=have),
        Addresses(addresses=none),
        address_steps(link, have, none, around(view, link, none, None)),
    )


def having(view: View, name: str, plain: frozenset[str]) -> frozenset[str]:
    """Those addresses of the interface NAME, with their prefix lengths, that are among PLAIN ones without."""
    found = view.find(name)
    if found is None:
        return frozenset()
    mine = (entry.address for entry in view.addresses_of(found.index))
    return frozenset(address for address in mine if address.partition("/")[0] in plain)


def _plain(addresses: frozenset[str]) -> frozenset[str]:
    return frozenset(address.partition("/")[0] for address in addresses)


def _look(interface: str) -> tuple[View, str, str | None]:
    """What is there, the interface's real name, and why nothing can be said yet."""
    values.interface_name(interface)
    view = look(addresses=True)
    found = view.find(interface)
    return view, found.name if found else interface, None if found else view.missing(interface)
