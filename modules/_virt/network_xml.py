"""Virtual networks as libvirt's XML has them (libvirt.org, "Network XML format"). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import TYPE_CHECKING, Any

from modules._network.netvalues import BadValue, interface_name
from modules._seed.values import MTU, SeedError, hostname, listed, mac
from modules._virt import xml as virt_xml
from modules._virt.pool_xml import name_of
from saltern.errors import PermanentError, nearest

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

FORWARDS = ("bridge", "nat", "route", "open", "isolated")
_IP_KEYS = ("cidr", "dhcp_ranges", "hosts")
_VLANS = range(1, 4095)


class NetworkError(PermanentError, ValueError):
    """A virtual network can't be as asked for; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Subnet:
    """An address that the node has on the network, and what its DHCP gives: RANGES as (first, last), HOSTS as
    (MAC, address, name or "")."""

    address: str  # with its prefix length
    ranges: tuple[tuple[str, str], ...] = ()
    hosts: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Portgroup:
    """A named kind of port. TAGS: its VLANs; TRUNK: they are tagged in the guest."""

    name: str
    default: bool = False
    tags: tuple[int, ...] = ()
    trunk: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """What a network is. None: libvirt's to choose, or not there."""

    forward: str
    bridge: str | None = None
    vport: str | None = None
    tags: tuple[int, ...] = ()
    trunk: bool = False
    portgroups: tuple[Portgroup, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    domain: str | None = None
    mtu: int | None = None


def definition(
    *,
    forward: str,
    bridge: str | None,
    vport: str | None,
    tag: int | Sequence[int] | None,
    portgroups: Sequence[Mapping[str, Any]],
    ipv4_config: Mapping[str, Any] | None,
    ipv6_config: Mapping[str, Any] | None,
    domain: str | None,
    mtu: int | None,
) -> Definition:
    """What the arguments of a state mean. NetworkError where they don't fit together."""
    if forward not in FORWARDS:
        raise NetworkError(f"forward: there is no {forward!r}.{nearest(forward, FORWARDS)} ({', '.join(FORWARDS)})")
    if bridge is not None:
        _said(interface_name, bridge, "bridge")
    tags = _tags(tag, "tag")
    given = [(config, version) for config, version in ((ipv4_config, 4), (ipv6_config, 6)) if config]
    if forward == "bridge":
        if bridge is None:
            raise NetworkError("forward: bridge needs the `bridge` of the node that the guests' ports join")
        if given or domain is not None:
            raise NetworkError("a network on a bridge of the node has no addresses, DHCP or domain of its own")
        if mtu is not None:
            raise NetworkError("the MTU of a network on a bridge of the node is the bridge's own: set it there")
    elif vport is not None or tags:
        raise NetworkError(f"vport and tag go with forward: bridge, not with {forward}")
    if vport is None and tags:
        raise NetworkError(
            "tag: libvirt sets VLANs on ports of Open vSwitch alone (vport: openvswitch); on a bridge that filters, "
            "name a bridge of that VLAN, or give the VLAN with the guest's interface"
        )
    if vport not in (None, "openvswitch"):
        raise NetworkError(f"vport: there is no {vport!r} here (openvswitch)")
    groups = tuple(_portgroup(one) for one in portgroups)
    if sum(group.default for group in groups) > 1:
        raise NetworkError("portgroups: only one can be the default")
    if mtu is not None and mtu not in MTU:
        raise NetworkError(f"mtu: {mtu} is none ({MTU.start}-{MTU.stop - 1})")
    if domain is not None:
        _said(hostname, domain, "domain")
    subnets = tuple(_subnet(config, version) for config, version in given)
    return Definition(forward, bridge, vport, tags, len(tags) > 1, groups, subnets, domain, mtu)


def _tags(given: object, what: str) -> tuple[int, ...]:
    tags = tuple(listed(given))
    for one in tags:
        if not isinstance(one, int) or isinstance(one, bool) or one not in _VLANS:
            raise NetworkError(f"{what}: {one!r} is no VLAN (1-4094)")
    return tags


def _said(function: Any, value: object, what: str) -> Any:
    try:
        return function(value, what)
    except (SeedError, BadValue) as error:
        raise NetworkError(str(error)) from None


def _portgroup(given: Mapping[str, Any]) -> Portgroup:
    known = ("name", "default", "tag", "trunk")
    if not isinstance(given, Mapping) or not isinstance(given.get("name"), str):
        raise NetworkError("portgroups: each is a mapping with a `name`")
    for key in given:
        if key not in known:
            raise NetworkError(f"portgroups: there is no {key!r}.{nearest(str(key), known)}")
    tags = _tags(given.get("tag"), f"portgroups: {given['name']}")
    trunk = bool(given.get("trunk", len(tags) > 1))
    return Portgroup(name_of(given["name"], "portgroup"), bool(given.get("default", False)), tags, trunk)


def _subnet(given: Mapping[str, Any], version: int) -> Subnet:
    what = f"ipv{version}_config"
    for key in given:
        if key not in _IP_KEYS:
            raise NetworkError(f"{what}: there is no {key!r}.{nearest(str(key), _IP_KEYS)}")
    try:
        own = ip_interface(str(given["cidr"]))
    except (KeyError, ValueError):
        own = None
    if own is None or own.version != version or "/" not in str(given["cidr"]) or own.ip == own.network.network_address:
        raise NetworkError(
            f"{what}: `cidr` is the node's own IPv{version} address with its prefix length, as 10.0.0.1/24"
        )
    ranges = tuple(_range(one, own, what) for one in listed(given.get("dhcp_ranges")))
    if version == 6 and given.get("hosts"):
        raise NetworkError(f"{what}: DHCPv6 knows guests by a DUID, not by a MAC: `hosts` are for ipv4_config")
    hosts = tuple(_host(one, own, what) for one in listed(given.get("hosts")))
    return Subnet(str(own), ranges, hosts)


def _range(given: Any, own: IPv4Interface | IPv6Interface, what: str) -> tuple[str, str]:
    if not isinstance(given, Mapping) or set(given) != {"start", "end"}:
        raise NetworkError(f"{what}: dhcp_ranges: each is a mapping of `start` and `end`")
    start, end = (_inside(given[key], own, what) for key in ("start", "end"))
    if int(ip_address(start)) > int(ip_address(end)):
        raise NetworkError(f"{what}: the range {start} - {end} ends before it begins")
    return start, end


def _host(given: Any, own: IPv4Interface | IPv6Interface, what: str) -> tuple[str, str, str]:
    if not isinstance(given, Mapping) or not {"mac", "ip"} <= set(given) <= {"mac", "ip", "name"}:
        raise NetworkError(f"{what}: hosts: each is a mapping of `mac` and `ip`, and `name` where it has one")
    name = _said(hostname, str(given["name"]), f"{what}: hosts") if "name" in given else ""
    return _said(mac, given["mac"], f"{what}: hosts"), _inside(given["ip"], own, what), name


def _inside(text: object, own: IPv4Interface | IPv6Interface, what: str) -> str:
    try:
        address = ip_address(str(text))
    except ValueError:
        raise NetworkError(f"{what}: not an IP address: {text!r}") from None
    if address not in own.network or address == own.ip:
        raise NetworkError(f"{what}: {address} is not a guest's address in {own.network}")
    return str(address)


def read(xml: str) -> Definition:
    """The definition in the XML of a network."""
    root = virt_xml.parse(xml)
    mtu = virt_xml.at(root, "mtu", "size")
    tags, trunk = _read_tags(root)
    return Definition(
        forward=(virt_xml.at(root, "forward", "mode") or "nat") if root.find("forward") is not None else "isolated",
        bridge=virt_xml.at(root, "bridge", "name"),
        vport=virt_xml.at(root, "virtualport", "type"),
        tags=tags,
        trunk=trunk,
        portgroups=tuple(_read_portgroup(group) for group in root.findall("portgroup")),
        subnets=tuple(_read_subnet(one) for one in root.findall("ip")),
        domain=virt_xml.at(root, "domain", "name"),
        mtu=int(mtu) if mtu else None,
    )


def _read_tags(parent: Element) -> tuple[tuple[int, ...], bool]:
    tags = tuple(int(tag.get("id", "0")) for tag in parent.findall("vlan/tag"))
    return tags, virt_xml.at(parent, "vlan", "trunk") == "yes" or len(tags) > 1


def _read_portgroup(group: Element) -> Portgroup:
    tags, trunk = _read_tags(group)
    return Portgroup(group.get("name", ""), group.get("default") == "yes", tags, trunk)


def _read_subnet(one: Element) -> Subnet:
    address, prefix = one.get("address", ""), one.get("prefix") or one.get("netmask") or ""
    return Subnet(
        str(ip_interface(f"{address}/{prefix}" if prefix else address)),
        tuple((found.get("start", ""), found.get("end", "")) for found in one.findall("dhcp/range")),
        tuple(
            (found.get("mac", "").lower(), found.get("ip", ""), found.get("name", ""))
            for found in one.findall("dhcp/host")
        ),
    )


def same(current: Definition, wish: Definition) -> Definition:
    """CURRENT, with what WISH leaves to libvirt (the name of a bridge that it makes itself) as WISH has it."""
    return replace(
        current,
        bridge=current.bridge if wish.bridge is not None else None,
        domain=current.domain if wish.domain is not None else None,
        mtu=current.mtu if wish.mtu is not None else None,
    )


def write(name: str, wish: Definition, old: str | None = None) -> str:
    """The XML of the network NAME. What OLD, its present XML, says besides (its UUID and MAC, DNS, …) stays."""
    root = virt_xml.parse(old) if old else virt_xml.made("network")
    root.attrib.pop("connections", None)
    virt_xml.put(root, "name", name)
    present = virt_xml.at(root, "forward", "mode") if root.find("forward") is not None else "isolated"
    if present != wish.forward or root.find("forward") is None:
        virt_xml.replace(
            root, "forward", [virt_xml.made("forward", mode=wish.forward)] if wish.forward != "isolated" else []
        )
        if old:  # of another kind: its bridge, MAC and addresses were the other one's
            for tag in ("bridge", "mac", "domain"):
                virt_xml.drop(root, tag)
    if wish.bridge is not None:
        bridge = virt_xml.ensure(root, "bridge")
        bridge.set("name", wish.bridge)
        if wish.forward == "bridge":
            bridge.attrib = {"name": wish.bridge}
    virt_xml.replace(root, "virtualport", [virt_xml.made("virtualport", type=wish.vport)] if wish.vport else [])
    virt_xml.replace(root, "vlan", _vlan(wish.tags, wish.trunk))
    virt_xml.replace(root, "portgroup", [_write_portgroup(group) for group in wish.portgroups])
    if wish.mtu is not None:
        virt_xml.replace(root, "mtu", [virt_xml.made("mtu", size=str(wish.mtu))])
    if wish.domain is not None:
        virt_xml.ensure(root, "domain").set("name", wish.domain)
    virt_xml.replace(root, "ip", [_write_subnet(one) for one in wish.subnets])
    return virt_xml.written(root)


def _vlan(tags: Sequence[int], trunk: bool) -> list[Element]:
    if not tags:
        return []
    vlan = virt_xml.made("vlan", trunk="yes" if trunk else None)
    vlan.extend(virt_xml.made("tag", id=str(tag)) for tag in tags)
    return [vlan]


def _write_portgroup(group: Portgroup) -> Element:
    made = virt_xml.made("portgroup", name=group.name, default="yes" if group.default else None)
    made.extend(_vlan(group.tags, group.trunk))
    return made


def _write_subnet(one: Subnet) -> Element:
    own = ip_interface(one.address)
    made = virt_xml.made("ip", family=f"ipv{own.version}", address=str(own.ip), prefix=str(own.network.prefixlen))
    if one.ranges or one.hosts:
        dhcp = virt_xml.ensure(made, "dhcp")
        dhcp.extend(virt_xml.made("range", start=start, end=end) for start, end in one.ranges)
        for hardware, address, name in one.hosts:
            dhcp.append(virt_xml.made("host", mac=hardware, ip=address, name=name or None))
    return made
