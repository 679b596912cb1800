"""What the lab has for virtual machines, with virsh alone: a guest on a bridge of a node, reached across a VLAN."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from xml.sax.saxutils import escape

import pytest

from tests.lab import guest
from tests.lab.channel import LabError
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.patience import patient

IMAGES = "/var/lib/libvirt/images"
KEY = "/root/guest-key"
MAC = "52:54:00:00:46:0a"
ADDRESS = "192.168.46.10"
BOOT_S = 120.0  # many times what it takes


@dataclass(frozen=True, slots=True)
class Site:
    """on-node1 with br46 on VLAN 46 and libvirt; `workstation` has an address in that VLAN and the key."""

    node: Host
    workstation: Host

    def ssh(self, *words: str, user: str = "root") -> str:
        """What WORDS print on the guest, run over SSH across the VLAN."""
        return self.workstation.run(guest.ssh(KEY, ADDRESS, *words, user=user), timeout_s=30).stdout

    def virsh(self, *words: str, timeout_s: float = 60.0) -> str:
        return self.node.run(["virsh", "-q", *words], timeout_s=timeout_s).stdout.strip()

    def wait_ready(self, name: str) -> None:
        """Wait until the guest says on its serial console that it is ready."""
        deadline = time.monotonic() + patient(BOOT_S)
        while guest.READY not in self.console(name):
            assert time.monotonic() < deadline, f"{name} did not start: {self.console(name)[-800:]}"
            time.sleep(0.2)

    def console(self, name: str) -> str:
        return self.node.run(["cat", f"/var/log/libvirt/{name}.log"], check=False).stdout

    def wait_off(self, name: str) -> None:
        deadline = time.monotonic() + patient(30)
        while self.virsh("domstate", name) != "shut off":
            assert time.monotonic() < deadline, f"{name} did not shut down: {self.console(name)[-800:]}"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("guest")
    try:
        files = guest.files()
        lab = Lab(["on-master1", "on-node1"]).__enter__()
    except LabError as error:
        pytest.fail(str(error), pytrace=False)
    try:
        node, workstation = lab["on-node1"], lab["on-master1"]
        for host in (node, workstation):
            _ip(host, "link add link eno1 name eno1.46 type vlan id 46", "link set eno1.46 up")
        _ip(node, "link add br46 type bridge", "link set eno1.46 master br46", "link set br46 up")
        _ip(workstation, "address add 192.168.46.9/24 dev eno1.46")
        key, public = guest.make_key(folder)
        workstation.put(key, KEY, mode=0o600)
        nics = {MAC: ([f"{ADDRESS}/24"], "192.168.46.254")}
        guest.seed(folder / "seed.iso", "vm-46", keys=[public], nics=nics)
        variables = {"ETH0_MAC": MAC, "ETH0_IP": ADDRESS, "ETH0_MASK": "255.255.255.0", "SSH_PUBLIC_KEY": public}
        guest.context(folder / "context.iso", {**variables, "SET_HOSTNAME": "one-46"})
        for file in (files.kernel, files.initrd, files.image, folder / "seed.iso", folder / "context.iso"):
            node.put(file, f"{IMAGES}/{file.name}")
        node.run(["systemctl", "start", "libvirtd"], timeout_s=60)
        yield Site(node, workstation)
    finally:
        lab.remove()


def _ip(host: Host, *lines: str) -> None:
    host.run(["ip", "-batch", "-"], stdin="\n".join(lines) + "\n")


def domain(name: str, *, boot: str, disks: str) -> str:
    """A machine of the smallest kind: each device takes time in an emulated boot."""
    return f"""\
<domain type='qemu'><name>{name}</name><memory unit='MiB'>{guest.MEMORY_MIB}</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type>{boot}</os><features><acpi/></features><on_reboot>restart</on_reboot>
<devices>{disks}
<controller type='usb' model='none'/>
<interface type='bridge'><mac address='{MAC}'/><source bridge='br46'/><model type='virtio'/></interface>
<serial type='pty'><log file='/var/log/libvirt/{name}.log'/></serial>
</devices></domain>
"""


DIRECT = f"<kernel>{IMAGES}/vmlinuz</kernel><initrd>{IMAGES}/initrd</initrd><cmdline>{escape(guest.CMDLINE)}</cmdline>"


def disk(file: str, form: str, target: str, kind: str = "disk", more: str = "") -> str:
    return (
        f"<disk type='file' device='{kind}'><driver name='qemu' type='{form}'/><source file='{IMAGES}/{file}'/>"
        f"<target dev='{target}' bus='{'ide' if kind == 'cdrom' else 'virtio'}'/>{more}</disk>"
    )


@contextmanager
def started(site: Site, name: str, *, boot: str, disks: str) -> Iterator[None]:
    """The block's guest, ready; it does not run any more afterwards."""
    site.node.write(f"/root/{name}.xml", domain(name, boot=boot, disks=disks))
    site.virsh("define", f"/root/{name}.xml")
    site.virsh("start", name)
    try:
        site.wait_ready(name)
        yield
    finally:
        site.node.run(["virsh", "destroy", name], check=False)


def test_a_guest_is_reached_by_ssh_across_the_vlan_and_keeps_what_is_on_its_disk(site: Site) -> None:
    """First booted directly, with a NoCloud seed; then by its disk's own boot loader, with OpenNebula's context."""
    own = disk("guest.qcow2", "qcow2", "vda")
    with started(site, "direct", boot=DIRECT, disks=own + disk("seed.iso", "raw", "vdb", more="<readonly/>")):
        assert site.ssh("hostname").strip() == "vm-46"
        assert site.ssh("id -un", user="debian").strip() == "debian"
        assert f"{ADDRESS}/24" in site.ssh("ip address show dev eth0")
        assert "default via 192.168.46.254" in site.ssh("ip route")
        seen = json.loads(site.node.run(["bridge", "-json", "fdb", "show", "br", "br46"]).stdout)
        (port,) = {entry["ifname"] for entry in seen if entry["mac"] == MAC and entry.get("state") != "permanent"}
        assert port.startswith("vnet")
        site.ssh("echo kept >/root/mark")
        site.virsh("shutdown", "direct")
        site.wait_off("direct")
    with started(site, "disk", boot="<boot dev='hd'/>", disks=own + disk("context.iso", "raw", "hdc", kind="cdrom")):
        assert site.ssh("hostname; cat /root/mark").split() == ["one-46", "kept"]
