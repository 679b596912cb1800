"""Networks kept by ifupdown: interfaces(5).

Each state has one file in /etc/network/interfaces.d. An interface may have several stanzas, so addresses and routes of
other states stand beside those of what makes it; the files' names put them behind it. Links are made by ip(8) in
`pre-up`, so that no further package is needed, and stay at `ifdown`: guests may hang on them. What a link needs is
brought up first by ifup(8) itself, whatever the order of the files is.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modules._persist.keep import (
    CREATED,
    MARK,
    Keep,
    Owner,
    PersistError,
    inexpressible,
    numbers,
    plain,
    unknown_options,
)
from modules._persist.match import text_of

MANAGER = "ifupdown"
UNITS: tuple[str, ...] = ("networking.service",)
MAIN = "etc/network/interfaces"
FOLDER = "etc/network/interfaces.d"
MODE = 0o644
_MAX_DEPTH = 5  # of `source` lines that name further files


def number(value: Any) -> str:
    """A number or a boolean as ip-link(8) takes it."""
    return str(int(value)) if isinstance(value, bool) or value == int(value) else str(value)


def _hundredths(value: Any) -> str:
    return str(round(value * 100))


# What a kind's options are called on ip-link(8)'s command line, and how their values are written.
_OPTIONS: Mapping[str, Mapping[str, tuple[str, Any]]] = {
    "bridge": {
        "stp": ("stp_state", number),
        "forward_delay": ("forward_delay", _hundredths),
        "hello_time": ("hello_time", _hundredths),
        "max_age": ("max_age", _hundredths),
        "ageing_time": ("ageing_time", _hundredths),
        "priority": ("priority", number),
        "vlan_filtering": ("vlan_filtering", number),
        "vlan_default_pvid": ("vlan_default_pvid", number),
        "multicast_snooping": ("mcast_snooping", number),
        "group_fwd_mask": ("group_fwd_mask", number),
    },
    "bond": {
        "mode": ("mode", str),
        "miimon": ("miimon", number),
        "lacp_rate": ("lacp_rate", str),
        "xmit_hash_policy": ("xmit_hash_policy", str),
        "min_links": ("min_links", number),
        "updelay": ("updelay", number),
        "downdelay": ("downdelay", number),
        "ad_select": ("ad_select", str),
        "primary_reselect": ("primary_reselect", str),
        "fail_over_mac": ("fail_over_mac", str),
        "arp_interval": ("arp_interval", number),
        "arp_ip_target": ("arp_ip_target", ",".join),
        "arp_validate": ("arp_validate", str),
        "primary": ("", lambda member: ""),  # said once it is a member
    },
    "vlan": {"protocol": ("protocol", str), "id": ("id", number)},
    "macvlan": {"mode": ("mode", str)},
    "vxlan": {
        "id": ("id", number),
        "remote": ("remote", str),
        "group": ("group", str),
        "local": ("local", str),
        "port": ("dstport", number),
        "learning": ("", lambda learns: "learning" if learns else "nolearning"),
        "ttl": ("ttl", number),
        "tos": ("tos", number),
        "source_ports": ("srcport", "{0[0]} {0[1]}".format),
    },
    "veth": {"peer": ("peer name", str)},
    "link": {},
    "address": {},
    "route": {},
}
_PORT_OPTIONS = ("cost", "priority", "isolated", "hairpin", "learning", "guard", "root_block")
_FLAGS = _PORT_OPTIONS[2:]


def path_of(kind: str, name: str) -> str:
    """The file of the state KIND of NAME. What adds to an interface sorts behind all that makes one."""
    return f"{FOLDER}/saltern-{kind}-{name}" if kind in CREATED else f"{FOLDER}/saltern-with-{kind}-{name}"


def render(keep: Keep) -> dict[str, str]:
    """The text that keeps KEEP, by path. Pure."""
    unknown_options(keep, _OPTIONS[keep.kind], dict.fromkeys(_PORT_OPTIONS), MANAGER)
    name = plain(keep.interface)
    lines = [f"# {MARK}", f"auto {name}"]
    commands = [*_making(keep), *_setting(keep)]
    if commands or not keep.addresses:
        lines += [f"iface {name} inet manual", *(f"    {command}" for command in commands)]
    for address in keep.addresses:
        lines += [f"iface {name} {_family(address)} static", f"    address {address}"]
        if ":" in address:
            lines.append("    dad-attempts 0")  # boot waits for no neighbours
        if keep.gateway and _gateway_at(keep) == address:
            lines.append(f"    gateway {keep.gateway}")
    if keep.gateway and _gateway_at(keep) is None:
        family = "-6" if ":" in keep.gateway else "-4"
        lines += [
            f"iface {name} inet manual",
            f"    up ip {family} route replace default via {keep.gateway} dev {name}",
        ]
    return {path_of(keep.kind, keep.name): "\n".join(lines) + "\n"}


def _family(address: str) -> str:
    return "inet6" if ":" in address else "inet"


def _gateway_at(keep: Keep) -> str | None:
    """The address whose stanza has the gateway: the last of its family, so that its network is there."""
    same = [address for address in keep.addresses if keep.gateway and (":" in address) == (":" in keep.gateway)]
    return same[-1] if same else None


def _making(keep: Keep) -> Iterator[str]:
    """What makes the interface where it is not there, from what it stands on."""
    if not keep.creates:
        return
    name = keep.interface
    for other in (*keep.parts, *([keep.parent] if keep.parent else [])):
        yield f"pre-up ifup {plain(other)} 2>/dev/null || true"
    if keep.parent:
        yield f"pre-up ip link set dev {keep.parent} up"
    words = _OPTIONS[keep.kind]
    given = [
        text for option, value in _sorted(keep) if (text := f"{words[option][0]} {words[option][1](value)}".strip())
    ]
    on = f"link {plain(keep.parent)} " if keep.parent and keep.kind != "vxlan" else ""
    given += [f"dev {keep.parent}"] if keep.parent and keep.kind == "vxlan" else []
    made = " ".join([f"ip link add {on}name {name} type {keep.kind}", *given])
    if keep.kind == "vlan":
        # ifup(8) itself makes a VLAN of what is named like one (eno1.43), whatever its parent, id and protocol are.
        protocol = {"802.1q": "802.1Q"}.get(keep.options.get("protocol", "802.1q"), "802.1ad")
        tag = f" {name}@{keep.parent}: .* vlan protocol {protocol} id {keep.options['id']} "
        yield f"pre-up ip -o -d link show dev {name} 2>/dev/null | grep -q '{tag}' || ip link delete dev {name} || true"
    elif re.search(r"\.\d+$", name):
        raise inexpressible(MANAGER, f"the {keep.kind} {name}, of whose name it would make a VLAN,")
    yield f"pre-up ip link show dev {name} >/dev/null 2>&1 || {made}"


def _sorted(keep: Keep) -> Sequence[tuple[str, Any]]:
    """The options in the order of their table, in which ip-link(8) takes them."""
    return [(option, keep.options[option]) for option in _OPTIONS[keep.kind] if option in keep.options]


def _setting(keep: Keep) -> Iterator[str]:
    """What the interface is set to, its ports and its route."""
    name = keep.interface
    if keep.mac:
        set_mac = f"ip link set dev {name} address {keep.mac}"
        busy = f"ip link set dev {name} down && {set_mac} && ip link set dev {name} up"  # some drivers want it down
        yield f"pre-up {set_mac} 2>/dev/null || {{ {busy}; }}"
    if keep.mtu and keep.kind != "bond":
        yield f"pre-up ip link set dev {name} mtu {keep.mtu}"
    if keep.kind == "bond":
        for part in keep.parts:
            yield f"pre-up ip link set dev {part} down && ip link set dev {part} master {name} || true"
    if keep.kind == "bond" and "primary" in keep.options:
        yield f"pre-up ip link set dev {name} type bond primary {plain(keep.options['primary'])} || true"
    if keep.mtu and keep.kind == "bond":
        yield f"pre-up ip link set dev {name} mtu {keep.mtu}"
    if keep.creates or (keep.up and keep.kind == "link"):
        yield f"up ip link set dev {name} up"
    if keep.up is False:
        yield f"up ip link set dev {name} down"
    if keep.kind == "bridge":
        for part in keep.parts:
            yield f"up ip link set dev {part} master {name} && ip link set dev {part} up || true"
        for port in (name, *keep.parts):
            yield from _port(keep, port)
    if keep.kind == "veth" and isinstance(keep.options.get("peer"), str):
        mtu = f" mtu {keep.mtu}" if keep.mtu else ""
        yield f"up ip link set dev {plain(keep.options['peer'])}{mtu} up || true"
    if keep.route:
        yield f"up {_route(keep)}"


def _port(keep: Keep, port: str) -> Iterator[str]:
    """What a bridge's PORT, or the bridge itself, is set to."""
    for option, value in sorted(keep.port_options.get(port, {}).items()):
        shown = ("on" if value else "off") if option in _FLAGS else str(value)
        yield f"up ip link set dev {port} type bridge_slave {option} {shown} || true"
    if port not in keep.vlans:
        return
    vlans, own = keep.vlans[port], " self" if port == keep.interface else ""
    yield f"up bridge vlan delete dev {port} vid 1-4094{own} 2>/dev/null || true"
    for one in vlans.tagged:
        yield f"up bridge vlan add dev {port} vid {one}{own} || true"
    for one in vlans.untagged:
        yield f"up bridge vlan add dev {port} vid {one} untagged{own} || true"
    if vlans.pvid is not None:
        how = "" if vlans.pvid not in numbers(vlans.untagged) else " untagged"
        yield f"up bridge vlan add dev {port} vid {vlans.pvid} pvid{how}{own} || true"


