"""Virtual networks of libvirt: a part of the execution module `virt`."""

from __future__ import annotations

from typing import Any

from modules._virt import hypervisor
from modules._virt import kept as virt_kept
from modules._virt import xml as virt_xml
from modules._virt.kept import Kept
from modules._virt.network_xml import NetworkError
from modules._virt.pool_xml import name_of
from saltern.context import Context
from saltern.errors import nearest
from saltern.marks import acting, reading


def get(uri: str | None, name: str) -> Kept | None:
    """The network NAME, or None. LibvirtError where libvirt can't be asked."""
    with hypervisor.session(uri) as connection:
        network = _find(connection, name)
        return None if network is None else virt_kept.of(network, hypervisor.library().VIR_NETWORK_XML_INACTIVE)


def _find(connection: Any, name: str) -> Any:
    return hypervisor.or_none(lambda: connection.networkLookupByName(name), "VIR_ERR_NO_NETWORK")


def found(connection: Any, name: str) -> Any:
    """The network NAME (virNetwork). NetworkError with the nearest name where there is none."""
    network = _find(connection, name_of(name, "network"))
    if network is None:
        known = [one.name() for one in connection.listAllNetworks()]
        raise NetworkError(f"libvirt has no network {name!r}.{nearest(name, known)}")
    return network


@reading
def list_networks(ctx: Context) -> list[str]:
    """The names of all networks, running or not."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        return sorted(network.name() for network in connection.listAllNetworks())


@reading
def network_info(ctx: Context, name: str | None = None) -> dict[str, dict[str, Any]]:
    """Of the network NAME, or of all: uuid, bridge, autostart, active, persistent, and the DHCP leases of one that
    runs."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        networks = [found(connection, name)] if name is not None else connection.listAllNetworks()
        return {network.name(): _told(network) for network in networks}


def _told(network: Any) -> dict[str, Any]:
    root = virt_xml.parse(network.XMLDesc(0))
    active = bool(network.isActive())
    has_dhcp = active and root.find("ip/dhcp") is not None
    keys = ("mac", "ipaddr", "prefix", "hostname", "expirytime")
    return {
        "uuid": network.UUIDString(),
        "bridge": virt_xml.at(root, "bridge", "name"),
        "autostart": bool(network.autostart()) if network.isPersistent() else False,
        "active": active,
        "persistent": bool(network.isPersistent()),
        "leases": [{key: lease.get(key) for key in keys} for lease in network.DHCPLeases()] if has_dhcp else [],
    }


@reading
def network_get_xml(ctx: Context, name: str) -> str:
    """The XML of the network NAME."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        return str(found(connection, name).XMLDesc(0))


@acting
def network_start(ctx: Context, name: str) -> bool:
    """Start the network NAME."""
    return start(name, uri=hypervisor.uri_of(ctx))


@acting
def network_stop(ctx: Context, name: str) -> bool:
    """Stop the network NAME; guests on it lose it."""
    return stop(name, uri=hypervisor.uri_of(ctx))


@acting
def network_set_autostart(ctx: Context, name: str, state: str = "on") -> bool:
    """Whether the network NAME starts with the node: STATE is on or off."""
    if state not in ("on", "off"):
        raise NetworkError(f"state is on or off, not {state!r}")
    return set_autostart(name, state == "on", uri=hypervisor.uri_of(ctx))


@acting
def network_undefine(ctx: Context, name: str) -> bool:
    """Forget the network NAME, which must not run."""
    return undefine(name, uri=hypervisor.uri_of(ctx))


@acting
def define(xml: str, *, uri: str | None) -> bool:
    """Define the network that XML describes; one of the same UUID is defined anew, and goes on as it is if it runs."""
    with hypervisor.session(uri) as connection, hypervisor.translating("define the network"):
        connection.networkDefineXML(xml)
    return True


@acting
def start(name: str, *, uri: str | None) -> bool:
    """Start the network NAME."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"start network {name}"):
        found(connection, name).create()
    return True


@acting
def stop(name: str, *, uri: str | None) -> bool:
    """Stop the network NAME. (libvirt's word is destroy.)"""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"stop network {name}"):
        found(connection, name).destroy()
    return True


@acting
def set_autostart(name: str, autostart: bool, *, uri: str | None) -> bool:
    """Whether the network NAME starts with the node."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"set autostart of network {name}"):
        found(connection, name).setAutostart(1 if autostart else 0)
    return True


@acting
def undefine(name: str, *, uri: str | None) -> bool:
    """Forget the network NAME."""
    with hypervisor.session(uri) as connection, hypervisor.translating(f"undefine network {name}"):
        found(connection, name).undefine()
    return True


def users(uri: str | None, name: str) -> tuple[str, ...]:
    """The running guests with an interface on the network NAME, sorted."""
    using = set()
    with hypervisor.session(uri) as connection:
        for domain in connection.listAllDomains(hypervisor.library().VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            sources = virt_xml.parse(domain.XMLDesc(0)).iterfind("./devices/interface/source")
            if any(source.get("network") == name for source in sources):
                using.add(domain.name())
    return tuple(sorted(using))
