"""Each facet of a guest: what was written is read again, and what nobody named stays."""

from __future__ import annotations

from typing import Any

import pytest

from modules._virt import domain_facets as facets
from modules._virt import xml
from modules._virt.domain_values import Cpu, Disk, Graphics, Nic
from saltern.secret import Secret

# as libvirt 9 tells a guest, shortened
RECORDED = """
<domain type='kvm' id='3'>
  <name>web1</name><uuid>8e2da840-8c8e-4073-b588-0c2d0dfbabb6</uuid>
  <memory unit='KiB'>2097152</memory><currentMemory unit='KiB'>1048576</currentMemory>
  <vcpu placement='static' current='1'>2</vcpu>
  <os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><boot dev='hd'/></os>
  <features><acpi/><apic/><vmport state='off'/></features>
  <cpu mode='custom' match='exact' check='full'><model fallback='forbid'>EPYC</model><vendor>AMD</vendor>
    <topology sockets='1' dies='1' cores='2' threads='1'/><feature policy='require' name='aes'/>
    <feature policy='disable' name='svm'/></cpu>
  <clock offset='utc'/><on_poweroff>destroy</on_poweroff>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none'/>
      <source file='/srv/a.qcow2' index='1'/><backingStore type='file'/><target dev='vda' bus='virtio'/>
      <alias name='virtio-disk0'/><address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/></disk>
    <disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
    <controller type='pci' index='0' model='pcie-root'/>
    <interface type='bridge'><mac address='52:54:00:00:00:01'/><source bridge='br43'/><target dev='vnet0'/>
      <model type='virtio'/><alias name='net0'/><address type='pci' bus='0x01'/></interface>
    <serial type='pty'><target port='0'/></serial>
    <graphics type='vnc' port='5900' autoport='yes' listen='127.0.0.1' passwd='geheim'>
      <listen type='address' address='127.0.0.1'/></graphics>
  </devices>
</domain>"""
VDA = Disk(source="/srv/a.qcow2", format="qcow2", cache="none")
ETH0 = Nic(mac="52:54:00:00:00:01", kind="bridge", source="br43")


@pytest.mark.parametrize(
    ("key", "wanted", "found"),
    [
        ("memory", None, 1024),
        ("max_memory", None, 2048),
        ("vcpus", None, 1),
        ("max_vcpus", None, 2),
        ("machine", "q35", "q35"),
        ("machine", "pc", "pc-q35-7.2"),
        ("machine", "pc-q35-7.2", "pc-q35-7.2"),
        ("cpu", Cpu(mode="custom", model="EPYC"), Cpu(mode="custom", model="EPYC")),
        (
            "cpu",
            Cpu(mode="custom", model="EPYC", topology=(1, 2, 1), features=(("svm", "disable"),)),
            Cpu(mode="custom", model="EPYC", topology=(1, 2, 1), features=(("svm", "disable"),)),
        ),
        ("firmware", None, "bios"),
        ("boot", None, ("disk",)),
        ("features", ("acpi", "apic"), ("acpi", "apic")),
        ("graphics", None, Graphics()),
        ("password", None, Secret("geheim")),
        ("console", None, True),
        ("clock", None, "utc"),
        ("kernel", None, None),
        ("metadata", None, {}),
        ("disk vda", None, VDA),
        ("disk sda", None, Disk(device="cdrom", bus="sata", readonly=True)),
        ("disk vdb", None, None),
        ("interface 52:54:00:00:00:01", None, ETH0),
        ("interface 52:54:00:00:00:02", None, None),
        ("xml", ("<features><acpi /></features>", "<iothreads>1</iothreads>"), ("<features><acpi /></features>",)),
    ],
)
def test_a_facet_is_read_in_view_of_what_is_wanted(key: str, wanted: Any, found: Any) -> None:
    assert facets.read(xml.parse(RECORDED), key, wanted) == found


def test_a_running_guest_of_host_model_shows_what_that_came_to() -> None:
    wanted = Cpu(mode="host-model")
    assert facets.read(xml.parse(RECORDED), "cpu", wanted, live=True) == wanted
    assert facets.read(xml.parse(RECORDED), "cpu", wanted) != wanted


