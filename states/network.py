"""`network.managed`, `network.routes` and `network.system` with Salt's arguments, on top of the states of each kind.

Nothing is converged here: the arguments are translated to those of `bridge.present`, `vlan.present`, `bond.present`,
`link.managed`, `address.present` and `route.present`, whose plans are put together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modules._network import netvalues as values
from saltern.context import Context
from saltern.converge.compare import field_names
from saltern.converge.plan import UNSET, Plan, Unset
from saltern.converge.state import check, check_of, check_together, is_state, state
from saltern.errors import nearest
from saltern.loader import find
from states._network.check import conflicts

_TYPES = ("eth", "bridge", "vlan", "bond", "slave")
_PROTOS = ("none", "static", "manual")
_BRIDGE = {
    "delay": "forward_delay",
    "hello": "hello_time",
    "maxage": "max_age",
    "ageing": "ageing_time",
    "bridgeprio": "priority",
    "stp": "stp",
    "vlan_filtering": "vlan_filtering",
}
_BOND = {
    "mode": "mode",
    "miimon": "miimon",
    "updelay": "updelay",
    "downdelay": "downdelay",
    "arp_interval": "arp_interval",
    "arp_ip_target": "arp_ip_target",
    "lacp_rate": "lacp_rate",
    "ad_select": "ad_select",
    "xmit_hash_policy": "xmit_hash_policy",
    "hashing-algorithm": "xmit_hash_policy",
    "primary": "primary",
    "min_links": "min_links",
    "fail_over_mac": "fail_over_mac",
}
_ADDRESSES = (
    *("proto", "ipaddr", "netmask", "prefix", "gateway", "ipaddrs", "addresses"),
    *("ipv6addr", "ipv6netmask", "ipv6prefix", "ipv6gateway", "ipv6addrs", "ipv6ipaddr", "ipv6ipaddrs"),
)
_COMMON = ("enabled", "mtu", "hwaddr", "macaddr", "noifupdown", "onboot", "persist")
_OWN = {
    "eth": (),
    "slave": ("master",),
    "bridge": ("ports", *_BRIDGE),
    "vlan": ("phys_dev", "use", "vlan_id", "vlan-raw-device", "vlan_protocol"),
    "bond": ("slaves", *_BOND),
}

Translated = tuple[str, str, dict[str, Any]]  # namespace of the state, name, arguments


@state
def managed(ctx: Context, name: str, *, type: str = "eth", enabled: bool = True, **settings: Any) -> Plan:
    """The interface NAME is as these SETTINGS say, which are Salt's. What is not named is left as it is.

    type: "eth", "bridge", "vlan", "bond" (which are made) or "slave" (of the bond `master`).
    enabled: whether it is up; a bridge, VLAN or bond that is not enabled is taken away.
    proto: "static" or "none"; "dhcp" is refused: give that to the node's own network manager.
    ipaddr, netmask (or prefix), gateway: its IPv4 address; ipaddrs: further ones, "10.0.0.2/24".
    ipv6addr, ipv6netmask, ipv6gateway, ipv6addrs: the same of IPv6.
    mtu, hwaddr: largest packet, MAC address (of eth).
    ports, stp, delay, hello, maxage, ageing, bridgeprio, vlan_filtering: of a bridge, as in `bridge.present`.
    phys_dev, vlan_id: of a VLAN; without them they are taken from a name like "eth0.43"; vlan_protocol.
    slaves, mode, miimon, updelay, downdelay, arp_interval, arp_ip_target, lacp_rate, ad_select, xmit_hash_policy,
        primary, min_links, fail_over_mac: of a bond, as in `bond.present`.
    persist: as in `bridge.present`.
    """
    given = {"type": type, "enabled": enabled, **settings}
    return _together(ctx, _calls(name, given))


@state
def routes(ctx: Context, name: str, *, routes: Sequence[Mapping[str, Any]], **settings: Any) -> Plan:
    """Through the interface NAME lead these ROUTES, each with `ipaddr` (a network, or "default"), `netmask`, `gateway`,
    `metric`, `table`, as in `route.present`. Others stay."""
    return _together(ctx, [("route.present", to, arguments) for to, arguments in _routes(name, routes, settings)])


@state
def system(ctx: Context, name: str, *, gateway: str, gatewaydev: str | Unset = UNSET, **settings: Any) -> Plan:
    """The default route of the node leads over GATEWAY, through GATEWAYDEV where that is named."""
    arguments = {"gateway": gateway, **({} if isinstance(gatewaydev, Unset) else {"interface": gatewaydev})}
    if settings:
        known = ("gateway", "gatewaydev")
        wrong = next(iter(settings))
        raise _bad(wrong, f"network.system takes no argument {wrong!r}.{nearest(wrong, known)}")
    return _together(ctx, [("route.present", "default", arguments)])


@check(managed)
def _check_managed(name: str, **settings: Any) -> None:
    for function, own, arguments in _calls(name, settings):
        ask = check_of(find(function, "states", is_state))
        if ask is not None:
            ask(own, **arguments)


@check(routes)
def _check_routes(name: str, *, routes: Sequence[Mapping[str, Any]], **settings: Any) -> None:
    list(_routes(name, routes, settings))


check_together(conflicts, managed)


def translated(name: str, settings: Mapping[str, Any]) -> list[Translated]:
    """What `network.managed` of NAME makes: namespace, name and arguments of each `present`, and of `link.managed`."""
    found = [(function.partition("."), own, arguments) for function, own, arguments in _calls(name, settings)]
    return [(module, own, arguments) for (module, _, fun), own, arguments in found if fun != "absent"]


def _calls(name: str, settings: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """The states that SETTINGS of NAME stand for, in order: function, name, arguments. BadValue."""
    given = {key: value for key, value in settings.items() if not isinstance(value, Unset) and value is not None}
    type_, enabled = str(given.pop("type", "eth")), given.pop("enabled", True)
    if type_ not in _TYPES:
        raise _bad(
            "type", f"network.managed makes no {type_!r}; there are {', '.join(_TYPES)}.{nearest(type_, _TYPES)}"
        )
    known = (*_ADDRESSES, *_COMMON, *_OWN[type_])
    for setting in given:
        if setting not in known:
            raise _bad(setting, f"network.managed of type {type_} takes no {setting!r}.{nearest(setting, known)}")
    if str(given.get("proto", "static")) not in _PROTOS:
        raise _bad(
            "proto", f"proto {given['proto']!r} is not Saltern's to do: it sets addresses that are known; use static"
        )
    persist = {"persist": given["persist"]} if "persist" in given else {}
    if not enabled and type_ in ("bridge", "vlan", "bond"):
        return [(f"{type_}.absent", name, {})]
    if not enabled:
        return [("link.managed", name, {"up": False, **persist})]
    common = {**_addresses(given), **({"mtu": given["mtu"]} if "mtu" in given else {}), **persist}
    if type_ == "bridge":
        own = {new: given[old] for old, new in _BRIDGE.items() if old in given}
        ports = _words(given["ports"]) if "ports" in given else None
        return [("bridge.present", name, {**own, **({} if ports is None else {"ports": ports}), **common})]
    if type_ == "vlan":
        return [("vlan.present", name, {**_tag(name, given), **common})]
    if type_ == "bond":
        own = {new: given[old] for old, new in _BOND.items() if old in given}
        members = {"members": _words(given["slaves"])} if "slaves" in given else {}
        return [("bond.present", name, {**own, **members, **common})]
    return list(_plain(name, given, common, persist))


def _plain(
    name: str, given: Mapping[str, Any], common: dict[str, Any], persist: dict[str, Any]
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """An interface that is there: what it is set to, its addresses, its default route."""
    mac = given.get("hwaddr", given.get("macaddr"))
    mtu = {"mtu": common["mtu"]} if "mtu" in common else {}
    yield "link.managed", name, {"up": True, **mtu, **({"mac": mac} if mac else {}), **persist}
    if common.get("addresses"):
        yield "address.present", name, {"interface": name, "addresses": common["addresses"], **persist}
    if "gateway" in common:
        yield "route.present", "default", {"gateway": common["gateway"], "interface": name, **persist}


def _addresses(given: Mapping[str, Any]) -> dict[str, Any]:
    """`addresses` and `gateway` of a state from Salt's several arguments."""
    found: list[str] = []
    for one, mask, prefix, several in (
        ("ipaddr", "netmask", "prefix", ("ipaddrs", "addresses")),
        ("ipv6addr", "ipv6netmask", "ipv6prefix", ("ipv6addrs", "ipv6ipaddrs")),
        ("ipv6ipaddr", "ipv6netmask", "ipv6prefix", ()),
    ):
        if one in given:
            found.append(_address(one, given[one], given.get(mask, given.get(prefix))))
        for key in several:
            found += [_address(key, item, given.get(mask)) for item in _words(given.get(key, []))]
    named = any(key in given for key in ("ipaddr", "ipaddrs", "addresses", "ipv6addr", "ipv6addrs", "ipv6ipaddr"))
    gateways = [given[key] for key in ("gateway", "ipv6gateway") if key in given]
    if len(gateways) > 1:
        raise _bad("ipv6gateway", "one interface takes one gateway here: give the other as `route.present`")
    return {**({"addresses": found} if named else {}), **({"gateway": gateways[0]} if gateways else {})}