def _route(keep: Keep) -> str:
    assert keep.route is not None
    route = keep.route
    words = ["ip", "-6" if ":" in route.destination else "-4", "route replace", route.destination]
    words += [f"via {route.gateway}"] if route.gateway else []
    words += [f"dev {keep.interface}"]
    words += [f"metric {route.metric}"] if route.metric is not None else []
    words += [f"table {route.table}"] if route.table is not None else []
    return " ".join([*words, "proto static"])


def wished(root: str, keep: Keep) -> dict[str, str]:
    """The text that keeps KEEP on the node below ROOT. PersistError where /etc/network/interfaces would not read it."""
    texts = render(keep)
    for path in texts:
        if f"/{path}" not in _sources(root):
            raise PersistError(
                f"/{MAIN} does not read /{FOLDER}: add the line `source /{FOLDER}/*` to it, or give `persist: saltern`"
            )
    return texts


def owned(root: str, kind: str, name: str) -> Iterator[str]:
    """The file that is there of the state KIND of NAME."""
    path = path_of(kind, name)
    if os.path.lexists(f"{root}/{path}"):
        yield path


def names(root: str, kind: str) -> Iterator[str]:
    """The names of the states of KIND that have a file."""
    start = f"{root}/{path_of(kind, '')}"
    for path in sorted(glob.glob(f"{glob.escape(start)}*")):
        yield path.removeprefix(start)


