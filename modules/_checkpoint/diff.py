"""The way back from the network as it is to a checkpoint, as values. Pure.

It is looked for in rounds: what is made in one round gets its options, ports, addresses and routes in the same or the
next, when it is there. So no round needs to know all that the kernel does by itself, and the last one, which finds
nothing to do, is the proof.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from modules._checkpoint.checkpoint import Kernel, SavedAddress, SavedLink, SavedRoute, Touched

# What a link of a kind can't be told once it is there: it has to be made anew.
_FIXED: dict[str, tuple[str, ...]] = {
    "vlan": ("vlan_id", "vlan_protocol"),
    "bond": ("bond_mode",),
    "vxlan": ("vxlan_id", "vxlan_group", "vxlan_group6", "vxlan_local", "vxlan_local6", "vxlan_port", "vxlan_learning"),
    "vrf": ("vrf_table",),
}
_STANDS_ON = frozenset({"vlan", "macvlan", "macvtap", "vxlan", "veth"})  # kinds whose parent is part of what they are
_FIRST: dict[str, tuple[str, ...]] = {
    "bridge": ("br_stp_state", "br_forward_delay"),
    "bond": ("bond_mode", "bond_miimon", "bond_fail_over_mac", "bond_ad_lacp_rate", "bond_ad_select"),
}
MAKEABLE = frozenset({*_STANDS_ON, "bridge", "bond", "dummy", "ifb", "vrf"})
_OTHERS = frozenset({"tun", "veth"})  # guests' and containers' ends, which come and go by themselves
_KERNEL, _RA = 2, 9  # RTPROT_KERNEL, RTPROT_RA
_OWN = frozenset({0, 3, 4, 16})  # RTPROT_UNSPEC, BOOT, STATIC, DHCP: somebody set it; others are of routing daemons
_TEMPORARY, _LINK_SCOPE, _V6 = 0x01, 253, 10


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do for the way back: VERB on the interface (or path) NAME with VALUES, WORDS for people."""

    verb: str
    name: str
    words: str
    values: dict[str, Any] = field(default_factory=dict)
    what: Any = None


def way_back(now: Kernel, then: Kernel, touched: Touched) -> list[Action]:
    """What is to be done, in order, so that NOW becomes THEN. What appeared meanwhile and was not made by the run that
    TOUCHED is left alone."""
    had = {link.name: link for link in then.links}
    have = {link.name: link for link in now.links}
    names = list(_renames(had, have))
    if names:
        return names
    shape = [*_removals(had, have, touched), *_makings(had, have, touched)]
    joints = [] if shape else list(_joints(had, have))
    looks = [] if shape or joints else list(_looks(had, have))
    there = {name: link for name, link in had.items() if name in have and not _is_another(link, have[name])}
    state = list(_states(there, have))
    addresses = list(_addresses(now, then, there))
    busy = bool(shape or joints or state or addresses)
    routes = list(_routes(now, then, there, kernels=not busy))
    settings = [] if busy else list(_settings(there, have))
    return [*shape, *joints, *looks, *state, *addresses, *routes, *settings]


def _renames(had: dict[str, SavedLink], have: dict[str, SavedLink]) -> Iterator[Action]:
    by_index = {link.index: link for link in have.values()}
    for name, link in had.items():
        other = by_index.get(link.index)
        if name not in have and other and other.name not in had and other.kind == link.kind:
            yield Action("rename", other.name, f"rename {other.name} to {name}", {"ifname": name})


def _is_another(then: SavedLink, now: SavedLink) -> bool:
    """Whether the link is another one under the same name, or would have to be."""
    if then.kind != now.kind:
        return True
    if then.kind in _STANDS_ON and (then.parent, then.parent_elsewhere) != (now.parent, now.parent_elsewhere):
        return True
    fixed = _FIXED.get(then.kind or "", ())
    return any(then.options.get(option) != now.options.get(option) for option in fixed)