def _address(argument: str, address: object, mask: object) -> str:
    """ADDRESS with its prefix length, which may stand in it or be the netmask MASK."""
    text = str(address)
    if "/" not in text:
        if mask is None:
            raise _bad(argument, f"{argument} {text} has no prefix length: give netmask, or write it like {text}/24")
        text = f"{text}/{mask}"
    try:
        return values.interface_address(text)
    except values.BadValue as error:
        raise _bad(argument, str(error)) from None


def _tag(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Parent and id of a VLAN: as given, or from its name ("eth0.43", "vlan43")."""
    base, dot, number = name.rpartition(".")
    parent = given.get("phys_dev", given.get("vlan-raw-device", base if dot else None))
    plain = number if dot else name.removeprefix("vlan")
    id_ = given.get("vlan_id", int(plain) if plain.isascii() and plain.isdecimal() else None)
    if parent is None:
        raise _bad("phys_dev", f"the VLAN {name} needs phys_dev: the interface that it is on")
    if id_ is None:
        raise _bad("vlan_id", f"the VLAN {name} needs vlan_id, 1 to 4094")
    id_ = int(id_) if isinstance(id_, str) and id_.isdecimal() else id_
    try:
        values.vlan_id(id_)
    except values.BadValue as error:
        raise _bad("vlan_id", str(error)) from None
    protocol = {"protocol": given["vlan_protocol"]} if "vlan_protocol" in given else {}
    return {"parent": parent, "id": id_, **protocol}


def _routes(
    name: str, routes: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    known = ("ipaddr", "netmask", "gateway", "metric", "table", "name")
    if settings:
        wrong = next(iter(settings))
        raise _bad(wrong, f"network.routes takes no argument {wrong!r}.{nearest(wrong, ['routes'])}")
    for route in routes:
        entry = dict(route) if isinstance(route, Mapping) else {}
        if len(entry) == 1 and isinstance(inner := next(iter(entry.values())), list | Mapping):
            entry = dict(inner) if isinstance(inner, Mapping) else {k: v for item in inner for k, v in item.items()}
        unknown = [str(key) for key in entry if key not in known]
        if unknown:
            raise _bad("routes", f"a route of {name} takes no {unknown[0]!r}.{nearest(unknown[0], known)}")
        if "ipaddr" not in entry:
            raise _bad("routes", f"a route of {name} needs ipaddr: where it leads")
        to = str(entry["ipaddr"])
        whole = to in ("default", "0.0.0.0", "::")  # noqa: S104 - a destination
        to = "default" if whole else to if "/" in to or "netmask" not in entry else f"{to}/{_length(entry['netmask'])}"
        more: dict[str, Any] = {key: entry[key] for key in ("gateway", "metric", "table") if key in entry}
        yield to, {"interface": name, **more}


def _length(mask: object) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_network(f"0.0.0.0/{mask}").prefixlen)
    except ValueError:
        return str(mask)


def _words(given: Any) -> list[Any]:
    """A list, from a list or a text with spaces or commas, as Salt takes both."""
    if isinstance(given, str):
        return given.replace(",", " ").split()
    if isinstance(given, Mapping):
        return [{key: value} for key, value in given.items()]
    return list(given) if isinstance(given, list | tuple | set | frozenset) else [given]


def _bad(argument: str, message: str) -> values.BadValue:
    error = values.BadValue(message)
    error.argument = argument  # type: ignore[attr-defined]
    return error


def _managed(plan: Plan) -> dict[str, tuple[Any, Any]]:
    """What is and what should be, by each field that the wish of PLAN manages; under "" where it has no fields."""
    if isinstance(plan.wish, Mapping) and isinstance(plan.current, Mapping):
        return {str(key): (plan.current.get(key), want) for key, want in plan.wish.items()}
    names = field_names(type(plan.wish))
    if not names or type(plan.current) is not type(plan.wish):
        return {"": (plan.current, plan.wish)}
    pairs = {name: (getattr(plan.current, name), getattr(plan.wish, name)) for name in names}
    return {name: pair for name, pair in pairs.items() if not isinstance(pair[1], Unset)}


def _together(ctx: Context, calls: Sequence[tuple[str, str, dict[str, Any]]]) -> Plan:
    """The plans of CALLS as one: fields by the state that has them, steps in order."""
    plans = [(function, own, find(function, "states", is_state)(ctx, own, **given)) for function, own, given in calls]
    if len(plans) == 1:
        return plans[0][2]  # type: ignore[no-any-return]
    unknown = " ".join(plan.unknown for _, _, plan in plans if plan.unknown) or None
    current: dict[str, Any] = {}
    wish: dict[str, Any] = {}
    for function, own, plan in plans:
        for field, (have, want) in _managed(plan).items():
            key = field if field and field not in wish else f"{function} {own} {field}".rstrip()
            current[key], wish[key] = have, want
    steps = [step for _, _, plan in plans for step in plan.steps]
    return Plan(current, wish, steps, unknown=unknown)
