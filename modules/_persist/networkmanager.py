"""Networks kept by NetworkManager: keyfiles in /etc/NetworkManager/system-connections, nm-settings-keyfile(5).

An interface has one profile, and a keyfile has no drop-ins. So the file of an interface holds what all its states say:
each has a line of its own in the head (a comment with what it wants), and the settings below are made from these lines.

A profile has an interface to itself: what NetworkManager does to one without, it does no more once there is one. So an
interface that Saltern did not make still gets what DHCP and routers give, beside what is declared.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from modules._persist import match, profiles
from modules._persist.keep import (
    CREATED,
    MARK,
    Keep,
    Owner,
    PersistError,
    RouteKept,
    check_default_vlan,
    inexpressible,
    plain,
    unknown_options,
)

MANAGER = "NetworkManager"
UNITS: tuple[str, ...] = ("NetworkManager.service",)
FOLDER = profiles.FOLDERS[0]
MODE = 0o600  # NetworkManager ignores a file that others may read
_SPACE = uuid.UUID("d1a4f5f0-5a17-4e72-8c1e-2f1c6f0b7f43")  # of the profiles' names: any constant will do

_FOREVER = "2147483647"  # seconds: what is declared stays where nobody answers

Part = Mapping[str, Mapping[str, Any]]  # section → key → value; a list gathers what several say


def _flag(value: Any) -> str:
    return "true" if value else "false"


def _whole(value: Any) -> str:
    return str(int(value))


_OPTIONS: Mapping[str, Mapping[str, tuple[str, Any]]] = {
    "bridge": {
        "stp": ("stp", _flag),
        "forward_delay": ("forward-delay", _whole),
        "hello_time": ("hello-time", _whole),
        "max_age": ("max-age", _whole),
        "ageing_time": ("ageing-time", _whole),
        "priority": ("priority", str),
        "vlan_filtering": ("vlan-filtering", _flag),
        "vlan_default_pvid": ("vlan-default-pvid", str),
        "multicast_snooping": ("multicast-snooping", _flag),
        "group_fwd_mask": ("group-forward-mask", str),
    },
    "bond": {option: (option, str) for option in ("mode", "miimon", "lacp_rate", "xmit_hash_policy", "min_links")}
    | {option: (option, str) for option in ("updelay", "downdelay", "ad_select", "primary_reselect", "fail_over_mac")}
    | {"arp_interval": ("arp_interval", str), "arp_ip_target": ("arp_ip_target", ",".join)}
    | {"arp_validate": ("arp_validate", str), "primary": ("primary", str)},
    "vlan": {"id": ("id", str), "protocol": ("protocol", str)},
    "macvlan": {"mode": ("mode", lambda mode: {"vepa": "1", "bridge": "2", "private": "3", "passthru": "4"}[mode])},
    "vxlan": {
        "id": ("id", str),
        "remote": ("remote", str),
        "group": ("remote", str),
        "local": ("local", str),
        "port": ("destination-port", str),
        "learning": ("learning", _flag),
        "ttl": ("ttl", str),
        "tos": ("tos", str),
        "source_ports": ("source-port-min", lambda ports: f"{ports[0]}\nsource-port-max={ports[1]}"),
    },
    "veth": {"peer": ("peer", str)},
    "link": {},
    "address": {},
    "route": {},
}
_METHODS = {  # of an interface with no address that is declared: one that Saltern made, and any other
    "ipv4": ({"method": "disabled"}, {"method": "auto", "dhcp-timeout": _FOREVER}),
    "ipv6": ({"method": "ignore"}, {"method": "auto", "ra-timeout": _FOREVER}),  # ignore: the kernel's own
}
_MAC = ("cloned-mac-address", "mac-address")
_PORT_OPTIONS: Mapping[str, tuple[str, Any]] = {
    "cost": ("path-cost", str),
    "priority": ("priority", str),
    "hairpin": ("hairpin-mode", _flag),
}


def path_of(interface: str) -> str:
    """The keyfile of INTERFACE."""
    return f"{FOLDER}/saltern-{interface}.nmconnection"


def parts(keep: Keep) -> dict[str, Part]:
    """What KEEP says of each interface. Pure."""
    unknown_options(keep, _OPTIONS[keep.kind], _PORT_OPTIONS, MANAGER)
    check_default_vlan(keep, MANAGER)
    if keep.up is False:  # it makes no interface whose profile is off, and brings up all others
        raise inexpressible(MANAGER, f"{keep.interface} down")
    if keep.kind == "bridge" and keep.options.get("forward_delay") == 0:  # it takes 0 for its own default
        raise inexpressible(MANAGER, f"a forward delay of 0 of the bridge {keep.interface}")
    own: dict[str, dict[str, Any]] = {"connection": {}, "ethernet": {}, "ipv4": {}, "ipv6": {}}
    if keep.creates:
        own["connection"]["type"] = keep.kind
        words = _OPTIONS[keep.kind]
        own[keep.kind] = {words[option][0]: words[option][1](value) for option, value in sorted(keep.options.items())}
        if keep.parent:
            own[keep.kind]["parent"] = plain(keep.parent)
        if keep.kind == "bridge":
            own["bridge"].setdefault("stp", "false")  # its own default is true
            own["bridge"] |= _port(keep, keep.interface).get("bridge-port", {})
    if keep.mtu:
        own["ethernet"]["mtu"] = str(keep.mtu)
    if keep.mac:
        own["bridge" if keep.kind == "bridge" else "ethernet"][_MAC[keep.kind == "bridge"]] = keep.mac
    for address in keep.addresses:
        own[_family(address)].setdefault("address", []).append(address)
    for route in filter(None, (_default(keep.gateway), keep.route)):
        own[_family(route.destination)].setdefault("route", []).append(_route(route))
    found: dict[str, Part] = {keep.interface: {section: values for section, values in own.items() if values}}
    for port in keep.parts:
        found[port] = {"connection": {"master": keep.interface, "slave-type": keep.kind}, **_port(keep, port)}
    peer = keep.options.get("peer")
    if keep.kind == "veth" and isinstance(peer, str):
        back = {"connection": {"type": "veth"}, "veth": {"peer": keep.interface}}
        found[peer] = {**back, **({"ethernet": {"mtu": str(keep.mtu)}} if keep.mtu else {})}
    return found


def _port(keep: Keep, port: str) -> dict[str, dict[str, Any]]:
    """What a bridge's PORT, or the bridge itself, is set to."""
    given = sorted(keep.port_options.get(port, {}).items())
    settings = {_PORT_OPTIONS[option][0]: _PORT_OPTIONS[option][1](value) for option, value in given}
    if port in keep.vlans:
        vlans = keep.vlans[port]
        words = [*vlans.tagged, *(f"{one} untagged" for one in vlans.untagged if one != str(vlans.pvid))]
        how = " untagged" if str(vlans.pvid) in vlans.untagged else ""
        words += [f"{vlans.pvid} pvid{how}"] if vlans.pvid is not None else []
        settings["vlans"] = ",".join(words)
    return {"bridge-port": settings} if settings else {}


