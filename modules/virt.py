"""Virtual machines by libvirt: what there is and runs, and starting, changing and stopping them by hand.

The names are Salt's. Every call is bounded in time; a guest's memory is in MiB where it is given and in KiB where
libvirt reports it so. Pools, volumes, networks and snapshots are parts of this namespace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from modules._virt import act as virt_act
from modules._virt import domain_devices, domain_facets, domain_values, hypervisor
from modules._virt import read as virt_read
from modules._virt import screenshot as _picture
from modules._virt import xml as virt_xml
from modules._virt.hypervisor import LibvirtError
from modules._virt.migrate import migrate
from modules._virt.network import (
    list_networks,
    network_get_xml,
    network_info,
    network_set_autostart,
    network_start,
    network_stop,
    network_undefine,
)
from modules._virt.node import capabilities, freecpu, freemem, get_hypervisor, is_hyper, node_info
from modules._virt.pool import (
    list_pools,
    pool_get_xml,
    pool_info,
    pool_list_volumes,
    pool_refresh,
    pool_set_autostart,
    pool_start,
    pool_stop,
    pool_undefine,
)
from modules._virt.snapshot import delete_snapshots, list_snapshots, revert_snapshot, snapshot
from modules._virt.volume import volume_delete, volume_infos, volume_resize
from saltern import names
from saltern.context import Context
from saltern.marks import acting, reading

__all__ = [  # what is offered from parts of this namespace
    "capabilities",
    "delete_snapshots",
    "freecpu",
    "freemem",
    "get_hypervisor",
    "is_hyper",
    "list_networks",
    "list_pools",
    "list_snapshots",
    "migrate",
    "network_get_xml",
    "network_info",
    "network_set_autostart",
    "network_start",
    "network_stop",
    "network_undefine",
    "node_info",
    "pool_get_xml",
    "pool_info",
    "pool_list_volumes",
    "pool_refresh",
    "pool_set_autostart",
    "pool_start",
    "pool_stop",
    "pool_undefine",
    "revert_snapshot",
    "snapshot",
    "volume_delete",
    "volume_infos",
    "volume_resize",
]
SHUTDOWN_S = 120.0


@reading
def list_domains(ctx: Context) -> list[str]:
    """The names of all guests, sorted."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        return sorted(one.name() for one in connection.listAllDomains())


@reading
def list_active_vms(ctx: Context) -> list[str]:
    """The names of the guests that run, sorted."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        return sorted(one.name() for one in connection.listAllDomains() if one.isActive())


@reading
def list_inactive_vms(ctx: Context) -> list[str]:
    """The names of the guests that do not run, sorted."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        return sorted(one.name() for one in connection.listAllDomains() if not one.isActive())


@reading
def list_(ctx: Context) -> dict[str, str]:
    """The state of each guest by name ("running", "shut off", "paused", …)."""
    return vm_state(ctx)


@reading
def vm_state(ctx: Context, vm_: str | None = None) -> dict[str, str]:
    """The state of the guest VM_, or of all, by name."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        found = connection.listAllDomains() if vm_ is None else [_domain(connection, vm_)]
        return {one.name(): virt_read.STATES[one.state()[0]] for one in sorted(found, key=lambda one: str(one.name()))}


@reading
def vm_info(ctx: Context, vm_: str | None = None) -> dict[str, dict[str, Any]]:
    """What there is to know of the guest VM_, or of all, by name: state, UUID, memory in KiB (`mem`, `maxMem`),
    processors, CPU time in nanoseconds, disks, interfaces, display, whether it starts with the node, title, metadata,
    and in `pending` what its configuration has that it does not run with."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        found = connection.listAllDomains() if vm_ is None else [_domain(connection, vm_)]
        return {one.name(): _about(one) for one in sorted(found, key=lambda one: str(one.name()))}


@reading
def info(ctx: Context, name: str) -> dict[str, Any]:
    """As `virt.vm_info`, of one guest."""
    return vm_info(ctx, name)[name]


@reading
def vcpus(ctx: Context, name: str) -> dict[str, int]:
    """The processors of the guest: `current` and `max`, as it runs, or else as it is configured."""
    root = _root(ctx, name)
    return {"current": domain_facets.read(root, "vcpus"), "max": domain_facets.read(root, "max_vcpus")}


@reading
def memory(ctx: Context, name: str) -> dict[str, float]:
    """The memory of the guest in MiB: `current` and `max`, as it runs, or else as it is configured."""
    root = _root(ctx, name)
    return {"current": domain_facets.read(root, "memory"), "max": domain_facets.read(root, "max_memory")}


