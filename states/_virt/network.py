"""Virtual networks of libvirt: a part of the states `virt`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from modules._virt import hypervisor
from modules._virt import network as virt_network
from modules._virt import network_xml as xml
from modules._virt.hypervisor import LibvirtUnavailable
from modules._virt.kept import Kept
from modules._virt.network_xml import Definition
from modules._virt.pool_xml import name_of
from saltern.context import Context
from saltern.converge.plan import UNSET, Plan, Step, Unset
from saltern.converge.state import check, state
from saltern.errors import nearest
from states._virt import kept as virt_kept
from states._virt.kept import Kind

Forward = Literal["bridge", "nat", "route", "open", "isolated"]


NETWORK = Kind(
    "network",
    virt_network.define,
    virt_network.undefine,
    virt_network.start,
    virt_network.stop,
    virt_network.set_autostart,
)


@dataclass(frozen=True, slots=True)
class Wanted(virt_kept.Wanted[Definition]):
    """A network as it is, or as it should be."""


@state
def network_running(
    ctx: Context,
    name: str,
    *,
    forward: Forward,
    bridge: str | None = None,
    vport: str | None = None,
    tag: int | Sequence[int] | None = None,
    portgroups: Sequence[Mapping[str, Any]] = (),
    ipv4_config: Mapping[str, Any] | None = None,
    ipv6_config: Mapping[str, Any] | None = None,
    domain: str | None = None,
    mtu: int | None = None,
    autostart: bool = True,
    restart: Literal["never", "if-needed"] = "never",
) -> Plan:
    """The virtual network NAME is defined like this and runs.

    forward: `bridge` (guests join a bridge of the node), `nat`, `route`, `open` or `isolated` (a bridge of libvirt's).
    bridge: the node's bridge; for the others the name of the bridge that libvirt makes.
    vport, tag: `openvswitch`, and the VLAN of its ports; a list is a trunk.
    portgroups: each with `name`, `default`, `tag` (one VLAN or a list), `trunk`.
    ipv4_config, ipv6_config: `cidr` (the node's own address there, 10.0.0.1/24), `dhcp_ranges` (each with `start` and
        `end`), and `hosts` (each with `mac`, `ip`, `name`; IPv4).
    domain, mtu: of the network. autostart: whether it starts with the node.
    restart: a running network takes a new definition at its next start; `if-needed` stops and starts it for that, but
        not under guests.
    """
    wish = _definition(locals())
    return _network(ctx, name, Wanted(wish, True, autostart, False if restart == "if-needed" else UNSET))


@state
def network_defined(
    ctx: Context,
    name: str,
    *,
    forward: Forward,
    bridge: str | None = None,
    vport: str | None = None,
    tag: int | Sequence[int] | None = None,
    portgroups: Sequence[Mapping[str, Any]] = (),
    ipv4_config: Mapping[str, Any] | None = None,
    ipv6_config: Mapping[str, Any] | None = None,
    domain: str | None = None,
    mtu: int | None = None,
    autostart: bool | Unset = UNSET,
) -> Plan:
    """The virtual network NAME is defined like this; whether it runs is left alone. The arguments are those of
    `virt.network_running`."""
    wish = _definition(locals())
    return _network(ctx, name, Wanted(wish, UNSET, autostart))


@state
def network_absent(ctx: Context, name: str) -> Plan:
    """libvirt has no network NAME. One that a running guest is on is left alone."""
    name_of(name, "network")
    uri = hypervisor.uri_of(ctx)
    try:
        found = virt_network.get(uri, name)
        if found is None:
            return Plan(None, None, comment=f"there is no network {name}")
        current = Wanted(xml.read(found.definition), found.running is not None)
        if found.running is not None and (using := virt_network.users(uri, name)):
            return Plan(current, None, unknown=f"the network {name} is in use by {', '.join(using)}")
    except LibvirtUnavailable as error:
        return Plan(None, None, unknown=str(error))
    return Plan(current, None, virt_kept.going(NETWORK, name, found, uri))


@check(of=network_running)
def _running_arguments(name: str, **given: Any) -> None:
    _checked(name, given)


@check(of=network_defined)
def _defined_arguments(name: str, **given: Any) -> None:
    _checked(name, given)


@check(of=network_absent)
def _absent_arguments(name: str) -> None:
    name_of(name, "network")


def _checked(name: str, given: Mapping[str, Any]) -> None:
    name_of(name, "network")
    _definition(given)


def _definition(given: Mapping[str, Any]) -> Definition:
    """What the arguments of a state (among GIVEN) mean. NetworkError where they don't fit together."""
    words = ("bridge", "vport", "tag", "ipv4_config", "ipv6_config", "domain", "mtu")
    arguments = {word: given.get(word) for word in words}
    return xml.definition(forward=given["forward"], portgroups=given.get("portgroups", ()), **arguments)


def _network(ctx: Context, name: str, wish: Wanted) -> Plan:
    name_of(name, "network")
    uri, definition = hypervisor.uri_of(ctx), wish.definition
    assert isinstance(definition, Definition)
    try:
        found = virt_network.get(uri, name)
        if found is not None and not found.persistent:
            why = f"the network {name} is transient: stop it (virt.network_stop) to define it"
            return Plan(None, wish, unknown=why)
        current = _current(found, definition)
        if current is not None and current.outdated and wish.outdated is False:
            using = virt_network.users(uri, name)
            if using:
                why = f"the network {name} is in use by {', '.join(using)}, so it is not restarted"
                return Plan(current, wish, unknown=why)
    except LibvirtUnavailable as error:
        return Plan(None, wish, unknown=str(error))
    if definition.forward == "bridge" and (missing := _missing_bridge(definition.bridge or "")) is not None:
        return Plan(current, wish, unknown=missing)
    new = xml.write(name, definition, found.definition if found else None)
    old = current is not None and current.outdated is True and current.definition == definition
    comment = f"{name} runs by an older definition, until its next start" if old else None
    return Plan(current, wish, steps(name, current, wish, new, uri), comment=comment)


def _current(found: Kept | None, wish: Definition) -> Wanted | None:
    if found is None:
        return None
    live = xml.same(xml.read(found.running), wish) if found.running is not None else None
    return Wanted(
        xml.same(xml.read(found.definition), wish),
        found.running is not None,
        found.autostart,
        live is not None and live != wish,
    )


def _missing_bridge(bridge: str) -> str | None:
    """Why the node's BRIDGE can't be joined, with the nearest that there is; None where it is there."""
    import socket

    there = [link for _, link in socket.if_nameindex()]
    return None if bridge in there else f"there is no bridge {bridge!r} on this node.{nearest(bridge, there)}"


def steps(name: str, current: Wanted | None, wish: Wanted, new: str, uri: str | None) -> Iterator[Step]:
    """The steps from CURRENT (None: no such network) to WISH; NEW is its XML. Pure."""
    yield from virt_kept.defining(NETWORK, name, current, wish, new, uri)
    yield from virt_kept.running(NETWORK, name, current, wish, uri)
