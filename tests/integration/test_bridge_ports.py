"""Ports of bridges on this kernel: guests' ends stay, and each port has its settings."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules import bridge
from states.bridge import absent, present
from tests.integration.kernel import Node, ip, needs_root, network_namespace

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]

GUEST = f"saltern-t-container-{os.getpid()}"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with network_namespace(f"saltern-t-ports-{os.getpid()}"):
        for number in (0, 1):
            ip("link", "add", f"eth{number}", "type", "veth", "peer", "name", f"far{number}")
        yield Node(tmp_path)


@pytest.fixture
def guests(node: Node) -> Iterator[None]:
    """A bridge br0 with the tap of an emulator and the veth of a container in it, beside eth0."""
    ip("netns", "add", GUEST)
    try:
        ip("link", "add", "br0", "up", "type", "bridge")
        ip("tuntap", "add", "vnet0", "mode", "tap")
        ip("link", "add", "vethABC", "type", "veth", "peer", "name", "inner")
        ip("link", "set", "inner", "netns", GUEST)
        for name in ("vnet0", "vethABC", "eth0"):
            ip("link", "set", name, "master", "br0")
        yield
    finally:
        ip("netns", "delete", GUEST)


def ports(name: str) -> set[str]:
    return {entry["ifname"] for entry in json.loads(ip("-j", "link", "show", "master", name))}


def port(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ip("-j", "-d", "link", "show", "dev", name))[0]["linkinfo"]["info_slave_data"]
    return found


@pytest.mark.usefixtures("guests")
def test_ends_of_guests_that_are_not_declared_stay(node: Node) -> None:
    assert node.apply(present, "br0", ports=["eth1"]) == [
        "remove port eth0 from br0",
        "add port eth1 to br0",
        "bring up port eth1 of br0",
    ]
    assert ports("br0") == {"eth1", "vnet0", "vethABC"}
    assert node.apply(present, "br0", ports=[]) == ["remove port eth1 from br0"]
    assert ports("br0") == {"vnet0", "vethABC"}


@pytest.mark.usefixtures("guests")
def test_a_guests_end_may_be_declared(node: Node) -> None:
    assert node.apply(present, "br1", ports=["vnet0"]) == [
        "add bridge br1",
        "move port vnet0 from br0 to br1",
        "bring up port vnet0 of br1",
    ]
    assert (ports("br0"), ports("br1")) == ({"eth0", "vethABC"}, {"vnet0"})
    ip("link", "set", "vnet0", "nomaster")
    assert node.apply(present, "br1", ports=["vnet0"]) == ["add port vnet0 to br1"]


@pytest.mark.usefixtures("guests")
def test_a_bridge_with_guests_does_not_go(node: Node) -> None:
    assert node.plan(absent, "br0").unknown == "the bridge br0 can't go while vethABC, vnet0 of guests is in it"
    for name in ("vnet0", "vethABC"):
        ip("link", "set", name, "nomaster")
    assert node.apply(absent, "br0") == ["delete bridge br0"]


def test_a_tun_that_carries_no_frames_and_a_pair_of_the_node_are_no_guests(node: Node) -> None:
    node.apply(present, "br0", ports=["eth0", "eth1"])
    assert node.apply(present, "br0", ports=["eth0"]) == ["remove port eth1 from br0"]


def test_the_mac_address_of_a_bridge_stays_when_ports_come_and_go(node: Node) -> None:
    node.apply(present, "br0", ports=["eth0"])
    mac = bridge.show("br0")["br0"]["id"]
    node.apply(present, "br0", ports=["eth0", "eth1"])
    node.apply(present, "br0", ports=["eth1"])
    node.apply(present, "br0", ports=[])
    assert bridge.show("br0")["br0"]["id"] == mac


OPTIONS: dict[str, Any] = {
    "stp": True,
    "priority": 4096,
    "forward_delay": 4,
    "hello_time": 1,
    "max_age": 8,
    "ageing_time": 120.5,
    "group_fwd_mask": "0x4000",
    "ports": [{"eth0": {"cost": 77, "priority": 5, "isolated": True, "hairpin": True, "guard": True}}, "eth1"],
}


def test_options_of_a_bridge_and_of_its_ports_converge(node: Node) -> None:
    before = ip("-d", "link")
    assert len(node.plan(present, "br0", **OPTIONS).steps) == 6
    assert ip("-d", "link") == before
    node.apply(present, "br0", **OPTIONS)
    data = json.loads(ip("-j", "-d", "link", "show", "dev", "br0"))[0]["linkinfo"]["info_data"]
    assert (data["priority"], data["hello_time"], data["max_age"], data["ageing_time"]) == (4096, 100, 800, 12050)
    assert (data["stp_state"], data["forward_delay"], int(data["group_fwd_mask"], 0)) == (1, 400, 0x4000)
    shown = port("eth0")
    assert (shown["cost"], shown["priority"], shown["isolated"], shown["hairpin"], shown["guard"]) == (
        77,
        5,
        True,
        True,
        True,
    )
    assert port("eth1")["isolated"] is False


@pytest.mark.parametrize(
    ("drift", "repair"),
    [
        (("br0", "type", "bridge", "priority", "8192"), "set the priority of br0 to 4096"),
        (("br0", "type", "bridge", "ageing_time", "30000"), "set the ageing time of br0 to 120.5 s"),
        (("br0", "type", "bridge", "hello_time", "200"), "set the hello time of br0 to 1 s"),
        (("br0", "type", "bridge", "group_fwd_mask", "0"), "set the group forwarding mask of br0 to 16384"),
        (("eth0", "type", "bridge_slave", "isolated", "off"), "set on port eth0 of br0: isolated 1"),
        (("eth0", "type", "bridge_slave", "cost", "3", "guard", "off"), "set on port eth0 of br0: cost 77, guard 1"),
    ],
)
def test_each_drift_of_an_option_is_repaired_by_one_step(node: Node, drift: tuple[str, ...], repair: str) -> None:
    node.apply(present, "br0", **OPTIONS)
    ip("link", "set", *drift)
    assert node.apply(present, "br0", **OPTIONS) == [repair]


def test_a_port_that_was_thrown_out_comes_back_with_its_settings(node: Node) -> None:
    node.apply(present, "br0", **OPTIONS)
    ip("link", "set", "eth0", "nomaster")
    assert node.apply(present, "br0", **OPTIONS)[0] == "add port eth0 to br0"
    assert (port("eth0")["cost"], port("eth0")["isolated"]) == (77, True)