@acting
def setmem(ctx: Context, vm_: str, memory: int | str, config: bool = False) -> bool:
    """Give the guest VM_ this MEMORY (MiB, or a text like 2G): now if it runs, within what it was started with; and
    with CONFIG, or where it does not run, at its next start."""
    _set(ctx, vm_, "memory", domain_values.mib(memory, "memory"), config)
    return True


@acting
def setvcpus(ctx: Context, vm_: str, vcpus: int, config: bool = False) -> bool:
    """Give the guest VM_ this many processors; otherwise as `virt.setmem`."""
    _set(ctx, vm_, "vcpus", domain_values.count(vcpus, "vcpus"), config)
    return True


@acting
def set_autostart(ctx: Context, vm_: str, state: str | bool = "on") -> bool:
    """Whether the guest VM_ starts with the node: `on` or `off`."""
    on = state if isinstance(state, bool) else {"on": True, "off": False}.get(state)
    if on is None:
        raise LibvirtError(f"state is on or off, not {state!r}")
    return virt_act.set_autostart(hypervisor.uri_of(ctx), names.guest(vm_), on)


@acting
def start(ctx: Context, name: str) -> bool:
    """Start the guest; one that is paused goes on."""
    return virt_act.start(hypervisor.uri_of(ctx), names.guest(name))


@acting
def shutdown(ctx: Context, vm_: str, timeout: float = SHUTDOWN_S, force: bool = False) -> bool:
    """Ask the guest VM_ to shut down, and wait TIMEOUT seconds for it; after that FORCE powers it off."""
    return virt_act.stop(hypervisor.uri_of(ctx), names.guest(vm_), timeout, force)


@acting
def stop(ctx: Context, name: str) -> bool:
    """Power the guest off at once, as by pulling the plug; its disks and configuration stay."""
    return virt_act.power_off(hypervisor.uri_of(ctx), names.guest(name))


@acting
def destroy(ctx: Context, name: str) -> bool:
    """As `virt.stop`: libvirt's word for it."""
    return stop(ctx, name)


@acting
def reboot(ctx: Context, name: str) -> bool:
    """Ask the guest to reboot."""
    return virt_act.reboot(hypervisor.uri_of(ctx), names.guest(name))


@acting
def reset(ctx: Context, vm_: str) -> bool:
    """Reset the guest VM_ as by its button: it starts anew without shutting down."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection, hypervisor.translating(f"reset {vm_}"):
        _domain(connection, vm_).reset(0)
    return True


@acting
def pause(ctx: Context, vm_: str) -> bool:
    """Let the guest VM_ stand still, in memory."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection, hypervisor.translating(f"pause {vm_}"):
        _domain(connection, vm_).suspend()
    return True


@acting
def resume(ctx: Context, vm_: str) -> bool:
    """Let the guest VM_ that is paused go on."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection, hypervisor.translating(f"resume {vm_}"):
        _domain(connection, vm_).resume()
    return True


@acting
def undefine(ctx: Context, vm_: str) -> bool:
    """Take away the configuration of the guest VM_, which does not run. Its disks stay."""
    uri = hypervisor.uri_of(ctx)
    with hypervisor.session(uri) as connection:
        if _domain(connection, vm_).isActive():
            raise LibvirtError(f"{vm_} runs: stop it first (virt.shutdown)")
    return virt_act.undefine(uri, vm_)


@acting
def define_xml_str(ctx: Context, xml: str) -> bool:
    """Define a guest by libvirt's own XML."""
    root = virt_xml.parse(xml)
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection, hypervisor.translating("define a guest"):
        connection.defineXML(virt_xml.written(root))
    return True


