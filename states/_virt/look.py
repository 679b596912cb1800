"""What a plan for a guest has to know: the guest, its node, the leases of its interfaces, and what is missing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from modules import cloud_init, image
from modules import vnet as vnets
from modules._disk import files as disk_files
from modules._disk import notes as disk_notes
from modules._file import identity
from modules._virt import domain_devices, domain_facets, domain_wish, hypervisor, kvm_probe
from modules._virt import plugs as virt_plugs
from modules._virt import read as virt_read
from modules._virt import xml as virt_xml
from modules._virt.domain_facets import DISK, NIC
from modules._virt.domain_values import Disk, Nic, WantedNic
from modules._virt.domain_wish import Wanted
from modules._virt.domain_xml import DomainError
from modules._virt.plugs import Plug
from modules._virt.read import Guest, Host
from modules.cloud_init import Seed
from modules.vnet import Lease
from saltern.context import Context
from saltern.errors import nearest
from states._place import answers

VLAN_LIBVIRT = 11_000_000  # the first libvirt that tags the ports of a Linux bridge itself
SEEDS = "var/lib/libvirt/saltern-seeds"  # below the root: where QEMU, which is not root, can reach them


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was found and what is wished. FACETS: all of them, with MAC addresses and seed settled. UNKNOWN: why the
    guest can't be made so yet."""

    uri: str
    found: Guest | None
    facets: dict[str, Any]
    leases: tuple[Lease, ...] = ()
    seed_path: str | None = None
    seed_now: Seed | None = None
    seed_wish: Seed | None = None
    plugs: tuple[Plug, ...] = ()
    unknown: str | None = None


def look(ctx: Context, name: str, wanted: Wanted) -> Look:
    """Read the node and settle the wish. LibvirtUnavailable where libvirt can't be asked, DatastoreError where a server
    on which a new disk or the seed lies does not answer; DomainError for what this node can't give."""
    uri = hypervisor.uri_of(ctx)
    facets = dict(wanted.facets)
    with hypervisor.session(uri) as connection:
        found = virt_read.guest(connection, name)
        host = virt_read.host(connection)
        missing = _missing_in_libvirt(connection, wanted)
    _check_host(name, facets, host)
    _settle_type(name, facets, wanted, found)
    leases, given = _settle_nics(ctx, name, facets, wanted, found, host)
    path, now, wish = _settle_seed(ctx, name, facets, wanted, leases, given)
    _settle_disks(facets, wanted, found, path)
    changed = _new_disks(facets, found)
    for file in _files(facets, changed).values():
        answers(file)
    _check_images(changed, disk_files.notes_folder(ctx))
    missing += _missing_files(facets, changed, path) + _missing_bridges(facets)
    live = found.live if found is not None else None
    bridges = [(one.mac, one.source) for one in facets.values() if isinstance(one, Nic) and one.kind == "bridge"]
    return Look(
        uri=uri,
        found=found,
        facets=facets,
        leases=leases,
        seed_path=path,
        seed_now=now,
        seed_wish=wish,
        plugs=tuple(virt_plugs.plugs(live, bridges)) if live is not None else (),
        unknown=" ".join(missing) or None,
    )


def _check_host(name: str, facets: Mapping[str, Any], host: Host) -> None:
    most = max(facets.get("memory", 0), facets.get("max_memory", 0))
    if most > host.memory:
        raise DomainError(f"{name}: {most} MiB of memory are wanted, and this node has {host.memory} MiB")


def _settle_type(name: str, facets: dict[str, Any], wanted: Wanted, found: Guest | None) -> None:
    """`auto`, the default, decides for a new guest: one that is there stays what it is."""
    if wanted.type in ("kvm", "qemu"):
        facets["type"] = wanted.type
    elif found is not None:
        facets["type"] = domain_facets.read(found.config, "type")  # so a new one is compared with what it became
    elif "memory" in facets:  # without it nothing can be defined, so nothing is tried
        facets["type"] = "kvm" if kvm_probe.works() else "qemu"
    cpu = facets.get("cpu")
    if cpu is not None and cpu.mode == "host-passthrough" and facets.get("type") == "qemu":
        raise DomainError(f"{name}: cpu host-passthrough needs KVM, which does not work on this node")


