"""Routes: that a destination is reached this way, in this table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from modules import route
from modules._network import linkvalues
from modules._network import netvalues as values
from modules.route import MAIN, Hop, Route
from saltern.context import Context
from saltern.converge.compare import same
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from saltern.converge.state import check, state
from states._network.persistence import persisted


@dataclass(frozen=True, slots=True)
class Key:
    """What the kernel knows a route by."""

    destination: str
    metric: int
    table: int = MAIN

    @property
    def words(self) -> str:
        """In words, for sentences."""
        host, _, length = self.destination.partition("/")
        whole = "128" if ":" in host else "32"
        name = "default" if length == "0" else host if length == whole else self.destination
        name = f"{name} (IPv6)" if self.destination == "::/0" else name
        more = [f"metric {self.metric}"] if self.metric != route.default_metric(self.destination) else []
        more += [f"table {self.table}"] if self.table != MAIN else []
        return f"{name} ({', '.join(more)})" if more else name


@dataclass(frozen=True, slots=True)
class Routes:
    """The routes in question, in words."""

    routes: frozenset[str]


@state
@persisted("route")
def present(
    ctx: Context,
    name: str,
    *,
    destination: str | Unset = UNSET,
    gateway: str | Unset = UNSET,
    interface: str | Unset = UNSET,
    metric: int | Unset = UNSET,
    table: int | str = "main",
    type: str = "unicast",
    source: str | Unset = UNSET,
    onlink: bool | Unset = UNSET,
    persist: str | bool | Unset = UNSET,
) -> Plan:
    """DESTINATION (or NAME: "10.5.0.0/16", an address, "default") is reached over GATEWAY, through INTERFACE; at least
    one of them is needed. Routes to it with another metric or in another table stay.

    destination: "default" is IPv6's where the gateway is; without a gateway give "::/0" for that.
    gateway: without one, the destination is on the interface's own network.
    interface: without one, it is whichever has the gateway in its network.
    metric: the least one is taken first. Unnamed, it is the kernel's own: 0, for IPv6 1024.
    table: the number of the routing table, or its name in rt_tables.
    type: "unicast", or, without gateway and interface, "blackhole", "unreachable", "prohibit", "throw": it ends here.
    source: the node's own address that it sends from there.
    onlink: whether the gateway is reached through the interface though none of its networks has it.
    persist: as in `bridge.present`.
    """
    key, wish = _wish(name, destination, gateway, interface, metric, table, type, source, onlink)
    view, there = route.look(key.table)
    unknown = None
    if isinstance(wish.interface, str):
        found = view.find(wish.interface)
        unknown = None if found else view.missing(wish.interface)
        wish = replace(wish, interface=found.name if found else wish.interface)
    current = route.read(there, key.destination, key.metric, wish)
    return Plan(current, wish, steps(key, current, wish), unknown=unknown)


@check(present)
def _check_arguments(name: str, *, table: int | str = "main", **more: Any) -> None:
    known = ("destination", "gateway", "interface", "metric", "source", "onlink")
    given = {word: more.get(word, UNSET) for word in known}
    number = table if isinstance(table, int) or table.isdecimal() else "main"  # names are the node's
    _wish(name, table=number, type=more.get("type", "unicast"), **given)


@state
@persisted("route")
def absent(
    ctx: Context,
    name: str,
    *,
    destination: str | Unset = UNSET,
    gateway: str | Unset = UNSET,
    interface: str | Unset = UNSET,
    metric: int | Unset = UNSET,
    table: int | str = "main",
) -> Plan:
    """There is no route to DESTINATION (or NAME) in TABLE; where GATEWAY, INTERFACE or METRIC are named, none that has
    them."""
    key, via = _key(name, destination, gateway, metric, table)
    given = None if isinstance(interface, Unset) else values.interface_name(interface)
    view, there = route.look(key.table)
    link = view.find(given) if given else None
    device = link.name if link else given
    found = [
        hops
        for hops in there
        if hops[0].destination == key.destination
        and (isinstance(metric, Unset) or hops[0].metric == key.metric)
        and (via is None or any(hop.gateway == via for hop in hops))
        and (device is None or any(hop.interface == device for hop in hops))
    ]
    none: frozenset[str] = frozenset()
    current = Routes(frozenset(f"{Key(key.destination, hops[0].metric).words} {route.way(hops)}" for hops in found))
    return Plan(current, Routes(none), absent_steps(key.table, found))


def steps(key: Key, current: Route | None, wish: Route) -> Iterator[Step]:
    """The step from CURRENT (None: no such route) to WISH. Pure."""
    if current is not None and same(current, wish):
        return
    way, before = _way(wish), _way(current) if current else None
    sentence = f"lead {key.words} {way}" + (f" instead of {before}" if before else "")
    ends = wish.gateway in route.NOWHERE
    arguments = {
        "gateway": None if ends else wish.gateway,
        "kind": wish.gateway if ends else None,
        "source": None if isinstance(wish.source, Unset) else wish.source,
        "onlink": wish.onlink or None,
        "interface": None if isinstance(wish.interface, Unset) else wish.interface,
        "metric": key.metric if key.metric != route.default_metric(key.destination) else None,
        "table": key.table if key.table != MAIN else None,
    }
    given = {option: value for option, value in arguments.items() if value is not None}
    yield Step(sentence, before, way, do=call(route.replace, key.destination, **given))


def absent_steps(table: int, routes: Sequence[Sequence[Hop]]) -> Iterator[Step]:
    """The steps to none of these ROUTES, each given as its next hops. Pure."""
    for hops in routes:
        key, way = Key(hops[0].destination, hops[0].metric, table), route.way(hops)
        more = {"table": table} if table != MAIN else {}
        do = call(route.delete, key.destination, way, key.metric, **more)
        yield Step(f"delete the route to {key.words} {way}", way, None, do=do)


def _way(value: Route) -> str:
    if value.gateway in route.NOWHERE:
        return str(value.gateway)
    via = [f"via {value.gateway}"] if value.gateway else []
    via += [f"dev {value.interface}"] if isinstance(value.interface, str) else []
    via += [f"src {value.source}"] if isinstance(value.source, str) else []
    way = " ".join([*via, *(["onlink"] if value.onlink else [])])
    return " and ".join([way, *sorted(value.others)])


def _wish(
    name: str,
    destination: str | Unset,
    gateway: str | Unset,
    interface: str | Unset,
    metric: int | Unset,
    table: int | str,
    type: str,
    source: str | Unset,
    onlink: bool | Unset,
) -> tuple[Key, Route]:
    """What the route is known by and where it shall lead. BadValue."""
    key, via = _key(name, destination, gateway, metric, table)
    kind = linkvalues.one_of(type, "a type of a route", ("unicast", *route.NOWHERE))
    if kind != "unicast":
        if via is not None or not all(isinstance(given, Unset) for given in (interface, source)) or onlink is True:
            raise values.BadValue(f"the route to {key.words} ends here ({kind}): give no gateway, interface or source")
        return key, Route(gateway=kind)
    if isinstance(interface, Unset) and via is None:
        raise values.BadValue(f"the route to {key.words} leads nowhere: give a gateway, an interface, or both")
    if via and (":" in via) != (":" in key.destination):
        raise values.BadValue(f"the gateway {via} and the destination {key.destination} must be of one family")
    if onlink is True and (via is None or isinstance(interface, Unset)):
        raise values.BadValue(f"the route to {key.words} can't be onlink: that needs a gateway and an interface")
    near = UNSET if isinstance(source, Unset) else linkvalues.host(source, "source")
    if isinstance(near, str) and (":" in near) != (":" in key.destination):
        raise values.BadValue(f"the source {near} and the destination {key.destination} must be of one family")
    where = UNSET if isinstance(interface, Unset) else values.interface_name(interface)
    return key, Route(gateway=via, interface=where, source=near, onlink=onlink)


def _key(
    name: str, destination: str | Unset, gateway: str | Unset, metric: int | Unset, table: int | str
) -> tuple[Key, str | None]:
    """What the route is known by, and its gateway, both checked."""
    via = None if isinstance(gateway, Unset) else values.gateway_address(gateway, None)
    to = linkvalues.destination(name if isinstance(destination, Unset) else destination, via)
    priority = route.default_metric(to) if isinstance(metric, Unset) else route.metric(metric, to)
    return Key(to, priority, route.table_number(table)), via
