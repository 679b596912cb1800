"""Virtual networks of libvirt: a part of the execution module `virt`."""

from __future__ import annotations

from typing import Any

from modules import _libvirt, _virt_kept, _xml
from modules._virt_kept import Kept
from modules._virt_network_xml import NetworkError
from modules._virt_pool_xml import name_of
from saltern.context import Context
from saltern.errors import nearest
from saltern.marks import acting, reading


def get(uri: str | None, name: str) -> Kept | None:
    """The network NAME, or None. LibvirtError where libvirt can't be asked."""
    with _libvirt.session(uri) as connection:
        network = _find(connection, name)
        return None if network is None else _virt_kept.of(network, _libvirt.library().VIR_NETWORK_XML_INACTIVE)


def _find(connection: Any, name: str) -> Any:
    return _libvirt.or_none(lambda: connection.networkLookupByName(name), "VIR_ERR_NO_NETWORK")


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
    with _libvirt.session(_libvirt.uri_of(ctx)) as connection:
        return sorted(network.name() for network in connection.listAllNetworks())


@reading
def network_info(ctx: Context, name: str | None = None) -> dict[str, dict[str, Any]]:
    """Of the network NAME, or of all: uuid, bridge, autostart, active, persistent, and the DHCP leases of one that
    runs."""
    with _libvirt.session(_libvirt.uri_of(ctx)) as connection:
        networks = [found(connection, name)] if name is not None else connection.listAllNetworks()
        return {network.name(): _told(network) for network in networks}


def _told(network: Any) -> dict[str, Any]:
    root = _xml.parse(network.XMLDesc(0))
    active = bool(network.isActive())
    has_dhcp = active and root.find("ip/dhcp") is not None
    keys = ("mac", "ipaddr", "prefix", "hostname", "expirytime")
    return {
        "uuid": network.UUIDString(),
        "bridge": _xml.at(root, "bridge", "name"),
        "autostart": bool(network.autostart()) if network.isPersistent() else False,
        "active": active,
        "persistent": bool(network.isPersistent()),
        "leases": [{key: lease.get(key) for key in keys} for lease in network.DHCPLeases()] if has_dhcp else [],
    }


@reading
def network_get_xml(ctx: Context, name: str) -> str:
    """The XML of the network NAME."""
    with _libvirt.session(_libvirt.uri_of(ctx)) as connection:
        return str(found(connection, name).XMLDesc(0))


@acting
def network_start(ctx: Context, name: str) -> bool:
    """Start the network NAME."""
    return start(name, uri=_libvirt.uri_of(ctx))


@acting
def network_stop(ctx: Context, name: str) -> bool:
    """Stop the network NAME; guests on it lose it."""
    return stop(name, uri=_libvirt.uri_of(ctx))


@acting
def network_set_autostart(ctx: Context, name: str, state: str = "on") -> bool:
    """Whether the network NAME starts with the node: STATE is on or off."""
    if state not in ("on", "off"):
        raise NetworkError(f"state is on or off, not {state!r}")
    return set_autostart(name, state == "on", uri=_libvirt.uri_of(ctx))


@acting
def network_undefine(ctx: Context, name: str) -> bool:
    """Forget the network NAME, which must not run."""
    return undefine(name, uri=_libvirt.uri_of(ctx))


@acting
def define(xml: str, *, uri: str | None) -> bool:
    """Define the network that XML describes; one of the same UUID is defined anew, and goes on as it is if it runs."""
    with _libvirt.session(uri) as connection, _libvirt.translating("define the network"):
        connection.networkDefineXML(xml)
    return True


@acting
def start(name: str, *, uri: str | None) -> bool:
    """Start the network NAME."""
    with _libvirt.session(uri) as connection, _libvirt.translating(f"start network {name}"):
        found(connection, name).create()
    return True


@acting
def stop(name: str, *, uri: str | None) -> bool:
    """Stop the network NAME. (libvirt's word is destroy.)"""
    with _libvirt.session(uri) as connection, _libvirt.translating(f"stop network {name}"):
        found(connection, name).destroy()
    return True


@acting
def set_autostart(name: str, autostart: bool, *, uri: str | None) -> bool:
    """Whether the network NAME starts with the node."""
    with _libvirt.session(uri) as connection, _libvirt.translating(f"set autostart of network {name}"):
        found(connection, name).setAutostart(1 if autostart else 0)
    return True


@acting
def undefine(name: str, *, uri: str | None) -> bool:
    """Forget the network NAME."""
    with _libvirt.session(uri) as connection, _libvirt.translating(f"undefine network {name}"):
        found(connection, name).undefine()
    return True


def users(uri: str | None, name: str) -> tuple[str, ...]:
    """The running guests with an interface on the network NAME, sorted."""
    using = set()
    with _libvirt.session(uri) as connection:
        for domain in connection.listAllDomains(_libvirt.library().VIR_CONNECT_LIST_DOMAINS_ACTIVE):
            sources = _xml.parse(domain.XMLDesc(0)).iterfind("./devices/interface/source")
            if any(source.get("network") == name for source in sources):
                using.add(domain.name())
    return tuple(sorted(using))
