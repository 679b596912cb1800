"""Pools, networks, volumes, snapshots and live growth on a libvirtd of the tests' own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modules import _virt_pool
from modules._virt_network_xml import NetworkError
from modules._virt_pool_xml import PoolError
from states._virt_network import network_absent, network_defined, network_running
from states._virt_pool import pool_absent, pool_defined, pool_running
from tests.integration import libvirt_daemon
from tests.integration.kernel import Node, ip, network_namespace
from tests.integration.libvirt_daemon import Libvirtd

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not libvirt_daemon.available, reason="needs root, libvirtd and QEMU"),
]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Libvirtd]:
    folder = Path(tempfile.mkdtemp(prefix="slt-virt-"))
    try:
        with network_namespace("slt-virt"), libvirt_daemon.libvirtd(folder) as running:
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
    assert _virt_pool.pool_info(node.ctx, "images")["images"]["state"] == "running"
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
    assert first in _virt_pool.pool_get_xml(node.ctx, "p")
    assert node.apply(pool_running, "p", target=second) == []
    assert node.apply(pool_running, "p", target=second, restart="if-needed") == ["stop pool p", "start pool p"]
    assert second in _virt_pool.pool_get_xml(node.ctx, "p")
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
