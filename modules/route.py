"""Routes of any table, by rtnetlink(7). A route is known by its destination, table and metric; the kernel has one for
each, which may lead over several next hops."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from modules._network import linkvalues
from modules._network.addressing import family_of
from modules._network.netlink import AF_INET, AF_INET6, NetworkError, View, look_with, routes_with, session
from modules._network.netvalues import BadValue, gateway_address, whole_number
from modules.link import delete_route, found
from saltern.converge.plan import UNSET, Unset
from saltern.errors import nearest
from saltern.marks import acting, reading

MAIN = 254  # RT_TABLE_MAIN
_LOCAL = 255  # RT_TABLE_LOCAL
_TABLES = {"main": MAIN, "default": 253, "local": _LOCAL}
_TABLE_FILES = ("/usr/share/iproute2/rt_tables", "/usr/lib/iproute2/rt_tables", "/etc/iproute2/rt_tables")
_TABLE_FOLDER = "/etc/iproute2/rt_tables.d"
_EVERYWHERE = {AF_INET: "0.0.0.0", AF_INET6: "::"}  # noqa: S104 - a destination
_KINDS = {1: "unicast", 6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw"}  # RTN_*
NOWHERE = tuple(_KINDS.values())[1:]
_METRIC_6 = 1024  # IP6_RT_PRIO_USER: what the kernel makes of none
_ONLINK = 4  # RTNH_F_ONLINK
_LINK, _GLOBAL = 253, 0  # RT_SCOPE_LINK, RT_SCOPE_UNIVERSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a route leads, or should lead. `gateway` None: straight to the destination; one of NOWHERE: it ends
    here. `source`: the address that the node sends from; `onlink`: the gateway is taken for reachable though no network
    of the interface has it. `others`: in words, its further next hops."""

    gateway: str | None
    interface: str | Unset | None = UNSET
    source: str | Unset | None = UNSET
    onlink: bool | Unset = UNSET
    others: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One next hop of a route (RTM_NEWROUTE). `kind` is "unicast", or "blackhole" and the like."""

    destination: str
    gateway: str | None
    interface: str | None
    metric: int
    kind: str = "unicast"
    source: str | None = None
    onlink: bool = False

    @property
    def words(self) -> str:
        """As ip-route(8) has it."""
        if self.kind != "unicast":
            return self.kind
        via = [f"via {self.gateway}"] if self.gateway else []
        return " ".join([*via, *([f"dev {self.interface}"] if self.interface else [])])


def default_metric(destination: str) -> int:
    """What the kernel takes for a route to DESTINATION whose metric is not given."""
    return _METRIC_6 if family_of(destination) == AF_INET6 else 0


def metric(value: object, destination: str) -> int:
    """A metric, checked: the less, the sooner the route is taken."""
    return whole_number(value, "metric", 0, 0xFFFFFFFF) or default_metric(destination)


def parse_tables(text: str) -> dict[str, int]:
    """The names of tables in /etc/iproute2/rt_tables: "NUMBER NAME" a line, `#` begins comments."""
    found = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) == 2 and words[0].isdecimal():
            found[words[1]] = int(words[0])
    return found


def tables() -> dict[str, int]:
    """All names of tables on this node."""
    paths = list(_TABLE_FILES)
    if os.path.isdir(_TABLE_FOLDER):
        paths += [f"{_TABLE_FOLDER}/{name}" for name in sorted(os.listdir(_TABLE_FOLDER)) if name.endswith(".conf")]
    known = dict(_TABLES)
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                known |= parse_tables(file.read())
        except OSError:
            continue
    return known


def table_number(value: object) -> int:
    """The number of a table: itself (1 to 4294967295) or of its name."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    if isinstance(number, str):
        known = tables()
        if number not in known:
            raise BadValue(f"there is no table {value!r}.{nearest(number, known)} Give its number, 1 to 4294967295")
        number = known[number]
    if number == _LOCAL:
        raise BadValue("the table local (255) is the kernel's own")
    return whole_number(number, "table", 1, 0xFFFFFFFF)


def look(table: int) -> tuple[View, tuple[tuple[Hop, ...], ...]]:
    """The links, and the next hops of each route of TABLE in the kernel's order."""
    with session() as socket:
        view = look_with(socket)
        found = (tuple(hops(view, message)) for message in _messages(socket, table))
        return view, tuple(route for route in found if route)


def way(route: Sequence[Hop]) -> str:
    """In words, where a route leads that has these next hops."""
    return " and ".join(hop.words for hop in route)