def _settle_nics(
    ctx: Context, name: str, facets: dict[str, Any], wanted: Wanted, found: Guest | None, host: Host
) -> tuple[tuple[Lease, ...], tuple[str, ...]]:
    """The leases of the interfaces, and the MAC addresses by number."""
    if wanted.nics is None:
        return (), ()
    leases = {
        number: vnets.offer(ctx, nic.vnet, name, number, nic.address)
        for number, nic in enumerate(wanted.nics)
        if nic.vnet is not None
    }
    wished = [_on_bridge(nic, leases.get(number)) for number, nic in enumerate(wanted.nics)]
    config = found.config if found else None
    have = domain_devices.macs(config) if config is not None else ()
    there = [nic for mac in have if config is not None and (nic := domain_devices.nic(config, mac)) is not None]
    fixed = {number: lease.mac for number, lease in leases.items() if wished[number].mac is None}
    macs = domain_wish.assign_macs(wished, fixed, there, f"{ctx.id}/{name}")
    for mac, one in zip(macs, wished, strict=True):
        if one.vlan is not None and host.version < VLAN_LIBVIRT:
            raise DomainError(
                f"{name}: vlan {one.vlan} on {one.bridge or one.network}: this node's libvirt can't tag the port of a "
                "Linux bridge (version 11 can): name a bridge that lies on the VLAN instead (vlan.present, "
                "bridge.present)"
            )
        facets[NIC + mac] = _nic(mac, one)
    live = domain_devices.macs(found.live) if found and found.live is not None else ()
    facets.update({NIC + mac: None for mac in dict.fromkeys((*have, *live)) if mac and mac not in macs})
    return tuple(leases.values()), macs


def _on_bridge(nic: WantedNic, lease: Lease | None) -> WantedNic:
    """An interface of a virtual network is one on that network's bridge."""
    if lease is None:
        return nic
    return replace(nic, bridge=lease.bridge, vlan=nic.vlan if nic.vlan is not None else lease.vlan)


def _nic(mac: str, one: WantedNic) -> Nic:
    return Nic(
        mac=mac,
        kind="bridge" if one.bridge else "network",
        source=one.bridge or one.network or "",
        model=one.model,
        vlan=one.vlan,
        queues=one.queues,
        link=one.link,
        boot=one.boot,
    )


def _settle_seed(
    ctx: Context,
    name: str,
    facets: Mapping[str, Any],
    wanted: Wanted,
    leases: Sequence[Lease],
    macs: Sequence[str],
) -> tuple[str | None, Seed | None, Seed | None]:
    """The path of the seed, what it says and what it should say. What the interfaces' leases and addresses say goes
    into it, unless `cloud_init` names a network itself."""
    if wanted.cloud_init is None:
        return None, None, None
    given = dict(wanted.cloud_init)
    path = str(given.pop("path", None) or seed_path(ctx, name))
    network = given.pop("network", None)
    if network is None and wanted.nics is not None:
        by_number = {lease.nic: lease for lease in leases}
        network = [
            _seed_interface(number, macs[number], nic, by_number.get(number)) for number, nic in enumerate(wanted.nics)
        ]
    shape = "network" if isinstance(network, Mapping) else "interfaces"
    given.setdefault("hostname", name.replace("_", "-"))
    wish = cloud_init.seed(**given, **({shape: network} if network is not None else {}))
    answers(path)
    return path, cloud_init.read(path), wish


def seed_path(ctx: Context, name: str) -> str:
    """Where the seed of the guest NAME lies unless `cloud_init` says otherwise."""
    return os.path.join(ctx.config.root, SEEDS, f"{name}.iso")


def _seed_interface(number: int, mac: str, nic: WantedNic, lease: Lease | None) -> dict[str, Any]:
    one: dict[str, Any] = {"mac": mac, "name": f"eth{number}"}
    if lease is not None:
        one |= {"addresses": [f"{lease.address}/{lease.prefix}"], "dns": list(lease.dns)}
        if lease.gateway is not None:
            one["gateway"] = lease.gateway
    elif nic.address is not None:
        one["addresses"] = [nic.address]
    return one


