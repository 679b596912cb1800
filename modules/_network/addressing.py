"""Who has which address and leads where by default: pure answers from one look, for bridges and VLANs alike."""

from __future__ import annotations

from collections.abc import Collection

from modules._network.netlink import AF_INET, AF_INET6, DefaultRoute, View


def addresses(view: View, index: int, named: Collection[str] = ()) -> frozenset[str]:
    """The addresses that somebody set on the link: without those that the kernel makes itself, which are IPv6
    link-local ones and those from a router's advertisement, unless they are NAMED."""
    return frozenset(
        entry.address
        for entry in view.addresses_of(index)
        if entry.address in named or not (entry.is_link_local_6 or (entry.family == AF_INET6 and not entry.permanent))
    )


def holders(view: View, index: int | None, wanted: Collection[str]) -> tuple[tuple[str, str], ...]:
    """(address, link) for each of the WANTED addresses that another link than INDEX (None: not there yet) has; with
    the prefix length that it has there. Link-local ones and the loopback interface don't count, nor do links in a VRF,
    where an address may be there twice by right."""
    plain = {address.partition("/")[0] for address in wanted}
    found = []
    for entry in [entry for address in plain for entry in view.having(address)]:
        if entry.index == index or entry.is_link_local_6:
            continue
        link = view.at(entry.index)
        master = view.at(link.master) if link else None
        if link and link.name != "lo" and not (master and master.kind == "vrf"):
            found.append((entry.address, link.name))
    return tuple(sorted(found))


def family_of(address: str) -> int:
    """AF_INET or AF_INET6."""
    return AF_INET6 if ":" in address else AF_INET


def gateway(view: View, index: int, wanted: str) -> str | None:
    """The gateway of the default route through the link, of WANTED's family: WANTED itself where any such route has
    it, else the one with the best metric; None where there is no such route."""
    routes = [
        route
        for route in view.default_routes
        if route.index == index and route.family == family_of(wanted) and route.gateway
    ]
    if any(route.gateway == wanted for route in routes):
        return wanted
    return min(routes, key=lambda route: route.metric).gateway if routes else None


def metric(view: View, index: int | None, wanted: str) -> int:
    """The metric that a default route to WANTED through the link keeps or gets: that of the one already there, else
    the kernel's own (0; for IPv6 1024)."""
    family = family_of(wanted)
    there = [r.metric for r in view.default_routes if r.index == index and index is not None and r.family == family]
    return min(there) if there else (1024 if family == AF_INET6 else 0)


def displaced(view: View, index: int | None, wanted: str) -> DefaultRoute | None:
    """The default route of another link that one through this link takes the place of: the kernel keeps one for each
    metric."""
    if index is not None and gateway(view, index, wanted):
        return None
    mine = metric(view, index, wanted)
    return next(
        (
            route
            for route in view.default_routes
            if route.family == family_of(wanted) and route.metric == mine and route.index != index
        ),
        None,
    )
