"""What the node's network is: interfaces, addresses, routes, and whether a host answers. Shapes are Salt's."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from modules._network.linkinfo import BondInfo, MacvlanInfo, TunInfo, VxlanInfo
from modules._network.lookups import (
    get_hostname,
    hw_addr,
    in_subnet,
    interface_ip,
    ip_addrs,
    ip_addrs6,
    ip_in_subnet,
    is_loopback,
    is_private,
    subnets,
    subnets6,
)
from modules._network.netlink import AF_INET, AF_INET6, Address, Link, View, look, session
from modules._network.netvalues import BadValue
from modules._run import run
from saltern.context import Context
from saltern.errors import PermanentError, UsageError
from saltern.marks import acting, reading

# functions of this namespace that lie elsewhere
__all__ = [
    "get_hostname",
    "hw_addr",
    "in_subnet",
    "interface_ip",
    "ip_addrs",
    "ip_addrs6",
    "ip_in_subnet",
    "is_loopback",
    "is_private",
    "subnets",
    "subnets6",
]

_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}  # RT_SCOPE_*, rtnetlink(7)
_OF_KIND = ("stp", "vlan_filtering", "vlan_id", "vlan_protocol")  # of `Link`, None for other kinds
_FAMILIES = {AF_INET: "inet", AF_INET6: "inet6"}


@reading
def interfaces() -> dict[str, dict[str, Any]]:
    """Every interface: up, hwaddr, mtu, `inet` (address, netmask, broadcast, label) and `inet6` (address, prefixlen,
    scope), further addresses of a network under `secondary`, the parent of a VLAN, the bridge or bond that it is a port
    of under `master`."""
    view = look(addresses=True)
    return {link.name: _interface(view, link) for link in view.links}


def _interface(view: View, link: Link) -> dict[str, Any]:
    found: dict[str, Any] = {"up": link.is_up, "mtu": link.mtu}
    if link.hwaddr:
        found["hwaddr"] = link.hwaddr
    if link.kind:
        found["kind"] = link.kind
    if link.kind == "vlan":
        found["parent"] = view.name_at(link.parent)
    if master := view.at(link.master):
        found["master"] = master.name
    for entry in view.addresses:
        if entry.index == link.index and entry.family in _FAMILIES:
            shown = _address(entry)
            if entry.family == AF_INET and entry.secondary:
                found.setdefault("secondary", []).append({"type": "inet", **shown})
            else:
                found.setdefault(_FAMILIES[entry.family], []).append(shown)
    return found


def _address(entry: Address) -> dict[str, Any]:
    interface = ipaddress.ip_interface(entry.address)
    if entry.family == AF_INET:
        return {
            "address": str(interface.ip),
            "netmask": str(interface.netmask),
            "broadcast": entry.broadcast,
            "label": entry.label,
        }
    return {
        "address": str(interface.ip),
        "prefixlen": str(interface.network.prefixlen),
        "scope": _SCOPES.get(entry.scope, str(entry.scope)),
    }


@reading
def topology() -> dict[str, Any]:
    """The real graph of the network, as values that JSON can hold: `links`, each with what it is and what it hangs on,
    and `default_routes`.

    links: NAME → `kind` ("physical", "loopback", "bridge", "vlan", "bond", "veth", "tap", …), `up` (by the
        administrator), `state` (by the kernel: "up", "lowerlayerdown", …), `mtu`, `mac`, `addresses` ("10.0.0.1/24"),
        and where there is one `master`, `parent` (None: in another network namespace), `altnames`; further, of its
        kind: `ports` (bridge, bond), `stp`, `vlan_filtering`, `vlan_id`, `vlan_protocol`, `peer` (veth; None: in
        another namespace), `mode` (bond, macvlan), `vxlan_id`, `remote`, `local`, `port`; of a guest's end on the node
        `guest`: its `name` (where it is not known, the interface's) and its `kind` ("kvm", "lxc", "guest"); of a
        bridge that tells VLANs apart, and of its ports, `vlans`: `pvid`, `untagged` and `tagged` ("1,10-20").
    default_routes: `gateway`, `interface`, `metric`.
    """
    view = look(addresses=True, routes=True)
    links = {link.name: _node(view, link) for link in view.links}
    for name, guest in _guests(view.links).items():
        links[name]["guest"] = guest
    for name, vlans in _filtered(view).items():
        links[name]["vlans"] = vlans
    return {
        "links": links,
        "default_routes": [
            {"gateway": route.gateway, "interface": view.name_at(route.index), "metric": route.metric}
            for route in view.default_routes
        ],
    }


@reading
def declared(ctx: Context) -> dict[str, Any]:
    """The graph that the states of this node's highstate declare, in the form of `network.topology`: of each link what
    they name of it, and nothing else.

    Beside `links` and `default_routes`: `absent`, names that are not to be; `guests`: NAME → `kind` ("kvm", "lxc"),
    `bridges` (None: not named), `running`, `partly`
        (further interfaces are on what is not known here). A link with "addresses" in `only_adds` may have others too.
    """
    from importlib import import_module

    from modules._network import declared as network_declared

    assert ctx.call is not None
    lows = ctx.call("state.show_lowstate")
    wrong = [low for low in lows if isinstance(low, str)]
    if wrong:
        raise PermanentError("the states of this node can't be compiled: " + "\n".join(wrong))
    translate = import_module(
        "states._network.salt_words"
    ).translated  # by name, as states are found: modules know none
    return network_declared.declared(lows, ctx.pillar, translate)


def _filtered(view: View) -> dict[str, dict[str, Any]]:
    """The VLANs of bridges that tell them apart, and of their ports, by name."""
    bridges = {link.index for link in view.links if link.vlan_filtering}
    if not bridges:
        return {}
    from modules._network.declared import vlans_shown
    from modules._network.netlink import vlans_with

    with session() as socket:
        known = vlans_with(socket)
    return {
        link.name: vlans_shown(known[link.index])
        for link in view.links
        if link.index in known and (link.index in bridges or link.master in bridges)
    }


def _guests(links: Iterable[Link]) -> dict[str, dict[str, str]]:
    """The guests of the ends that are on this node, by the name of the interface."""
    ends = [link for link in links if link.is_guests]
    if not ends:
        return {}
    from modules._virt import guest_taps

    machines = guest_taps.machines()
    veths = guest_taps.veths(guest_taps.containers()) if any(link.kind == "veth" for link in ends) else {}
    found = {}
    for link in ends:
        if link.name in machines:
            found[link.name] = {"name": machines[link.name], "kind": "kvm"}
        elif link.index in veths:
            found[link.name] = {"name": veths[link.index], "kind": "lxc"}
        else:
            found[link.name] = {"name": link.name, "kind": "guest"}
    return found


def _node(view: View, link: Link) -> dict[str, Any]:
    """One link of the graph."""
    found: dict[str, Any] = {
        "kind": _kind(link),
        "up": link.is_up,
        "state": link.operstate,
        "mtu": link.mtu,
        "mac": link.hwaddr,
        "addresses": [entry.address for entry in view.addresses if entry.index == link.index],
    }
    if master := view.at(link.master):
        found["master"] = master.name
    if link.altnames:
        found["altnames"] = list(link.altnames)
    if link.parent is not None:
        below = None if link.parent_elsewhere else view.at(link.parent)
        found["peer" if link.kind == "veth" else "parent"] = below.name if below else None
    if link.kind in ("bridge", "bond"):
        found["ports"] = sorted(port.name for port in view.ports(link.index))
    found |= {key: value for key in _OF_KIND if (value := getattr(link, key)) is not None}
    if isinstance(link.info, VxlanInfo):
        info = link.info
        found |= {"vxlan_id": info.id, "remote": info.remote, "local": info.local, "port": info.port}
    elif isinstance(link.info, BondInfo | MacvlanInfo):
        found["mode"] = link.info.mode
    return found


def _kind(link: Link) -> str:
    if isinstance(link.info, TunInfo):
        return "tap" if link.info.is_tap else "tun"
    return link.kind or ("loopback" if link.is_loopback else "physical")


@reading
def routes(family: str | None = None) -> list[dict[str, Any]]:
    """The routes of the main table: addr_family, destination, gateway, netmask, flags, interface, metric. FAMILY "inet"
    or "inet6" shows one only."""
    if family not in (None, "inet", "inet6"):
        raise UsageError(f"family must be inet or inet6, not {family!r}")
    with session() as socket:
        view = look()
        messages = list(socket.route("dump", table=254))
    found = [route for message in messages for route in _routes(view, message)]
    return [route for route in found if family in (None, route["addr_family"])]


@reading
def default_route(family: str | None = None) -> list[dict[str, Any]]:
    """The default routes, as in `network.routes`."""
    everywhere = ("0.0.0.0", "::/0")  # noqa: S104 - a destination
    return [route for route in routes(family) if route["destination"] in everywhere]


def _routes(view: View, message: Any) -> Iterable[dict[str, Any]]:
    """One entry for each next hop of a RTM_NEWROUTE message."""
    if message["type"] != 1 or message.get_attr("RTA_TABLE") != 254 or message["family"] not in _FAMILIES:
        return
    four = message["family"] == AF_INET
    destination = message.get_attr("RTA_DST") or ("0.0.0.0" if four else "::")  # noqa: S104 - a destination
    network = ipaddress.ip_network((destination, message["dst_len"]))
    for hop in message.get_attr("RTA_MULTIPATH") or [message]:
        gateway = hop.get_attr("RTA_GATEWAY")
        host = message["dst_len"] == (32 if four else 128)
        yield {
            "addr_family": _FAMILIES[message["family"]],
            "destination": destination if four else str(network),
            "gateway": gateway or ("0.0.0.0" if four else "::"),  # noqa: S104 - as Salt writes none
            "netmask": str(network.netmask) if four else "",
            "flags": "U" + ("G" if gateway else "") + ("H" if host else ""),
            "interface": view.name_at(message.get_attr("RTA_OIF") or hop.get("oif")),
            "metric": message.get_attr("RTA_PRIORITY") or 0,
        }


@reading
def ping(host: str, timeout: float = 5, return_boolean: bool = False, count: int = 4) -> str | bool:
    """Whether HOST answers COUNT (1 to 100) echo requests within TIMEOUT seconds (at most 300) in all: what ping(8)
    says, or with RETURN_BOOLEAN true or false."""
    if not isinstance(host, str) or not host or host.startswith("-") or any(c.isspace() or c == "\0" for c in host):
        raise BadValue(f"not the name or address of a host: {host!r}")
    timeout, count = max(1, min(300, int(timeout or 5))), max(1, min(100, int(count)))
    argv = ["ping", "-n", "-c", str(count), "-i", "0.25", "-w", str(timeout), "--", host]
    ran = run(argv, timeout_s=timeout + 5.0, env={"LC_ALL": "C"})
    if return_boolean:
        return ran.code == 0
    return (ran.out + ran.err).strip()


@reading
def pending(ctx: Context) -> dict[str, Any]:
    """The network transaction that is not committed, nothing where there is none: `jid`, `phase`, `left_s` (seconds
    until it is taken back), `opened`, `path` (the management path), `guarded` (whether a guard lives)."""
    from modules._transaction import person as transaction_person

    return transaction_person.pending(ctx)


@acting
def confirm(ctx: Context) -> str:
    """Keep the network change that a run with `confirm=SECONDS` left to a person. An error where there is none, or the
    run is still at work."""
    from modules._transaction import person as transaction_person

    return transaction_person.confirm(ctx)


@acting
def rollback(ctx: Context) -> dict[str, Any]:
    """Take the network change that is not committed back now, or try once more where something remained. An error with
    what remains where it does not go back."""
    from modules._transaction import person as transaction_person

    return transaction_person.rollback(ctx)


@reading
def last(ctx: Context) -> dict[str, Any]:
    """How the last network transaction of this node ended: `jid`, `outcome` ("committed", "rolled back", "rollback
    incomplete"), `why`, `by` (run, guard, boot, person), `ended`, `took_s`, `remains`."""
    from modules._transaction import person as transaction_person

    return transaction_person.last(ctx)
