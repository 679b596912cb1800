"""Disks and interfaces of a domain: read from its XML, and put into it so that what libvirt chose (address, alias,
controller) stays where the device stays what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modules._virt import xml
from modules._virt.domain_values import Disk, Nic

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# type of <disk> → the attribute of <source> that says where it is; further types (network) are only named
_SOURCE = {"file": "file", "block": "dev", "dir": "dir"}
_NIC_SOURCE = {"bridge": "bridge", "network": "network", "direct": "dev", "ethernet": "dev"}


def targets(root: Element) -> tuple[str, ...]:
    """The targets of all disks ("vda"), in order."""
    return tuple(xml.at(one, "target", "dev") or "" for one in root.findall("devices/disk"))


def macs(root: Element) -> tuple[str, ...]:
    """The MAC addresses of all interfaces, in order."""
    return tuple((xml.at(one, "mac", "address") or "").lower() for one in root.findall("devices/interface"))


def disk_element(root: Element, target: str) -> Element | None:
    """The <disk> with this target."""
    return next((one for one in root.findall("devices/disk") if xml.at(one, "target", "dev") == target), None)


def nic_element(root: Element, mac: str) -> Element | None:
    """The <interface> with this MAC address."""
    found = root.findall("devices/interface")
    return next((one for one in found if (xml.at(one, "mac", "address") or "").lower() == mac), None)


def disk(root: Element, target: str) -> Disk | None:
    """The disk with this target, or None."""
    one = disk_element(root, target)
    if one is None:
        return None
    kind = one.get("type", "file")
    if kind == "volume":
        pool, volume = xml.at(one, "source", "pool"), xml.at(one, "source", "volume")
        source = f"{pool}/{volume}" if pool else None
    else:
        source = xml.at(one, "source", _SOURCE.get(kind, "name"))
    return Disk(
        device=one.get("device", "disk"),
        source=source,
        pool=kind == "volume",
        format=xml.at(one, "driver", "type") or "raw",
        bus=xml.at(one, "target", "bus") or "virtio",
        readonly=one.find("readonly") is not None,
        shareable=one.find("shareable") is not None,
        cache=xml.at(one, "driver", "cache") or "default",
        discard=xml.at(one, "driver", "discard") == "unmap",
        boot=_boot(one),
    )


def nic(root: Element, mac: str) -> Nic | None:
    """The interface with this MAC address, or None."""
    one = nic_element(root, mac)
    if one is None:
        return None
    kind = one.get("type", "")
    tag, queues = xml.at(one, "vlan/tag", "id"), xml.at(one, "driver", "queues")
    return Nic(
        mac=mac,
        kind=kind,
        source=xml.at(one, "source", _NIC_SOURCE.get(kind, "name")) or "",
        model=xml.at(one, "model", "type") or "",
        vlan=int(tag) if tag else None,
        queues=int(queues) if queues else None,
        link=xml.at(one, "link", "state") or "up",
        boot=_boot(one),
    )


def put_disk(root: Element, target: str, wanted: Disk | None) -> None:
    """Make the disk with this target WANTED, or take it away."""
    one = _device(root, disk_element(root, target), "disk", wanted)
    if one is None or wanted is None:
        return
    if (xml.at(one, "target", "bus"), one.get("device", "disk")) != (wanted.bus, wanted.device):
        for tag in ("address", "alias"):
            xml.drop(one, tag)
    fill_disk(one, target, wanted)


def fill_disk(one: Element, target: str, wanted: Disk) -> None:
    """Make the element ONE say what WANTED is."""
    kind, attributes = _source_of(wanted)
    known = {key: xml.at(one, "source", key) for key in attributes}
    if one.get("type") != kind or known != attributes:
        for tag in ("source", "backingStore", "mirror"):
            xml.drop(one, tag)
    one.set("type", kind)
    one.set("device", wanted.device)
    xml.put(one, "driver", name="qemu", type=wanted.format)
    xml.put(one, "driver", cache=None if wanted.cache == "default" else wanted.cache)
    xml.put(one, "driver", discard="unmap" if wanted.discard else None)
    if attributes:
        xml.put(one, "source").attrib.update(attributes)
    xml.put(one, "target", dev=target, bus=wanted.bus)
    for tag, is_on in (("readonly", wanted.readonly), ("shareable", wanted.shareable)):
        if is_on:
            xml.ensure(one, tag)
        else:
            xml.drop(one, tag)
    _put_boot(one, wanted.boot)


def _source_of(wanted: Disk) -> tuple[str, dict[str, str]]:
    if wanted.source is None:
        return "file", {}
    if wanted.pool:
        pool, _, volume = wanted.source.partition("/")
        return "volume", {"pool": pool, "volume": volume}
    if wanted.source.startswith("/dev/"):
        return "block", {"dev": wanted.source}
    return "file", {"file": wanted.source}


def put_nic(root: Element, mac: str, wanted: Nic | None) -> None:
    """Make the interface with this MAC address WANTED, or take it away."""
    one = _device(root, nic_element(root, mac), "interface", wanted)
    if one is not None and wanted is not None:
        fill_nic(one, wanted)


def _device(root: Element, there: Element | None, tag: str, wanted: object | None) -> Element | None:
    """The element of a device, THERE or a new TAG. Where none is WANTED, None, and it is taken away."""
    parent = xml.ensure(root, "devices")
    if wanted is None:
        if there is not None:
            parent.remove(there)
        return None
    if there is None:
        there = xml.made(tag)
        parent.append(there)
    return there


def fill_nic(one: Element, wanted: Nic) -> None:
    """Make the element ONE say what WANTED is."""
    one.set("type", wanted.kind)
    xml.put(one, "mac", address=wanted.mac)
    xml.drop(one, "source")
    xml.put(one, "source").set(_NIC_SOURCE[wanted.kind], wanted.source)
    if xml.at(one, "model", "type") != wanted.model:
        xml.put(one, "model", type=wanted.model)
    xml.drop(one, "vlan")
    if wanted.vlan is not None:
        xml.put(one, "vlan/tag", id=str(wanted.vlan))
    if wanted.queues is not None:
        xml.put(one, "driver", name="vhost", queues=str(wanted.queues))
    elif one.find("driver") is not None:
        xml.put(one, "driver", queues=None)
    if wanted.link == "down":
        xml.put(one, "link", state="down")
    else:
        xml.drop(one, "link")
    _put_boot(one, wanted.boot)


def add_root_ports(root: Element, number: int) -> None:
    """Add NUMBER PCI Express ports in which nothing is, beside those that libvirt makes for the devices."""
    parent = xml.ensure(root, "devices")
    parent.append(xml.made("controller", type="pci", index="0", model="pcie-root"))
    parent.extend(xml.made("controller", type="pci", model="pcie-root-port") for _ in range(number))


def unplace(root: Element) -> None:
    """Forget where the devices are, and the controllers that belong to a board."""
    for parent in root.findall("devices"):
        for one in parent.findall("controller"):
            if one.get("type") in ("pci", "usb", "ide", "sata"):
                parent.remove(one)
        for one in parent:
            for address in one.findall("address"):
                if address.get("type") == "pci":
                    one.remove(address)


def _boot(one: Element) -> int | None:
    order = xml.at(one, "boot", "order")
    return int(order) if order else None


def _put_boot(one: Element, order: int | None) -> None:
    if order is None:
        xml.drop(one, "boot")
    else:
        xml.put(one, "boot", order=str(order))