def _family(address: str) -> str:
    return "ipv6" if ":" in address else "ipv4"


def _default(gateway: str | None) -> RouteKept | None:
    """The route to GATEWAY, since the setting of that name needs an address in the same profile."""
    if gateway is None:
        return None
    return RouteKept(destination="::/0" if ":" in gateway else "0.0.0.0/0", gateway=gateway)


def _route(route: RouteKept) -> str:
    words = [route.destination, route.gateway or ("::" if ":" in route.destination else "0.0.0.0")]  # noqa: S104
    words.append(str(route.metric or 0))
    options = f"\ntable={route.table}" if route.table is not None else ""
    return ",".join(words) + options


def keyfile(interface: str, said: Mapping[str, Part], *, asks: bool) -> str:
    """The keyfile of INTERFACE from what each state SAID of it, by "KIND NAME". ASKS: whether NetworkManager asks DHCP
    and routers for addresses of an Ethernet interface that has no profile. Pure."""
    lines = [f"# {MARK}"]
    lines += [f"# {by}: {json.dumps(part, sort_keys=True)}" for by, part in sorted(said.items())]
    merged = _merged(said)
    connection = {
        "id": f"saltern-{interface}",
        "uuid": str(uuid.uuid5(_SPACE, interface)),
        "type": "ethernet",
        "interface-name": plain(interface),
        **merged.pop("connection", {}),
    }
    if "slave-type" in connection and ("ipv4" in merged or "ipv6" in merged):
        raise inexpressible(MANAGER, f"addresses or routes of {interface}, a port of {connection['master']},")
    if "slave-type" not in connection:
        for family, methods in _METHODS.items():
            merged[family] = _addressing(merged.get(family, {}), methods[asks and connection["type"] == "ethernet"])
    for section, values in {"connection": connection, **dict(sorted(merged.items()))}.items():
        lines += ["", f"[{section}]"]
        for key, value in values.items() if section == "connection" else sorted(values.items()):
            lines += _numbered(key, value) if isinstance(value, list) else [f"{key}={value}"]
    return "\n".join(lines) + "\n"


def _addressing(given: Mapping[str, Any], without: Mapping[str, str]) -> dict[str, Any]:
    """A section [ipv4] or [ipv6] with what is GIVEN; WITHOUT: what it says with nothing."""
    if without["method"] == "auto" or not given:
        return {**without, **given}
    method = "manual" if "address" in given else {"ignore": "link-local"}.get(without["method"], without["method"])
    return {"method": method, "route-metric": "0", **given}  # as the kernel's; its own default tells kinds apart