def _settle_disks(facets: dict[str, Any], wanted: Wanted, found: Guest | None, seed: str | None) -> None:
    config = found.config if found else None
    there = domain_devices.targets(config) if config is not None else ()
    live = domain_devices.targets(found.live) if found and found.live is not None else ()
    wished = dict(wanted.disks or {})
    if seed is not None:
        known = {target: domain_devices.disk(config, target) for target in there} if config is not None else {}
        target = next((t for t, one in known.items() if one and one.source == seed and t not in wished), None)
        there_now = known[target] if target is not None else None
        if target is not None and there_now is not None:
            bus = there_now.bus
        else:
            machine = virt_xml.at(config, "os/type", "machine") if config is not None else facets.get("machine")
            target, bus = domain_wish.seed_drive({**known, **wished}, machine)
        wished[target] = Disk(device="cdrom", source=seed, bus=bus, readonly=True)
    both = tuple(dict.fromkeys((*there, *live)))
    domain_wish.with_disks(facets, wished, both, wanted.disks is not None)


def _new_disks(facets: Mapping[str, Any], found: Guest | None) -> dict[str, Disk]:
    """The disks that the guest does not have yet as they are wished."""
    wished = {key[len(DISK) :]: one for key, one in facets.items() if isinstance(one, Disk)}
    if found is None:
        return wished
    have = {target: domain_devices.disk(found.config, target) for target in wished}
    return {
        target: one
        for target, one in wished.items()
        if (now := have[target]) is None or (now.source, now.format) != (one.source, one.format)
    }


def _check_images(disks: Mapping[str, Disk], notes: str) -> None:
    """DomainError where a disk's header is not of its format, or names a file that Saltern did not put below it: QEMU
    would open whatever a foreign header says."""
    for target, one in disks.items():
        if one.pool or one.source is None or one.format != "qcow2" or not identity.exists(one.source):
            continue
        found = image.info(one.source, one.format)
        if found is None or (found.backing_file is None and found.data_file is None):
            continue
        note = disk_notes.find(notes, one.source)
        if found.data_file is not None or note is None or note.image != found.backing_file:
            named = found.data_file or found.backing_file
            raise DomainError(
                f"disk {target}: {one.source} is refused, since its header names {named!r}, and it was not made from "
                "that by disk.present"
            )


def _missing_files(facets: Mapping[str, Any], disks: Mapping[str, Disk], seed: str | None) -> list[str]:
    return [
        f"{key}: there is no file {path} on this node."
        for key, path in _files(facets, disks).items()
        if path != seed and not identity.exists(path)
    ]


def _files(facets: Mapping[str, Any], disks: Mapping[str, Disk]) -> dict[str, str]:
    """The paths of DISKS and of what the guest boots, by what they are for."""
    found = {f"disk {target}": one.source for target, one in disks.items() if one.source and not one.pool}
    return found | {key: facets[key] for key in ("kernel", "initrd", "loader") if key in facets}


def _missing_bridges(facets: Mapping[str, Any]) -> list[str]:
    import socket

    wanted = dict.fromkeys(one.source for one in facets.values() if isinstance(one, Nic) and one.kind == "bridge")
    there = [link for _, link in socket.if_nameindex()] if wanted else []
    lost = [bridge for bridge in wanted if bridge not in there]
    return [f"there is no bridge {bridge!r} on this node.{nearest(bridge, there)}" for bridge in lost]


def _missing_in_libvirt(connection: Any, wanted: Wanted) -> list[str]:
    """Which of the networks and volumes libvirt does not have."""
    said = []
    for network in dict.fromkeys(nic.network for nic in wanted.nics or () if nic.network):
        if hypervisor.or_none(partial(connection.networkLookupByName, network), "VIR_ERR_NO_NETWORK") is None:
            known = [one.name() for one in connection.listAllNetworks()]
            said.append(f"libvirt has no network {network!r}.{nearest(network, known)}")
    for one in (wanted.disks or {}).values():
        if one.pool and one.source is not None:
            pool, _, volume = one.source.partition("/")
            if hypervisor.find_volume(connection, pool, volume) is None:
                said.append(f"libvirt has no volume {volume!r} in a running pool {pool!r}.")
    return said