def _removals(had: dict[str, SavedLink], have: dict[str, SavedLink], touched: Touched) -> Iterator[Action]:
    for link in sorted(have.values(), key=lambda link: -link.index):
        before = had.get(link.name)
        made = before is None and link.name in touched.made
        another = before is not None and before.kind in MAKEABLE and link.kind and _is_another(before, link)
        if made or another:
            yield Action("delete", link.name, f"delete the {link.kind or 'interface'} {link.name}")


def _makings(had: dict[str, SavedLink], have: dict[str, SavedLink], touched: Touched) -> Iterator[Action]:
    missing = {name: link for name, link in had.items() if name not in have}
    paired: set[str] = set()
    for link in sorted(missing.values(), key=lambda link: link.index):
        if link.name in paired or (link.kind in _OTHERS and link.name not in touched.named):
            continue
        options = link.options
        if link.kind in _FIRST:  # the rest one by one: a kernel may lack what an option is for
            options = {key: options[key] for key in _FIRST[link.kind] if key in options}
        values: dict[str, Any] = {"kind": link.kind, **options}
        if link.kind == "veth":
            if link.parent is None or link.parent in have:
                yield Action("lack", link.name, f"make the veth {link.name}: its other end is not to be had")
                continue
            paired.add(link.parent)
            values["peer"] = link.parent
        elif link.parent in missing:
            continue  # in the next round
        elif link.parent:
            values["parent"] = link.parent
        verb = "make" if link.kind in MAKEABLE else "lack"
        yield Action(verb, link.name, f"make the {link.kind or 'interface'} {link.name} again", values)


def _joints(had: dict[str, SavedLink], have: dict[str, SavedLink]) -> Iterator[Action]:
    """Ports and members where they were."""
    for name, link in had.items():
        now = have.get(name)
        if now is None or now.master == link.master or (link.master and link.master not in have):
            continue
        words = f"make {name} a port of {link.master} again" if link.master else f"take {name} out of {now.master}"
        kind = had[link.master].kind if link.master in had else None
        yield Action("join", name, words, {"master": link.master, "down": kind == "bond"})


def _looks(had: dict[str, SavedLink], have: dict[str, SavedLink]) -> Iterator[Action]:
    """Options, MAC, MTU, port options and VLANs of links that are where they were."""
    for name, link in had.items():
        now = have.get(name)
        if now is None or now.kind != link.kind:
            continue
        fixed = _FIXED.get(link.kind or "", ())
        for key, value in link.options.items():
            if now.options.get(key) != value and key not in fixed:
                yield Action("options", name, f"set {key} of {name} to {value}", {"kind": link.kind, key: value})
        if link.mtu != now.mtu:
            yield Action("link", name, f"set the MTU of {name} to {link.mtu}", {"mtu": link.mtu})
        if link.mac != now.mac and link.mac:
            yield Action("link", name, f"set the MAC address of {name} to {link.mac}", {"address": link.mac})
        if link.alias != now.alias:
            yield Action("link", name, f"set the alias of {name} to {link.alias!r}", {"ifalias": link.alias})
        if link.txqueuelen != now.txqueuelen:
            words = f"set the queue of {name} to {link.txqueuelen} packets"
            yield Action("link", name, words, {"txqlen": link.txqueuelen})
        port = {key: value for key, value in link.port.items() if now.port.get(key, value) != value}
        if port:
            yield Action("port", name, f"set {', '.join(port)} of the port {name}", dict(port))
        if link.vlans != now.vlans and (link.master == now.master):
            yield from _vlans(link, now)


def _vlans(link: SavedLink, now: SavedLink) -> Iterator[Action]:
    own = link.kind == "bridge"
    for vid, flags in sorted(set(now.vlans) - set(link.vlans)):
        if not any(vid == kept for kept, _ in link.vlans):
            yield Action(
                "vlan del",
                link.name,
                f"take VLAN {vid} from {link.name}",
                {"vid": vid, "flags": flags, "own": own},
            )
    for vid, flags in sorted(set(link.vlans) - set(now.vlans)):
        values = {"vid": vid, "flags": flags, "own": own}
        yield Action("vlan add", link.name, f"give VLAN {vid} to {link.name} again", values)