def _merged(said: Mapping[str, Part]) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = {}
    for _, part in sorted(said.items(), key=lambda pair: (pair[0].split(" ")[0] not in CREATED, pair[0])):
        for section, values in part.items():
            there = merged.setdefault(section, {})
            for key, value in values.items():
                there[key] = [*there.get(key, []), *value] if isinstance(value, list) else value
    return merged


def _numbered(key: str, values: list[str]) -> list[str]:
    """address1=, route1=, route1_options= …"""
    lines = []
    for number, value in enumerate(values, start=1):
        text, _, options = value.partition("\n")
        lines.append(f"{key}{number}={text}")
        lines += [f"{key}{number}_options={options}"] if options else []
    return lines


def said_in(text: str) -> dict[str, Part]:
    """What each state said, from the head of a keyfile that was made here; nothing for any other. Pure."""
    found: dict[str, Part] = {}
    lines = text.splitlines()
    if not lines or lines[0] != f"# {MARK}":
        return {}
    for line in lines[1:]:
        if not line.startswith("# "):
            break
        by, _, part = line[2:].partition(": ")
        try:
            found[by] = json.loads(part)
        except ValueError:
            continue
    return found


def render(
    keep: Keep, there: Mapping[str, str] | None = None, asks: Callable[[str], bool] | None = None
) -> dict[str, str]:
    """The texts that keep KEEP, by path, beside what other states say in the files that are THERE. ASKS: see `keyfile`,
    by interface (None: all). Pure."""
    by = f"{keep.kind} {keep.name}"
    found = {}
    for interface, part in parts(keep).items():
        path = path_of(interface)
        said = said_in((there or {}).get(path, ""))
        found[path] = keyfile(interface, {**said, by: part}, asks=asks is None or asks(interface))
    return found


def wished(root: str, keep: Keep) -> dict[str, str]:
    """The texts that keep KEEP on the node below ROOT. PersistError where a profile of somebody else has one of its
    interfaces, as two can't."""
    there = {path_of(name): match.text_of(f"{root}/{path_of(name)}") for name in (keep.interface, *keep.others)}
    found = render(keep, there, lambda name: profiles.asks(root, name))
    if (
        keep.route
        and match.value(found[path_of(keep.interface)], _family(keep.route.destination), "method") == "disabled"
    ):
        raise inexpressible(MANAGER, f"a route of {keep.interface}, which has no address,")
    for interface in parts(keep):
        if "type=ethernet" in found[path_of(interface)].splitlines() and not profiles.is_ethernet(interface):
            raise inexpressible(MANAGER, f"{interface}, which it does not make,")
        if (path := next(profiles.fitting(root, interface), None)) is not None:
            raise PersistError(
                f"{interface} belongs to {MANAGER}: /{path} is a profile for it, and there can't be two; set it there"
                " and leave this out, remove that file, or give `persist: none`"
            )
    return found


def owned(root: str, kind: str, name: str) -> Iterator[str]:
    """The keyfiles in which the state KIND of NAME says something."""
    for path, text in profiles.own(root):
        if f"{kind} {name}" in said_in(text):
            yield path


def names(root: str, kind: str) -> Iterator[str]:
    """The names of the states of KIND that say something."""
    for _, text in profiles.own(root):
        for by in said_in(text):
            if by.startswith(f"{kind} "):
                yield by.removeprefix(f"{kind} ")


def without(root: str, path: str, kind: str, name: str) -> str | None:
    """The keyfile PATH without what the state KIND of NAME says; None where nothing is left of it."""
    said = said_in(match.text_of(f"{root}/{path}"))
    said.pop(f"{kind} {name}", None)
    interface = _interface_of(path)
    return keyfile(interface, said, asks=profiles.asks(root, interface)) if said else None


def told(root: str, writes: Mapping[str, str | None], *, ends: bool) -> dict[str, str]:
    """What NetworkManager is to know of WRITES before anything is done, or it puts back what is taken from a profile
    that is in force: the new texts and, where a profile ENDS with its interface, one that makes nothing anew."""
    found = {}
    for path, text in writes.items():
        if path.startswith(FOLDER) and profiles.in_force(root, str(uuid.uuid5(_SPACE, _interface_of(path)))):
            silent = match.text_of(f"{root}/{path}").replace("[connection]\n", "[connection]\nautoconnect=false\n", 1)
            if text is not None or ends:
                found[path] = silent if text is None else text
    return found


def _interface_of(path: str) -> str:
    return os.path.basename(path).removeprefix("saltern-").removesuffix(".nmconnection")


def owners(root: str, name: str) -> Iterator[Owner]:
    """Profiles of others for the interface NAME."""
    for path in profiles.named(root, name):
        yield Owner(manager=MANAGER, file=f"/{path}")
