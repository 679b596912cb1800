"""Going back to a checkpoint on this kernel, in a network namespace of its own, and for files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modules._checkpoint import capture, restore
from modules._checkpoint.checkpoint import Checkpoint, Kernel, SavedLink, Touched, decoded, encoded
from modules._checkpoint.diff import way_back
from tests.integration.kernel import ip, needs_root, network_namespace

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]

SETUP = """
link set lo up
link add eth0 type veth peer name far0
link add eth1 type veth peer name far1
link add eth2 type veth peer name far2
link set far0 up
link set far1 up
link set far2 up
link set eth1 up
link set eth2 up
link set eth0 up
link add br0 type bridge stp_state 0 forward_delay 0 ageing_time 10000
link set br0 alias uplink
link set br0 up
link set eth0 master br0
link set eth0 type bridge_slave isolated on cost 7
addr add 10.0.0.2/24 dev br0
addr add 10.0.0.3/24 dev br0
addr add 2001:db8::2/64 dev br0 nodad
addr add 10.5.0.2 peer 10.5.0.1/32 dev eth1
addr add 10.8.0.1/24 dev eth1 noprefixroute
route add default via 10.0.0.1
route add 10.9.0.0/16 via 10.0.0.1 metric 50 mtu 1400
route add blackhole 10.10.0.0/16
route add 10.11.0.0/16 nexthop via 10.0.0.1 nexthop via 10.0.0.4 weight 3
route add 10.12.0.0/16 via 10.0.0.1 table 77
route add 10.13.0.1 via 10.200.0.1 dev eth1 onlink
-6 route add default via 2001:db8::1
link add vx type vxlan id 42 remote 10.0.0.9 dstport 4789 ttl 9 dev br0
link set vx up mtu 1300
link add mv link eth2 type macvlan mode bridge
link set mv up
addr add 10.7.0.1/24 dev mv
"""

DAMAGE = {
    "a port": "link set eth0 nomaster",
    "the bridge": "link del br0",
    "down": "link set br0 down",
    "addresses": "addr del 10.0.0.2/24 dev br0\naddr add 10.6.0.1/24 dev eth1",
    "every address": "addr flush dev br0 scope global",
    "the VXLAN": "link del vx",
    "another VXLAN": "link del vx\nlink add vx type vxlan id 43 remote 10.0.0.9 dstport 4789 dev br0",
    "the macvlan": "link del mv",
    "a veth": "link del eth1",
    "a name": "link set eth2 name lan2",
    "what was made": "link add new0 type bridge\nlink set eth0 master new0\nlink set new0 up",
    "routes": "route replace default via 10.0.0.4\nroute del 10.11.0.0/16\nroute del 10.12.0.0/16 table 77\n"
    "route del blackhole 10.10.0.0/16\n-6 route del default\nroute add 10.66.0.0/16 via 10.0.0.9",
    "options": "link set br0 type bridge stp_state 1 forward_delay 400 priority 99\n"
    "link set eth0 type bridge_slave isolated off cost 9\nlink set br0 alias other\nlink set br0 txqueuelen 77",
    "MTU and MAC": "link set eth1 mtu 1400\nlink set mv address 02:00:00:00:00:09",
}


@pytest.fixture(scope="module")
def checkpoint() -> Iterator[Checkpoint]:
    with network_namespace(f"saltern-c-{os.getpid()}"):
        for line in SETUP.strip().splitlines():
            ip(*line.split())
        with capture.conversation() as netlink:
            yield decoded(encoded(capture.take(netlink, [], [])), Checkpoint)


@pytest.mark.parametrize("what", DAMAGE)
def test_the_network_goes_back_whatever_was_done_to_it(checkpoint: Checkpoint, what: str) -> None:
    for line in DAMAGE[what].splitlines():
        ip(*line.split())
    touched = Touched(made=frozenset({"new0"}), named=frozenset({"eth1", "far1"}))
    with capture.conversation() as netlink:
        assert way_back(capture.kernel(netlink), checkpoint.kernel, touched)
        assert restore.restore_kernel(netlink, checkpoint, touched) == []
        assert way_back(capture.kernel(netlink), checkpoint.kernel, touched) == []
    routes = ip("route", "show")
    assert "default via 10.0.0.1 dev br0" in routes
    assert "10.13.0.1 via 10.200.0.1 dev eth1 onlink" in routes
    assert "10.66" not in routes
    first, second = ip("-o", "-4", "addr", "show", "dev", "br0").splitlines()
    assert "10.0.0.2/24" in first
    assert "secondary" in second


def test_what_others_made_meanwhile_stays(checkpoint: Checkpoint) -> None:
    ip("link", "add", "docker0", "type", "bridge")
    with capture.conversation() as netlink:
        assert restore.restore_kernel(netlink, checkpoint, Touched()) == []
    assert "docker0" in ip("link", "show")
    ip("link", "del", "docker0")


def test_what_can_not_be_made_again_is_said_to_remain(checkpoint: Checkpoint) -> None:
    gone = SavedLink(index=99, name="eno9", kind=None, is_up=True, mtu=1500, mac=None)
    then = replace(checkpoint, kernel=replace(checkpoint.kernel, links=(*checkpoint.kernel.links, gone)))
    with capture.conversation() as netlink:
        assert restore.restore_kernel(netlink, then, Touched()) == ["make the interface eno9 again"]


def test_files_come_back_with_their_modes_and_new_ones_go(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    (folder / "sub").mkdir(parents=True)
    one, two, link = folder / "one", folder / "sub/two", folder / "link"
    one.write_text("first")
    one.chmod(0o600)
    two.write_text("second")
    link.symlink_to("one")
    outside, absent = tmp_path / "outside", tmp_path / "absent"
    outside.write_text("there")
    files = restore.files_named([str(outside), str(absent), str(one)], [str(folder)])
    checkpoint = Checkpoint(kernel=Kernel(), folders=(str(folder),), files=tuple(capture.files([str(folder)])))
    assert restore.restore_files(checkpoint, Touched(files=files)) == (False, [])

    one.write_text("other")
    one.chmod(0o644)
    two.unlink()
    link.unlink()
    link.write_text("no link")
    (folder / "new").write_text("new")
    outside.unlink()
    absent.write_text("made")
    assert restore.restore_files(checkpoint, Touched(files=files)) == (True, [])
    assert (one.read_text(), one.stat().st_mode & 0o777) == ("first", 0o600)
    assert (two.read_text(), os.readlink(link), outside.read_text()) == ("second", "one", "there")
    assert not (folder / "new").exists()
    assert not absent.exists()