def owners(root: str, name: str) -> Iterator[Owner]:
    """Files of others that have a stanza for the interface NAME."""
    for path, text in _files(root, MAIN):
        if not path.startswith(f"{FOLDER}/saltern-") and name in interfaces_of(text):
            yield Owner(manager=MANAGER, file=f"/{path}")


def interfaces_of(text: str) -> frozenset[str]:
    """The interfaces that have a stanza in TEXT."""
    words = [line.split() for line in text.replace("\\\n", " ").splitlines()]
    return frozenset(line[1] for line in words if len(line) > 1 and line[0] == "iface")


class _Sources:
    """The patterns of files that /etc/network/interfaces reads, asked by `in`."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = patterns

    def __contains__(self, path: str) -> bool:
        from fnmatch import fnmatchcase

        return any(fnmatchcase(path, pattern) for pattern in self._patterns)


def _sources(root: str) -> _Sources:
    return _Sources([f"/{pattern}" for _, text in _files(root, MAIN) for pattern in sources_of(text)])


def sources_of(text: str) -> list[str]:
    """The patterns of the files that the lines `source` of TEXT name, relative to the root."""
    words = [line.split() for line in text.replace("\\\n", " ").splitlines()]
    found = [pattern for line in words if line and line[0] == "source" for pattern in line[1:]]
    return [(pattern if pattern.startswith("/") else f"/etc/network/{pattern}").lstrip("/") for pattern in found]


def _files(root: str, path: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """The file PATH below ROOT and those that it sources: (path, text). What was made here is not read."""
    text = text_of(f"{root}/{path}")
    yield path, text
    if depth == _MAX_DEPTH:
        return
    for pattern in sources_of(text):
        for found in sorted(glob.glob(f"{root}/{pattern}")):
            inner = found.removeprefix(f"{root}/")
            if not inner.startswith(f"{FOLDER}/saltern-"):
                yield from _files(root, inner, depth + 1)