def _states(there: dict[str, SavedLink], have: dict[str, SavedLink]) -> Iterator[Action]:
    for name, link in there.items():
        if have[name].is_up != link.is_up:
            state = "up" if link.is_up else "down"
            yield Action("link", name, f"bring {name} {state}", {"state": state})


def _addresses(now: Kernel, then: Kernel, there: dict[str, SavedLink]) -> Iterator[Action]:
    has = {entry.key: entry for entry in now.addresses}
    had = {entry.key: entry for entry in then.addresses}
    for name in there:
        before = [entry for entry in then.addresses if entry.link == name and _lasting(entry)]
        after = [entry for entry in now.addresses if entry.link == name and _lasting(entry)]
        extra = [e for e in after if e.key not in had and not (e.family == _V6 and e.scope == _LINK_SCOPE)]
        stale = _out_of_order(before, after)
        for entry in [*extra, *stale]:
            yield Action("address del", name, f"take {entry.address} from {name}", what=entry)
        again = {entry.key for entry in stale}
        for entry in before:
            if entry.key not in has or entry.key in again:
                yield Action("address add", name, f"give {entry.address} to {name} again", what=entry)


def _lasting(entry: SavedAddress) -> bool:
    """Not one of those that the kernel makes and drops for privacy (RFC 8981)."""
    return not (entry.family == _V6 and entry.flags & _TEMPORARY)


def _out_of_order(before: list[SavedAddress], after: list[SavedAddress]) -> list[SavedAddress]:
    """Those of AFTER that must go and come again, so that the IPv4 addresses of BEFORE are in their order: the first of
    a network is the one that the node speaks by."""
    wanted = [entry.key for entry in before if entry.family != _V6]
    kept = [entry for entry in after if entry.family != _V6 and entry.key in set(wanted)]
    for place, entry in enumerate(kept):
        if wanted[place] != entry.key:
            return kept[place:]
    return []


def _routes(now: Kernel, then: Kernel, there: dict[str, SavedLink], *, kernels: bool) -> Iterator[Action]:
    """Routes that somebody set. With KERNELS also those that the kernel should have made with an address by now, which
    it does not where it was told not to (`noprefixroute`)."""
    had, has = set(map(_identity, then.routes)), set(map(_identity, now.routes))
    lost = [
        route
        for route in then.routes
        if _identity(route) not in has
        and all(hop.link is None or hop.link in there for hop in route.hops)
        and (route.protocol in _OWN or route.protocol == _RA or (route.protocol == _KERNEL and kernels))
    ]
    replaced = {_place(route) for route in lost if route.family != _V6}  # by the kernel, without a gap
    for route in now.routes:
        known = all(hop.link is None or hop.link in there for hop in route.hops)
        if route.protocol in _OWN and known and _identity(route) not in had and _place(route) not in replaced:
            yield Action("route del", "", f"take away the route {route.words}", what=route)
    for route in sorted(lost, key=lambda route: any(hop.gateway for hop in route.hops)):
        verb = "lack" if route.special else "route add"
        yield Action(verb, "", f"set the route {route.words} again", what=route)


def _place(route: SavedRoute) -> Any:
    """What the kernel has one IPv4 route for."""
    return route.family, route.destination, route.table, route.tos, route.metric


def _identity(route: SavedRoute) -> Any:
    return (
        route.family,
        route.destination,
        route.table,
        route.tos,
        route.metric,
        route.type,
        route.source,
        route.hops,
        tuple(sorted(route.metrics.items())),
        route.special,
    )


def _settings(there: dict[str, SavedLink], have: dict[str, SavedLink]) -> Iterator[Action]:
    for name, link in there.items():
        now = have[name].settings
        for path, value in link.settings.items():
            if now.get(path, value) != value:
                yield Action("setting", path, f"set {path} to {value}", {"value": value})