def hops(view: View, message: Any) -> Iterator[Hop]:
    """The next hops of a RTM_NEWROUTE message of pyroute2; none of one that is not of IP or not to be managed."""
    kind, family = _KINDS.get(message["type"]), message["family"]
    if kind is None or family not in _EVERYWHERE:
        return
    host = message.get_attr("RTA_DST") or _EVERYWHERE[family]
    for hop in message.get_attr("RTA_MULTIPATH") or [message]:
        via = hop.get_attr("RTA_VIA")
        link = view.at(message.get_attr("RTA_OIF") or hop.get("oif"))
        yield Hop(
            destination=f"{host}/{message['dst_len']}",
            gateway=hop.get_attr("RTA_GATEWAY") or (via and via["addr"]) or None,
            interface=link.name if link else None,
            metric=message.get_attr("RTA_PRIORITY") or 0,
            kind=kind,
            source=message.get_attr("RTA_PREFSRC"),
            onlink=bool(hop["flags"] & _ONLINK),
        )


def read(routes: Iterable[Sequence[Hop]], destination: str, metric: int, wish: Route) -> Route | None:
    """The route to DESTINATION with METRIC, judged for WISH: the next hop that fulfils it, where one does."""
    mine = [hop for hops in routes for hop in hops if (hop.destination, hop.metric) == (destination, metric)]
    if not mine:
        return None
    best = next((hop for hop in mine if fulfils(hop, wish)), mine[0])
    others = frozenset(hop.words for hop in mine if hop is not best)
    gateway = best.gateway if best.kind == "unicast" else best.kind
    return Route(gateway=gateway, interface=best.interface, source=best.source, onlink=best.onlink, others=others)


def fulfils(hop: Hop, wish: Route) -> bool:
    """Whether HOP leads as WISH says."""
    pairs = (
        (hop.gateway if hop.kind == "unicast" else hop.kind, wish.gateway),
        (hop.interface, wish.interface),
        (hop.source, wish.source),
        (hop.onlink, wish.onlink),
    )
    return all(isinstance(want, Unset) or have == want for have, want in pairs)


@reading
def list_(table: int | str = "main") -> list[dict[str, Any]]:
    """The routes of TABLE (a number or name), one entry for each next hop: destination, gateway, interface, metric,
    kind."""
    return [
        {
            "destination": hop.destination,
            "gateway": hop.gateway,
            "interface": hop.interface,
            "metric": hop.metric,
            "kind": hop.kind,
        }
        for route in look(table_number(table))[1]
        for hop in route
    ]


@acting
def replace(
    destination: str,
    gateway: str | None = None,
    interface: str | None = None,
    metric: int | None = None,
    table: int = MAIN,
    kind: str = "unicast",
    source: str | None = None,
    onlink: bool = False,
) -> bool:
    """Lead DESTINATION over GATEWAY, through INTERFACE, in the place of any route of the same METRIC in TABLE; or with
    another KIND have it end here. SOURCE: the address to send from. ONLINK: take GATEWAY for reachable by INTERFACE."""
    destination = linkvalues.destination(destination, gateway)
    priority = default_metric(destination) if metric is None else metric
    arguments: dict[str, Any] = {"scope": _GLOBAL if gateway or ":" in destination else _LINK}
    if kind != "unicast":
        arguments = {"type": kind}
    if gateway:
        arguments["gateway"] = gateway_address(gateway, None)
    if source:
        arguments["prefsrc"] = linkvalues.host(source, "source")
    if onlink:
        arguments["flags"] = _ONLINK
    with session() as socket:
        view = look_with(socket)
        if interface:
            arguments["oif"] = found(view, interface).index
        if priority:
            arguments["priority"] = priority
        socket.route("replace", dst=destination, table=table, **arguments)
        wish = Route(gateway=arguments.get("gateway") if kind == "unicast" else kind, interface=interface or UNSET)
        for message in _messages(socket, table):
            mine = [hop for hop in hops(view, message) if (hop.destination, hop.metric) == (destination, priority)]
            if mine and not all(fulfils(hop, wish) for hop in mine):
                delete_route(socket, message)
    return True


@acting
def delete(destination: str, words: str, metric: int, table: int = MAIN) -> bool:
    """Delete the route to DESTINATION with METRIC in TABLE that leads as WORDS say ("via 10.0.0.254 dev br0")."""
    with session() as socket:
        view = look_with(socket)
        for message in _messages(socket, table):
            route = list(hops(view, message))
            if route and (route[0].destination, route[0].metric, way(route)) == (destination, metric, words):
                delete_route(socket, message)
                return True
    raise NetworkError(f"there is no route to {destination} {words} with the metric {metric}")


def _messages(socket: Any, table: int) -> list[Any]:
    return routes_with(socket, table)
