"""The arguments that Salt's `network.managed` and its kin take, as those of the states of each kind. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modules._network import netvalues as values
from saltern.converge.plan import Unset
from saltern.errors import nearest

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


def translated(name: str, settings: Mapping[str, Any]) -> list[Translated]:
    """What `network.managed` of NAME makes: namespace, name and arguments of each `present`, and of `link.managed`."""
    found = [(function.partition("."), own, arguments) for function, own, arguments in calls(name, settings)]
    return [(module, own, arguments) for (module, _, fun), own, arguments in found if fun != "absent"]


def calls(name: str, settings: Mapping[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """The states that SETTINGS of NAME stand for, in order: function, name, arguments. BadValue."""
    given = {key: value for key, value in settings.items() if not isinstance(value, Unset) and value is not None}
    type_, enabled = str(given.pop("type", "eth")), given.pop("enabled", True)
    if type_ not in _TYPES:
        raise bad("type", f"network.managed makes no {type_!r}; there are {', '.join(_TYPES)}.{nearest(type_, _TYPES)}")
    known = (*_ADDRESSES, *_COMMON, *_OWN[type_])
    for setting in given:
        if setting not in known:
            raise bad(setting, f"network.managed of type {type_} takes no {setting!r}.{nearest(setting, known)}")
    if str(given.get("proto", "static")) not in _PROTOS:
        raise bad(
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
        raise bad("ipv6gateway", "one interface takes one gateway here: give the other as `route.present`")
    return {**({"addresses": found} if named else {}), **({"gateway": gateways[0]} if gateways else {})}


def _address(argument: str, address: object, mask: object) -> str:
    """ADDRESS with its prefix length, which may stand in it or be the netmask MASK."""
    text = str(address)
    if "/" not in text:
        if mask is None:
            raise bad(argument, f"{argument} {text} has no prefix length: give netmask, or write it like {text}/24")
        text = f"{text}/{mask}"
    try:
        return values.interface_address(text)
    except values.BadValue as error:
        raise bad(argument, str(error)) from None


def _tag(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Parent and id of a VLAN: as given, or from its name ("eth0.43", "vlan43")."""
    base, dot, number = name.rpartition(".")
    parent = given.get("phys_dev", given.get("vlan-raw-device", base if dot else None))
    plain = number if dot else name.removeprefix("vlan")
    id_ = given.get("vlan_id", int(plain) if plain.isascii() and plain.isdecimal() else None)
    if parent is None:
        raise bad("phys_dev", f"the VLAN {name} needs phys_dev: the interface that it is on")
    if id_ is None:
        raise bad("vlan_id", f"the VLAN {name} needs vlan_id, 1 to 4094")
    id_ = int(id_) if isinstance(id_, str) and id_.isdecimal() else id_
    try:
        values.vlan_id(id_)
    except values.BadValue as error:
        raise bad("vlan_id", str(error)) from None
    protocol = {"protocol": given["vlan_protocol"]} if "vlan_protocol" in given else {}
    return {"parent": parent, "id": id_, **protocol}


def routes_of(
    name: str, routes: Sequence[Mapping[str, Any]], settings: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any]]]:
    known = ("ipaddr", "netmask", "gateway", "metric", "table", "name")
    if settings:
        wrong = next(iter(settings))
        raise bad(wrong, f"network.routes takes no argument {wrong!r}.{nearest(wrong, ['routes'])}")
    for route in routes:
        entry = dict(route) if isinstance(route, Mapping) else {}
        if len(entry) == 1 and isinstance(inner := next(iter(entry.values())), list | Mapping):
            entry = dict(inner) if isinstance(inner, Mapping) else {k: v for item in inner for k, v in item.items()}
        unknown = [str(key) for key in entry if key not in known]
        if unknown:
            raise bad("routes", f"a route of {name} takes no {unknown[0]!r}.{nearest(unknown[0], known)}")
        if "ipaddr" not in entry:
            raise bad("routes", f"a route of {name} needs ipaddr: where it leads")
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


def bad(argument: str, message: str) -> values.BadValue:
    error = values.BadValue(message)
    error.argument = argument  # type: ignore[attr-defined]
    return error