WRITTEN: dict[str, Any] = {
    "type": "qemu",
    "memory": 512,
    "max_memory": 4096,
    "vcpus": 3,
    "max_vcpus": 6,
    "cpu": Cpu(mode="host-model", topology=(3, 2, 1), features=(("aes", "disable"),)),
    "machine": "pc",
    "firmware": "efi",
    "boot": ("network", "disk"),
    "kernel": "/k",
    "initrd": "/i",
    "cmdline": "a=<&> \"'",
    "features": ("acpi", "pae"),
    "clock": "localtime",
    "on_crash": "preserve",
    "title": "<title>&amp;",
    "description": "two\nlines",
    "metadata": {"owner": "<me>", "b": "&"},
    "console": False,
    "graphics": Graphics(kind="spice", port=5910),
    "password": Secret("n&w"),
    "disk vda": None,
    "disk vdc": Disk(source="p/v", pool=True, format="raw", cache="writeback", discard=True, shareable=True),
    "disk sda": Disk(device="cdrom", source="/x.iso", bus="sata", readonly=True),
    "interface 52:54:00:00:00:01": Nic(mac="52:54:00:00:00:01", kind="network", source="n", model="e1000", link="down"),
    "interface 52:54:00:00:00:02": Nic(mac="52:54:00:00:00:02", kind="bridge", source="br0", vlan=7, queues=2),
    "xml": ("<devices><watchdog model='i6300esb' /></devices>",),
}


def test_what_is_written_is_read_again_and_the_rest_stays() -> None:
    root = xml.parse(RECORDED)
    facets.write(root, WRITTEN)
    again = xml.parse(xml.written(root))
    assert facets.read_all(again, WRITTEN) == WRITTEN
    assert xml.at(again, "uuid") == "8e2da840-8c8e-4073-b588-0c2d0dfbabb6"
    assert xml.at(again, "on_poweroff") == "destroy"


@pytest.mark.parametrize("key", sorted(WRITTEN))
def test_each_facet_alone_leaves_the_others(key: str) -> None:
    root = xml.parse(RECORDED)
    others = [other for other in WRITTEN if other != key and {other, key} not in LINKED]
    before = facets.read_all(root, {other: WRITTEN[other] for other in others})
    facets.write(root, {key: WRITTEN[key]})
    assert facets.read(root, key, WRITTEN[key]) == WRITTEN[key]
    assert facets.read_all(root, {other: WRITTEN[other] for other in others}) == before


# a limit moves with what it limits, and a password is one of the display
LINKED = [{"memory", "max_memory"}, {"vcpus", "max_vcpus"}]


def test_a_new_guest_has_what_a_server_wants_and_can_be_asked_to_shut_down() -> None:
    root = facets.new("web1", {"memory": 512, "machine": "q35"})
    assert facets.read_all(root, dict.fromkeys(("memory", "max_memory", "vcpus", "console", "clock"))) == {
        "memory": 512,
        "max_memory": 512,
        "vcpus": 1,
        "console": True,
        "clock": "utc",
    }
    assert facets.read(root, "features") == ("acpi", "apic")
    assert facets.read(root, "cpu") == Cpu(mode="host-model")
    assert xml.at(root, "name") == "web1"


def test_a_disk_that_stays_keeps_its_place_and_one_on_another_bus_does_not() -> None:
    root = xml.parse(RECORDED)
    facets.write(root, {"disk vda": Disk(source="/srv/b.qcow2", format="qcow2")})
    kept = root.find("devices/disk")
    assert kept is not None
    assert kept.find("address") is not None
    assert kept.find("backingStore") is None, "what libvirt knew of the old file is not of the new one"
    facets.write(root, {"disk vda": Disk(source="/srv/b.qcow2", format="qcow2", bus="usb")})
    assert kept.find("address") is None


def test_another_board_places_devices_anew() -> None:
    root = xml.parse(RECORDED)
    facets.write(root, {"machine": "pc-q35-8.0"})
    assert root.findall(".//address"), "the same family keeps all"
    facets.write(root, {"machine": "pc"})
    assert not root.findall(".//address")
    assert not root.findall("devices/controller")


def test_devices_come_in_the_order_in_which_they_are_named() -> None:
    macs = ["52:54:00:00:00:09", "52:54:00:00:00:01"]
    wished = {f"interface {mac}": Nic(mac=mac, kind="bridge", source="br0") for mac in macs}
    root = facets.new("web1", {"memory": 64, **wished})
    assert [one.get("address") for one in root.findall("devices/interface/mac")] == macs
