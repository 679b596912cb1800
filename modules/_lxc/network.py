"""What a user says of a container's interfaces, as lines of lxc.container.conf(5). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from modules._lxc.config import LxcError, Pair, Section, pairs, values
from modules._lxc.wish import check_keys, listed
from modules._network import netvalues as net
from saltern.errors import nearest

KEYS = (
    *("type", "bridge", "parent", "vlan", "tagged", "address", "gateway", "mac", "hwaddr", "name", "mtu", "pair"),
    *("mode",),
)
TYPES = ("veth", "macvlan", "phys", "empty")
MODES = ("private", "vepa", "bridge", "passthru")  # of a macvlan
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def network_section(interfaces: Sequence[Mapping[str, Any]], known: Sequence[Pair], seed: str) -> Section:
    """The lines of `lxc.net` for INTERFACES; none of them: the container has the loopback only.

    An interface without `mac` keeps the one that it has in KNOWN, the lines that are there; a new one gets one made of
    SEED, so that it stays the same at every start and differs between nodes.
    """
    if not interfaces:
        return Section("tree", "lxc.net", (("lxc.net.0.type", "empty"),))
    lines: list[Pair] = []
    for index, one in enumerate(interfaces):
        base = f"lxc.net.{index}"
        kept = dict(known).get(f"{base}.hwaddr", "").lower()
        default = kept if _MAC.fullmatch(kept) else made_hwaddr(f"{seed}/{index}")
        lines += [(f"{base}.{key}", value) for key, value in _interface(one, default)]
    _refuse_twice(lines)
    return Section("tree", "lxc.net", tuple(lines))


def made_hwaddr(seed: str) -> str:
    """A MAC address of the range that LXC itself uses (00:16:3e), made of SEED."""
    import hashlib

    digest = hashlib.sha256(seed.encode()).digest()
    return "00:16:3e:" + ":".join(f"{byte:02x}" for byte in digest[:3])


def hwaddr(value: object) -> str:
    """A MAC address in small letters; LxcError for a group address, since no interface can have it."""
    text = value.lower() if isinstance(value, str) else ""
    if not _MAC.fullmatch(text) or int(text[:2], 16) & 1 or text == "00:00:00:00:00:00":
        raise LxcError(f"not the MAC address of an interface: {value!r}; write it like 00:16:3e:12:34:56, in quotes")
    return text


def _interface(one: Mapping[str, Any], default_mac: str) -> list[Pair]:
    check_keys(one, KEYS, "network interface")
    kind = one.get("type", "veth")
    if kind == "none":
        raise LxcError("an interface of type none is the node's own network; a shutdown inside would be the node's")
    if kind not in TYPES:
        raise LxcError(f"not a type of a network interface: {kind!r}.{nearest(str(kind), TYPES)}")
    lines = [("type", str(kind)), *_link(one, str(kind)), ("flags", "up")]
    if kind == "empty":
        return lines[:1]
    if one.get("name") is not None:
        lines.append(("name", net.interface_name(one["name"])))
    if one.get("mac") is not None and one.get("hwaddr") is not None:
        raise LxcError("mac and hwaddr of an interface are the same: give one of them")
    mac = one.get("mac", one.get("hwaddr"))
    if kind != "phys" or mac is not None:  # what comes from the node keeps its own
        lines.append(("hwaddr", default_mac if mac is None else hwaddr(mac)))
    if one.get("mtu") is not None:
        lines.append(("mtu", str(net.mtu(one["mtu"]))))
    return lines + _veth(one, str(kind)) + _addresses(one)


def _link(one: Mapping[str, Any], kind: str) -> list[Pair]:
    """The link of the node that the interface is at, and how."""
    key = {"veth": "bridge", "empty": ""}.get(kind, "parent")
    for other in {"bridge", "parent", "mode"} - {key} - ({"mode"} if kind == "macvlan" else set()):
        if one.get(other) is not None:
            raise LxcError(f"a network interface of type {kind} has no {other}: {dict(one)!r}")
    if not key:
        return []
    if one.get(key) is None:
        raise LxcError(f"a network interface of type {kind} needs its {key}: {dict(one)!r}")
    lines = [("link", net.interface_name(one[key], key))]
    if kind == "macvlan":
        mode = one.get("mode", "bridge")
        if mode not in MODES:
            raise LxcError(f"not a mode of a macvlan: {mode!r}.{nearest(str(mode), MODES)}")
        lines.append(("macvlan.mode", str(mode)))
    return lines


def _veth(one: Mapping[str, Any], kind: str) -> list[Pair]:
    given = {key: one[key] for key in ("pair", "vlan", "tagged") if one.get(key) is not None}
    if given and kind != "veth":
        raise LxcError(f"a network interface of type {kind} has no {next(iter(given))}: {dict(one)!r}")
    lines = [("veth.pair", net.interface_name(given["pair"]))] if "pair" in given else []
    if "vlan" in given:
        lines.append(("veth.vlan.id", str(net.vlan_id(given["vlan"]))))
    tagged = [net.vlan_id(number) for number in listed(given.get("tagged"))]
    if len(set(tagged)) < len(tagged) or ("vlan" in given and net.vlan_id(given["vlan"]) in tagged):
        raise LxcError(f"an interface is in each VLAN once, tagged or not: {dict(one)!r}")
    return lines + [("veth.vlan.tagged.id", str(number)) for number in sorted(tagged)]


def _addresses(one: Mapping[str, Any]) -> list[Pair]:
    addresses = [net.interface_address(address) for address in listed(one.get("address"))]
    net.interface_addresses(addresses)  # the same one with two prefix lengths is refused
    lines = [(f"ipv{_version(address)}.address", address) for address in addresses]
    seen: set[int] = set()
    for given in listed(one.get("gateway")):
        gateway = net.gateway_address(given, [a for a in addresses if _version(a) == _version(str(given))])
        version = _version(gateway)
        if version in seen:
            raise LxcError(f"an interface has one IPv{version} gateway, not two: {one['gateway']!r}")
        seen.add(version)
        lines.append((f"ipv{version}.gateway", gateway))
    return lines


def _refuse_twice(lines: Sequence[Pair]) -> None:
    """No address, MAC or interface name may be given to two interfaces of one container."""
    owners: dict[tuple[str, str], str] = {}
    for key, value in lines:
        index, _, field = key.removeprefix("lxc.net.").partition(".")
        if field in ("name", "hwaddr", "veth.pair", "ipv4.address", "ipv6.address"):
            plain = value.partition("/")[0]
            if owners.setdefault((field, plain), index) != index:
                raise LxcError(f"two network interfaces have the same {field}: {plain}")


def links(section: Section) -> list[str]:
    """The links of the node that the interfaces of SECTION are at, each once."""
    return list(dict.fromkeys(value for key, value in section.pairs if key.endswith(".link")))


def filtered(section: Section) -> list[str]:
    """The bridges that must filter VLANs, since an interface of SECTION is in one."""
    numbers = {key.split(".")[2] for key, _ in section.pairs if ".veth.vlan." in key}
    return list(dict.fromkeys(v for k, v in section.pairs if k.endswith(".link") and k.split(".")[2] in numbers))


def taken(section: Section, others: Mapping[str, str]) -> str | None:
    """Which address of SECTION another container has on the same link, in words; OTHERS: their configurations by name.
    None where each is free."""
    mine = _owned(section.pairs)
    for name, text in others.items():
        for link, address in _owned([(key, v) for key in _net_keys(text) for v in values(text, key)]):
            if (link, address) in mine:
                return f"the address {address} on {link} is that of the container {name} already"
    return None


def _owned(pairs: Sequence[Pair]) -> set[tuple[str, str]]:
    """Each address, with the link that it is at."""
    at = {key.split(".")[2]: value for key, value in pairs if key.startswith("lxc.net.") and key.endswith(".link")}
    found = set()
    for key, value in pairs:
        if key.startswith("lxc.net.") and key.endswith((".ipv4.address", ".ipv6.address")):
            found.add((at.get(key.split(".")[2], ""), value.split()[0].partition("/")[0]))
    return found


def _net_keys(text: str) -> list[str]:
    return list(dict.fromkeys(key for key, _ in pairs(text) if key.startswith("lxc.net.")))


def _version(address: str) -> int:
    return 6 if ":" in address else 4