@reading
def get_xml(ctx: Context, vm_: str, inactive: bool = False) -> str:
    """The XML of the guest VM_ without its secrets; INACTIVE: as it is at its next start."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection:
        flags = hypervisor.library().VIR_DOMAIN_XML_INACTIVE if inactive else 0
        return str(_domain(connection, vm_).XMLDesc(flags))


@reading
def get_nics(ctx: Context, vm_: str) -> dict[str, dict[str, Any]]:
    """The interfaces of the guest VM_ by MAC address: kind, source, model, link, `target` (its tap on the node)."""
    return _nics(_root(ctx, vm_))


@reading
def get_macs(ctx: Context, vm_: str) -> list[str]:
    """The MAC addresses of the guest VM_."""
    return list(domain_devices.macs(_root(ctx, vm_)))


@reading
def get_disks(ctx: Context, vm_: str) -> dict[str, dict[str, Any]]:
    """The disks of the guest VM_ by target: file, format, bus, device."""
    return _disks(_root(ctx, vm_))


@reading
def get_graphics(ctx: Context, vm_: str) -> dict[str, str]:
    """The display of the guest VM_ as libvirt has it (type, listen, port), without its password."""
    found = _root(ctx, vm_).find("devices/graphics")
    return {key: value for key, value in found.attrib.items() if "passwd" not in key} if found is not None else {}


@reading
def vnc(ctx: Context, name: str) -> str | None:
    """Where the display of the guest that runs is to be had ("vnc://127.0.0.1:5900"); None where it has none."""
    about = get_graphics(ctx, name)
    port = about.get("port", "-1")
    return f"{about['type']}://{_host(about.get('listen', '127.0.0.1'))}:{port}" if about and port != "-1" else None


@reading
def console(ctx: Context, name: str) -> dict[str, str] | None:
    """The serial console of the guest that runs: its type, and the terminal on the node; `virsh console` opens it."""
    found = _root(ctx, name).find("devices/console")
    if found is None:
        return None
    path = found.get("tty") or virt_xml.at(found, "source", "path") or ""
    return {"type": found.get("type", ""), "tty": path, "command": f"virsh console {name}"}


@acting
def screenshot(ctx: Context, name: str, path: str, screen: int = 0) -> dict[str, Any]:
    """Write what the guest shows into the file PATH as PNG. Its size in points."""
    with hypervisor.session(hypervisor.uri_of(ctx)) as connection, hypervisor.translating(f"screenshot of {name}"):
        picture = _picture.take(connection, _domain(connection, name), screen)
    return _picture.save(picture, path)


def _domain(connection: Any, name: str) -> Any:
    return virt_act.domain_of(connection, names.guest(name))


def _root(ctx: Context, name: str) -> Any:
    """The XML of a guest as it runs, or else as it is configured, without its secrets."""
    return virt_xml.parse(get_xml(ctx, name))


def _set(ctx: Context, name: str, key: str, value: int, config: bool) -> None:
    uri = hypervisor.uri_of(ctx)
    with hypervisor.session(uri) as connection:
        active = bool(_domain(connection, name).isActive())
    if active:
        virt_act.change(uri, name, key, value, config)
    else:
        virt_act.configure(uri, name, ((key, value),))


def _about(domain: Any) -> dict[str, Any]:
    found = virt_read.of(domain)
    root = found.live if found.live is not None else found.config
    state, most, now, cpus, time_ns = domain.info()
    display = root.find("devices/graphics")
    return {
        "state": virt_read.STATES[state],
        "uuid": domain.UUIDString(),
        "id": domain.ID() if found.is_active else None,
        "cpu": cpus,
        "cputime": time_ns,
        "mem": now,
        "maxMem": most,
        "type": root.get("type"),
        "machine": virt_xml.at(root, "os/type", "machine"),
        "disks": _disks(root),
        "nics": _nics(root),
        "graphics": {key: value for key, value in display.attrib.items() if "passwd" not in key}
        if display is not None
        else {},
        "autostart": found.autostart,
        "persistent": found.persistent,
        "title": domain_facets.read(root, "title"),
        "metadata": domain_facets.read(root, "metadata"),
        "pending": _pending(found),
    }


_PENDING: Sequence[str] = ("memory", "max_memory", "vcpus", "max_vcpus", "machine", "type", "firmware", "boot")


def _pending(found: virt_read.Guest) -> list[str]:
    """The facets that differ between what a guest runs with and its configuration."""
    if found.live is None:
        return []
    devices = [domain_facets.DISK + one for one in domain_devices.targets(found.config)]
    devices += [domain_facets.NIC + one for one in domain_devices.macs(found.config)]
    keys = [*_PENDING, "graphics", *devices]
    return [key for key in keys if domain_facets.read(found.config, key) != domain_facets.read(found.live, key)]


def _nics(root: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for mac in domain_devices.macs(root):
        one, element = domain_devices.nic(root, mac), domain_devices.nic_element(root, mac)
        if one is not None and element is not None:
            found[mac] = {
                "type": one.kind,
                "source": one.source,
                "model": one.model,
                "link": one.link,
                "target": virt_xml.at(element, "target", "dev"),
            }
    return found


def _disks(root: Any) -> dict[str, dict[str, Any]]:
    found = {target: domain_devices.disk(root, target) for target in domain_devices.targets(root)}
    return {
        target: {"file": one.source, "type": one.device, "file format": one.format, "bus": one.bus}
        for target, one in found.items()
        if one is not None
    }


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
