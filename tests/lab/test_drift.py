"""Each drift of the platform is shown by `test=True` exactly as the repair then does it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest

from tests.lab.article import CONTAINER, GUEST
from tests.lab.conftest import Platform
from tests.lab.test_platform import STORE, apply
from tests.patience import patient

SETTLED_S = 120.0
BUSY_S = 60.0
FILER, FRONT, NODE = "on-filer1", "on-master1", "on-node1"
UNIT = "var-lib-one-datastores-102.mount"
CONFIG = f"/var/lib/lxc/{CONTAINER}/config"
BRIDGE, MOUNT = {"bridge.present br46"}, {f"mount.mounted {STORE}/102"}
VIRT, LXC = {f"virt.running {GUEST}"}, {f"lxc.running {CONTAINER}"}
EXPORT = {"nfs_export.present /store/one/files"}
VIRSH = ["virsh", "-q"]


def sed(script: str, file: str) -> list[str]:
    return ["sed", "-i", script, file]


# What is broken where, by hand; the SLS that mends it; the states that notice, and one of the steps.
DRIFTS: list[tuple[str, str, Sequence[str], str, set[str], str]] = [
    (
        "guest's memory",
        NODE,
        [*VIRSH, "setmem", GUEST, "140M", "--config"],
        "kvm.guests",
        VIRT,
        f"set memory of {GUEST}",
    ),
    (
        "address removed",
        FRONT,
        ["ip", "address", "delete", "192.168.43.253/24", "dev", "br43"],
        "network",
        {"bridge.present br43"},
        "add address 192.168.43.253/24 to br43",
    ),
    (
        "address added",
        FRONT,
        ["ip", "address", "add", "192.168.43.77/24", "dev", "br43"],
        "network",
        {"bridge.present br43"},
        "remove address 192.168.43.77/24 from br43",
    ),
    (
        "default route gone",
        FRONT,
        ["ip", "route", "delete", "default"],
        "network",
        {"bridge.present br43"},
        "lead the default route via 192.168.43.254 dev br43",
    ),
    (
        "bridge deleted",
        NODE,
        ["ip", "link", "delete", "br46"],
        "kvm.guests",
        {"bridge.present br46", f"virt.running {GUEST}"},
        "add bridge br46",
    ),
    (
        "port taken out",
        NODE,
        ["ip", "link", "set", "eno1.46", "nomaster"],
        "network",
        BRIDGE,
        "add port eno1.46 to br46",
    ),
    (
        "forward delay",
        NODE,
        ["ip", "link", "set", "br43", "type", "bridge", "forward_delay", "1500"],
        "network",
        {"bridge.present br43"},
        "set the forward delay of br43 to 0 s",
    ),
    ("bridge down", NODE, ["ip", "link", "set", "br46", "down"], "network", BRIDGE, "bring up br46"),
    (
        "spanning tree on",
        NODE,
        ["ip", "link", "set", "br46", "type", "bridge", "stp_state", "1"],
        "network",
        BRIDGE,
        "set STP of br46 to off",
    ),
    (
        "address on a bridge for guests",
        NODE,
        ["ip", "address", "add", "10.1.16.1/20", "dev", "br46"],
        "network",
        BRIDGE,
        "remove address 10.1.16.1/20 from br46",
    ),
    (
        "VLAN deleted",
        NODE,
        ["ip", "link", "delete", "eno1.46"],
        "network",
        {"vlan.present eno1.46", "bridge.present br46"},
        "add eno1.46: VLAN 46 on eno1",
    ),
    (
        "network kept otherwise",
        NODE,
        ["truncate", "--size=0", "/etc/saltern/network.d/bridge-br46.json"],
        "network",
        BRIDGE,
        "br46",
    ),
    (
        "module not at boot",
        NODE,
        sed("/8021q/d", "/etc/modules"),
        "network",
        {"kmod.present 8021q"},
        "add 8021q to /etc/modules",
    ),
    ("login shell", NODE, ["usermod", "-s", "/bin/sh", "oneadmin"], "oneadmin", {"user.present oneadmin"}, "oneadmin"),
    (
        "datastore unmounted",
        NODE,
        ["umount", f"{STORE}/102"],
        "nfs.datastores",
        MOUNT,
        f"mount on-filer1:/files at {STORE}/102",
    ),
    ("mount not at boot", NODE, ["systemctl", "disable", UNIT], "nfs.datastores", MOUNT, f"enable unit {UNIT}"),
    (
        "mount unit edited",
        NODE,
        sed("s/^Options=.*/Options=ro/", f"/etc/systemd/system/{UNIT}"),
        "nfs.datastores",
        MOUNT,
        f"write unit {UNIT}",
    ),
    (
        "register of datastores lost",
        NODE,
        ["rm", "/var/lib/saltern/minion/datastores.json"],
        "kvm",
        {f"datastore.present {number}" for number in (100, 101, 102)},
        "note datastore 101",
    ),
    (
        "libvirt not at boot",
        NODE,
        ["systemctl", "disable", "libvirtd"],
        "kvm",
        {"service.running libvirtd"},
        "enable libvirtd.service",
    ),
    (
        "guest stopped",
        NODE,
        [*VIRSH, "destroy", GUEST],
        "kvm.guests",
        VIRT,
        f"start guest {GUEST}",
    ),
    (
        "guest not at boot",
        NODE,
        [*VIRSH, "autostart", "--disable", GUEST],
        "kvm.guests",
        VIRT,
        f"start {GUEST} with the node",
    ),
    (
        "guest's disk readable by all",
        NODE,
        ["runuser", "-u", "oneadmin", "--", "chmod", "0644", f"{STORE}/101/{GUEST}.qcow2"],
        "kvm.guests",
        {f"disk.present {GUEST}.qcow2"},
        "0600",
    ),
    (
        "guest's seed lost",
        NODE,
        ["rm", f"/var/lib/libvirt/saltern-seeds/{GUEST}.iso"],
        "kvm.guests",
        VIRT,
        f"make the seed of {GUEST}",
    ),
    (
        "container stopped",
        FRONT,
        ["lxc-stop", "--kill", CONTAINER],
        "containers",
        LXC,
        f"start container {CONTAINER}",
    ),
    ("container not at boot", FRONT, sed("/^lxc.start.auto/d", CONFIG), "containers", LXC, CONTAINER),
    (
        "export withdrawn",
        FILER,
        ["exportfs", "-u", "192.168.43.0/24:/store/one/files"],
        "nfs.server",
        EXPORT,
        "export /store/one/files as the file says",
    ),
    ("export edited", FILER, sed("/files/s/rw/ro/", "/etc/exports"), "nfs.server", EXPORT, "/store/one/files"),
    (
        "directory closed",
        FILER,
        ["chmod", "700", "/store/one/files"],
        "nfs.server",
        {"file.directory /store/one/files"},
        "/store/one/files",
    ),
    (
        "server not at boot",
        FILER,
        ["systemctl", "disable", "nfs-server"],
        "nfs.server",
        {"service.running nfs-server"},
        "enable nfs-server.service",
    ),
    (
        "image closed",
        FILER,
        ["chmod", "600", "/store/one/images/debian-11.qcow2"],
        "images",
        {"image.present /store/one/images/debian-11.qcow2"},
        "0644",
    ),
]


@pytest.fixture(scope="module")
def converged(platform: Platform) -> Iterator[Platform]:
    """The platform, which has not changed after all that was broken and mended."""
    deadline = time.monotonic() + patient(SETTLED_S)
    while (shown := apply(platform.cluster, "*", "test=True"))[0]:
        assert time.monotonic() < deadline, shown
        time.sleep(3)  # a filer that was slow a moment ago is asked briefly for a minute
    yield platform
    assert apply(platform.cluster) == (set(), {})


@pytest.mark.parametrize(
    ("name", "argv", "sls", "states", "step"), [row[1:] for row in DRIFTS], ids=[row[0] for row in DRIFTS]
)
def test_a_drift_is_shown_and_then_mended_by_the_steps_that_were_shown(
    converged: Platform, name: str, argv: Sequence[str], sls: str, states: set[str], step: str
) -> None:
    cluster = converged.cluster
    noticed = {(name, *state.split(" ", 1)) for state in states}
    deadline = time.monotonic() + patient(BUSY_S)
    while (ran := cluster.lab[name].run(argv, check=False)).returncode:
        assert time.monotonic() < deadline, ran.stderr
        assert "busy" in ran.stderr, ran.stderr
        time.sleep(1)  # somebody looks at the file system that is to be unmounted
    try:
        shown, planned = apply(cluster, name, sls, "test=True")
    finally:
        mended, done = apply(cluster, name, sls)
    assert shown == noticed, planned
    assert any(step in sentence for sentence in planned[name]), planned
    assert (mended, done) == (shown, planned)
