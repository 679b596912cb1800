"""Pools, networks, volumes, snapshots and live growth on a libvirtd of the tests' own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules._image.qcow2 import BadImage
from modules._virt import pool as virt_pool
from modules._virt import snapshot as virt_snapshot
from modules._virt import volume as virt_volume
from modules._virt.network_xml import NetworkError
from modules._virt.pool_xml import PoolError
from modules._virt.snapshot import SnapshotError
from saltern.errors import SalternError
from saltern.marks import permit_acting
from states._virt.network import network_absent, network_defined, network_running
from states._virt.pool import pool_absent, pool_defined, pool_running
from states._virt.snapshot import snapshot_absent, snapshot_present
from states._virt.volume import volume_absent, volume_present
from states.disk import absent as disk_absent
from states.disk import present as disk_present
from tests.integration import libvirt_daemon
from tests.integration.kernel import Node, ip, network_namespace
from tests.integration.libvirt_daemon import Libvirtd
from tests.patience import WAIT_S

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not libvirt_daemon.available, reason="needs root, libvirtd and QEMU"),
]


@pytest.fixture(scope="module")
def daemon(qemu_cache: Path) -> Iterator[Libvirtd]:
    folder = Path(tempfile.mkdtemp(prefix="slt-virt-"))
    try:
        with network_namespace(f"slt-virt-{os.getpid()}"), libvirt_daemon.libvirtd(folder, qemu_cache) as running:
            ip("link", "add", "sltbr43", "type", "bridge")
            yield running
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def node(daemon: Libvirtd, tmp_path: Path) -> Iterator[Node]:
    found = Node(tmp_path)
    found.ctx = replace(found.ctx, config=replace(found.ctx.config, libvirt_uri=daemon.uri))
    yield found
    daemon.clear()


# --- pools


def test_a_directory_pool_is_made_run_left_alone_and_mended(node: Node, daemon: Libvirtd, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    arguments = {"target": str(folder), "permissions": {"mode": "0711", "owner": "root"}}
    plan = node.plan(pool_running, "images", **arguments)
    assert plan.current is None
    assert not folder.exists(), "planning makes nothing"
    with daemon.open() as connection:
        assert connection.listAllStoragePools() == []
    said = node.apply(pool_running, "images", **arguments)
    assert said[:2] == ["define pool images", f"make directory {folder}"]
    assert said[-2:] == ["let pool images start with the node", "start pool images"]
    assert node.apply(pool_running, "images", **arguments) == []
    with daemon.open() as connection:
        pool = connection.storagePoolLookupByName("images")
        assert (pool.isActive(), pool.autostart()) == (1, 1)
        uuid = pool.UUIDString()
        pool.destroy()
        pool.setAutostart(0)
    folder.chmod(0o755)
    assert node.apply(pool_running, "images", **arguments) == [
        f"set mode 0711 of {folder}",
        "let pool images start with the node",
        "start pool images",
    ]
    assert virt_pool.pool_info(node.ctx, "images")["images"]["state"] == "running"
    assert node.apply(pool_absent, "images") == ["stop pool images", "undefine pool images"]
    assert folder.is_dir()
    assert node.apply(pool_absent, "images") == []
    assert uuid


def test_a_running_pool_takes_another_target_at_its_next_start_or_is_restarted(
    node: Node, daemon: Libvirtd, tmp_path: Path
) -> None:
    first, second, third = (str(tmp_path / name) for name in "abc")
    node.apply(pool_running, "p", target=first)
    with daemon.open() as connection:
        uuid = connection.storagePoolLookupByName("p").UUIDString()
    said = node.apply(pool_running, "p", target=second)
    assert said == ["redefine pool p (takes effect at its next start)", f"make directory {second}"]
    assert first in virt_pool.pool_get_xml(node.ctx, "p")
    assert node.apply(pool_running, "p", target=second) == []
    assert node.apply(pool_running, "p", target=second, restart="if-needed") == ["stop pool p", "start pool p"]
    assert second in virt_pool.pool_get_xml(node.ctx, "p")
    assert node.apply(pool_running, "p", target=third, restart="if-needed") == [
        "redefine pool p",
        f"make directory {third}",
        "stop pool p",
        "start pool p",
    ]
    with daemon.open() as connection:
        assert connection.storagePoolLookupByName("p").UUIDString() == uuid


def test_a_pool_on_nfs_is_defined_as_it_was_written(node: Node, daemon: Libvirtd, tmp_path: Path) -> None:
    source = {"hosts": ["nfs.example.org"], "dir": "/srv/101", "version": "4.2"}
    arguments = {"ptype": "netfs", "target": str(tmp_path / "101"), "source": source}
    assert node.apply(pool_defined, "ds101", **arguments) == ["define pool ds101"]
    assert node.apply(pool_defined, "ds101", **arguments) == []
    with daemon.open() as connection:
        xml = connection.storagePoolLookupByName("ds101").XMLDesc()
    for part in ("host name='nfs.example.org'", "dir path='/srv/101'", "format type='nfs'", "protocol ver='4.2'"):
        assert part in xml
    source["hosts"] = ["other.example.org"]
    assert node.apply(pool_defined, "ds101", **arguments) == ["redefine pool ds101"]


def test_what_a_pool_cannot_be_is_refused(node: Node) -> None:
    with pytest.raises(PoolError, match="not the name of a pool"):
        node.plan(pool_running, "<&;", target="/x")
    with pytest.raises(PoolError, match="needs a `target`"):
        node.plan(pool_running, "p")
    with pytest.raises(PoolError, match="Did you mean 'hosts'"):
        node.plan(pool_running, "p", ptype="netfs", target="/x", source={"hots": "a"})


# --- networks


def test_a_network_on_a_bridge_of_the_node_runs_is_left_alone_and_mended(node: Node, daemon: Libvirtd) -> None:
    arguments = {"forward": "bridge", "bridge": "sltbr43"}
    said = ["define network br43", "let network br43 start with the node", "start network br43"]
    assert node.apply(network_running, "br43", **arguments) == said
    assert node.apply(network_running, "br43", **arguments) == []
    with daemon.open() as connection:
        network = connection.networkLookupByName("br43")
        assert (network.isActive(), network.autostart(), network.bridgeName()) == (1, 1, "sltbr43")
        uuid = network.UUIDString()
        network.destroy()
    assert node.apply(network_running, "br43", **arguments) == ["start network br43"]
    groups = [{"name": "a", "default": True}, {"name": "b"}]
    said = node.apply(network_running, "br43", portgroups=groups, **arguments)
    assert said == ["redefine network br43 (takes effect at its next start)"]
    said = node.apply(network_running, "br43", portgroups=groups, restart="if-needed", **arguments)
    assert said == ["stop network br43", "start network br43"]
    with daemon.open() as connection:
        assert connection.networkLookupByName("br43").UUIDString() == uuid
        assert "<portgroup name='a' default='yes'>" in connection.networkLookupByName("br43").XMLDesc()
    assert node.apply(network_absent, "br43") == ["stop network br43", "undefine network br43"]
    assert node.apply(network_absent, "br43") == []
    assert "sltbr43" in ip("-br", "link")


def test_networks_of_libvirts_own_are_defined_with_addresses_and_dhcp(node: Node, daemon: Libvirtd) -> None:
    config = {
        "cidr": "10.213.1.1/24",
        "dhcp_ranges": [{"start": "10.213.1.100", "end": "10.213.1.200"}],
        "hosts": [{"mac": "52:54:00:00:00:01", "ip": "10.213.1.10", "name": "web"}],
    }
    for forward in ("nat", "route", "isolated", "open"):
        arguments = {"forward": forward, "ipv4_config": config, "ipv6_config": {"cidr": "fd00:213::1/64"}}
        assert node.apply(network_defined, "own", **arguments)
        assert node.apply(network_defined, "own", **arguments) == []
    with daemon.open() as connection:
        xml = connection.networkLookupByName("own").XMLDesc()
    assert "<range start='10.213.1.100' end='10.213.1.200'/>" in xml
    assert "<host mac='52:54:00:00:00:01' name='web' ip='10.213.1.10'/>" in xml
    less = {**config, "hosts": []}
    said = node.apply(network_defined, "own", forward="open", ipv4_config=less, ipv6_config={"cidr": "fd00:213::1/64"})
    assert said == ["redefine network own"]


def test_a_network_on_a_bridge_that_is_missing_is_unknown_until_it_is_there(node: Node) -> None:
    plan = node.plan(network_running, "n", forward="bridge", bridge="sltbr44")
    assert plan.unknown == "there is no bridge 'sltbr44' on this node. Did you mean 'sltbr43'?"
    with pytest.raises(NetworkError, match="1-4094"):
        node.plan(network_running, "n", forward="bridge", bridge="b", vport="openvswitch", tag=4095)


# --- volumes, disks of guests, snapshots

M = 1 << 20


def guest(daemon: Libvirtd, disk: Path, *, name: str = "web", network: str | None = None) -> None:
    """A running guest without a system, with DISK as vda, on NETWORK."""
    nic = f"<interface type='network'><source network='{network}'/></interface>" if network else ""
    with daemon.open() as connection:
        connection.defineXML(
            f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>16</memory><vcpu>1</vcpu>"
            "<os><type machine='q35'>hvm</type></os><devices>"
            f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{disk}'/>"
            f"<target dev='vda' bus='virtio'/></disk>{nic}<memballoon model='none'/></devices></domain>"
        ).create()


def image_size(path: Path) -> int:
    shown = subprocess.run(
        ["qemu-img", "info", "-U", "--output=json", str(path)], capture_output=True, check=True, timeout=WAIT_S
    ).stdout
    return int(json.loads(shown)["virtual-size"])


@pytest.fixture
def pool(node: Node, tmp_path: Path) -> Path:
    node.apply(pool_running, "images", target=str(tmp_path / "images"))
    return tmp_path / "images"


def test_a_volume_is_made_left_alone_grown_and_deleted(node: Node, pool: Path) -> None:
    for format in ("qcow2", "raw"):
        name = f"v.{format}"
        arguments: dict[str, Any] = {"pool": "images", "size": "8M", "format": format}
        assert node.apply(volume_present, name, **arguments) == [f"make volume {name} in pool images ({format}, 8 MiB)"]
        assert image_size(pool / name) == 8 * M
        assert (pool / name).stat().st_mode & 0o777 == 0o600
        assert node.apply(volume_present, name, **arguments) == []
        assert node.apply(volume_present, name, **{**arguments, "size": 16}) == [
            f"grow volume {name} from 8 MiB to 16 MiB"
        ]
        assert image_size(pool / name) == 16 * M
        with pytest.raises(PoolError, match="never made smaller"):
            node.plan(volume_present, name, **arguments)
    told = virt_volume.volume_infos(node.ctx, "images")["images"]
    assert {name: (one["capacity"], one["format"]) for name, one in told.items()} == {
        "v.qcow2": (16 * M, "qcow2"),
        "v.raw": (16 * M, "raw"),
    }
    assert node.apply(volume_absent, "v.raw", pool="images") == ["delete volume v.raw of pool images"]
    assert node.apply(volume_absent, "v.raw", pool="images") == []
    assert virt_pool.pool_list_volumes(node.ctx, "images") == ["v.qcow2"]


def test_a_volume_that_came_or_went_behind_libvirts_back_is_seen(node: Node, pool: Path) -> None:
    arguments: dict[str, Any] = {"pool": "images", "size": "8M"}
    node.apply(volume_present, "v", **arguments)
    (pool / "v").rename(pool / "w")
    said = node.apply(volume_present, "v", **arguments)
    assert said == ["refresh pool images", "make volume v in pool images (qcow2, 8 MiB)"]
    (pool / "w").rename(pool / "x")
    assert node.apply(volume_present, "x", **arguments) == ["refresh pool images"]
    shutil.copy(pool / "x", pool / "y")
    assert node.apply(volume_absent, "y", pool="images") == [
        "refresh pool images",
        "delete volume y of pool images",
    ]


def test_a_volume_stands_on_an_image_that_refers_to_nothing_else(node: Node, pool: Path) -> None:
    node.apply(volume_present, "base", pool="images", size="8M")
    below = {"path": str(pool / "base"), "format": "qcow2"}
    arguments: dict[str, Any] = {"pool": "images", "size": "8M", "backing_store": below}
    said = node.apply(volume_present, "v", **arguments)
    assert said == [f"make volume v in pool images (qcow2, 8 MiB, on {pool}/base)"]
    assert node.apply(volume_present, "v", **arguments) == []
    assert "stand on it" in str(node.plan(volume_absent, "base", pool="images").unknown)
    with pytest.raises(PoolError, match="never made anew"):
        node.plan(volume_present, "v", pool="images", size="8M")
    with pytest.raises(BadImage, match="backing file"):
        node.plan(volume_present, "w", **{**arguments, "backing_store": {"path": str(pool / "v")}})


def test_a_volume_of_a_guest_grows_while_it_runs_and_is_not_deleted(node: Node, pool: Path, daemon: Libvirtd) -> None:
    node.apply(volume_present, "v", pool="images", size="8M")
    guest(daemon, pool / "v")
    said = node.apply(volume_present, "v", pool="images", size="16M")
    assert said == ["grow volume v from 8 MiB to 16 MiB while web runs"]
    assert image_size(pool / "v") == 16 * M
    with daemon.open() as connection:
        assert connection.lookupByName("web").blockInfo("vda")[0] == 16 * M
    assert "a disk of web" in str(node.plan(volume_absent, "v", pool="images").unknown)
    with daemon.open() as connection:
        connection.lookupByName("web").destroy()
    assert "a disk of web" in str(node.plan(volume_absent, "v", pool="images").unknown), "stopped, but still its disk"
    assert node.plan(pool_absent, "images").unknown is None, "its disk stays where it is"


def test_a_disk_grows_while_its_guest_runs(node: Node, tmp_path: Path, daemon: Libvirtd) -> None:
    path = tmp_path / "d.qcow2"
    node.apply(disk_present, str(path), size="8M")
    guest(daemon, path)
    said = node.apply(disk_present, str(path), size="16M")
    assert said == [f"grow disk {path} from 8 MiB to 16 MiB while web runs"]
    with daemon.open() as connection:
        assert connection.lookupByName("web").blockInfo("vda")[0] == 16 * M
    assert node.apply(disk_present, str(path), size="16M", user="nobody") == []
    with daemon.open() as connection:
        connection.lookupByName("web").destroy()
    assert "it is a disk of web" in str(node.plan(disk_absent, str(path)).unknown), "stopped, but still its disk"
    daemon.clear()
    assert node.apply(disk_absent, str(path)) == [f"delete disk {path}"]


def test_a_pool_and_a_network_under_a_guest_are_neither_restarted_nor_taken_away(
    node: Node, pool: Path, daemon: Libvirtd, tmp_path: Path
) -> None:
    node.apply(volume_present, "v", pool="images", size="8M")
    node.apply(network_running, "br43", forward="bridge", bridge="sltbr43")
    guest(daemon, pool / "v", network="br43")
    arguments: dict[str, Any] = {"forward": "bridge", "bridge": "sltbr43", "portgroups": [{"name": "a"}]}
    plan = node.plan(network_running, "br43", restart="if-needed", **arguments)
    assert plan.unknown == "the network br43 is in use by web, so it is not restarted"
    said = node.apply(network_running, "br43", **arguments)
    assert said == ["redefine network br43 (takes effect at its next start)"]
    assert "in use by web" in str(node.plan(network_absent, "br43").unknown)
    plan = node.plan(pool_running, "images", target=str(tmp_path / "other"), restart="if-needed")
    assert plan.unknown == "the pool images is in use by web, so it is not restarted"
    assert "in use by web" in str(node.plan(pool_absent, "images").unknown)


def test_snapshots_are_taken_listed_gone_back_to_and_deleted(node: Node, tmp_path: Path, daemon: Libvirtd) -> None:
    path = tmp_path / "d.qcow2"
    node.apply(disk_present, str(path), size="8M")
    guest(daemon, path)
    assert node.apply(snapshot_present, "first", domain="web", description="<clean>") == ["take snapshot first of web"]
    assert node.apply(snapshot_present, "first", domain="web") == []
    with permit_acting():
        assert virt_snapshot.snapshot(node.ctx, "web", "second", suffix="-b") == {"name": "second-b"}
        with pytest.raises(SnapshotError, match="already"):
            virt_snapshot.snapshot(node.ctx, "web", "first")
    told = virt_snapshot.list_snapshots(node.ctx, "web")["web"]
    assert {(one["name"], one["parent"], one["current"], one["state"]) for one in told} == {
        ("first", None, False, "running"),
        ("second-b", "first", True, "running"),
    }
    assert {one["name"]: one["description"] for one in told}["first"] == "<clean>"
    with permit_acting():
        assert virt_snapshot.revert_snapshot(node.ctx, "web", "first") == {"reverted": "first", "deleted": []}
        with pytest.raises(SnapshotError, match="Did you mean 'first'"):
            virt_snapshot.revert_snapshot(node.ctx, "web", "frist")
        with pytest.raises(SnapshotError, match="not the name"):
            virt_snapshot.snapshot(node.ctx, "web", "../x")
        with pytest.raises(SalternError, match="Did you mean 'web'"):
            virt_snapshot.snapshot(node.ctx, "wbe", "x")
        deleted = virt_snapshot.delete_snapshots(node.ctx, "web", "second-b")
        assert deleted == {"available": ["first"], "deleted": ["second-b"]}
    assert node.apply(snapshot_absent, "first", domain="web") == ["delete snapshot first of web"]
    assert node.apply(snapshot_absent, "first", domain="web") == []
    assert node.plan(snapshot_present, "a", domain="no").unknown == "there is no guest 'no' on this node"


def test_what_is_newer_than_a_snapshot_may_go_when_one_goes_back_to_it(
    node: Node, tmp_path: Path, daemon: Libvirtd
) -> None:
    path = tmp_path / "d.qcow2"
    node.apply(disk_present, str(path), size="8M")
    guest(daemon, path)
    with daemon.open() as connection:
        connection.lookupByName("web").destroy()
    with permit_acting():
        virt_snapshot.snapshot(node.ctx, "web", "a")
        virt_snapshot.snapshot(node.ctx, "web", "b")
        assert virt_snapshot.revert_snapshot(node.ctx, "web", "a", cleanup=True) == {"reverted": "a", "deleted": ["b"]}
        assert virt_snapshot.revert_snapshot(node.ctx, "web") == {"reverted": "a", "deleted": []}
        assert virt_snapshot.delete_snapshots(node.ctx, "web", all=True) == {"available": [], "deleted": ["a"]}


def test_where_libvirt_is_down_each_state_says_so(node: Node, daemon: Libvirtd) -> None:
    uri = daemon.uri + "-not-there"
    node.ctx = replace(node.ctx, config=replace(node.ctx.config, libvirt_uri=uri))
    for state, arguments in (
        (pool_running, {"target": "/x"}),
        (pool_absent, {}),
        (network_running, {"forward": "nat"}),
        (network_absent, {}),
        (volume_present, {"pool": "p", "size": "1G"}),
        (volume_absent, {"pool": "p"}),
        (snapshot_present, {"domain": "d"}),
        (snapshot_absent, {"domain": "d"}),
    ):
        assert f"can't reach libvirt at {uri}" in str(node.plan(state, "n", **arguments).unknown)
