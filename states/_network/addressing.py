"""The steps that give an interface its addresses and its default route, for bridges and VLANs alike. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from modules import link
from modules._network import addressing
from modules._network.netlink import View
from saltern.converge.plan import Step, Unset, call


@dataclass(frozen=True, slots=True)
class Around:
    """What else the node has that the steps must know: `holders`, (address, link) where another link has a wished
    address; `displaced`, the default route that a new one takes the place of, in words."""

    holders: tuple[tuple[str, str], ...] = ()
    displaced: str | None = None


def around(view: View, name: str, addresses: frozenset[str], gateway: str | None) -> Around:
    """What VIEW has around the interface NAME (which need not be there yet) that is wished to have ADDRESSES and
    GATEWAY."""
    found = view.find(name)
    index = found.index if found else None
    route = addressing.displaced(view, index, gateway) if gateway else None
    via = f"via {route.gateway} " if route and route.gateway else ""
    return Around(
        addressing.holders(view, index, addresses),
        f"{via}dev {view.name_at(route.index)}" if route else None,
    )


def address_steps(
    name: str, have: frozenset[str] | Unset, want: frozenset[str] | Unset, around: Around
) -> Iterator[Step]:
    """From the addresses HAVE to WANT on the interface NAME: first what is new, then what goes, so that it is never
    without one."""
    if isinstance(want, Unset):
        return
    have = frozenset() if isinstance(have, Unset) else have
    new = sorted(want - have)
    for address, holder in around.holders:
        target = next(wanted for wanted in sorted(want) if wanted.partition("/")[0] == address.partition("/")[0])
        if target in new:
            new.remove(target)
        do = call(link.move_address, name, address, holder, *([target] if target != address else []))
        yield Step(f"move address {address} from {holder} to {name}", f"{address} on {holder}", target, do=do)
    for address in new:
        yield Step(f"add address {address} to {name}", None, address, do=call(link.add_address, name, address))
    for address in sorted(have - want):
        do = call(link.remove_address, name, address)
        yield Step(f"remove address {address} from {name}", address, None, do=do)


def gateway_steps(
    name: str, have: str | Unset | None, want: str | Unset | None, displaced: str | None
) -> Iterator[Step]:
    """To the default route over the gateway WANT through the interface NAME."""
    if not isinstance(want, str) or have == want:
        return
    before = have if isinstance(have, str) else displaced
    sentence = f"lead the default route via {want} dev {name}" + (f" instead of {_words(before)}" if before else "")
    yield Step(sentence, before, want, do=call(link.set_default_route, name, want))


def _words(before: str) -> str:
    return before if " " in before else f"via {before}"
