"""Bridges that filter VLANs, service tags and bonds, on a kernel that has them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules import bridge
from modules._network.netlink import NetworkError
from states import bond as bond_states
from states import bridge as bridge_states
from states import vlan as vlan_states
from tests.integration.kernel import Node, ip, network_namespace, tool
from tests.patience import WAIT_S

BRIDGE: dict[str, Any] = {
    "vlan_filtering": True,
    "vlan_default_pvid": 0,
    "vlans": {"tagged": "43,46"},
    "ports": [{"p0": {"tagged": "43,46,100-110"}}, {"p1": {"pvid": 43}}, {"p2": {"pvid": 46, "isolated": True}}, "p3"],
}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A namespace with four pairs p0-q0 to p3-q3, far ends up."""
    with network_namespace(f"saltern-l-vlans-{os.getpid()}"):
        for number in range(4):
            ip("link", "add", f"p{number}", "type", "veth", "peer", "name", f"q{number}")
            ip("link", "set", f"q{number}", "up")
        yield Node(tmp_path)


def vlans() -> dict[str, dict[int, set[str]]]:
    """The VLANs of all bridges and ports with their flags, by bridge(8)."""
    found: dict[str, dict[int, set[str]]] = {}
    for entry in json.loads(tool("bridge", "-j", "vlan", "show")):
        for one in entry["vlans"]:
            for vlan in range(one["vlan"], one.get("vlanEnd", one["vlan"]) + 1):
                flags = {flag for flag in one.get("flags", []) if flag in ("PVID", "Egress Untagged")}
                found.setdefault(entry["ifname"], {})[vlan] = flags
    return found


def settings() -> list[tuple[str, bool, str | None]]:
    """Name, whether it is up, and master of each link: without carriers, which the kernel settles in its own time."""
    entries = json.loads(ip("-j", "link"))
    return [(entry["ifname"], "UP" in entry["flags"], entry.get("master")) for entry in entries]


def data(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ip("-j", "-d", "link", "show", "dev", name))[0]["linkinfo"]["info_data"]
    return found


OWN = {"PVID", "Egress Untagged"}
EXPECTED: dict[str, dict[int, set[str]]] = {
    "br7": {43: set(), 46: set()},
    "p0": {vlan: set() for vlan in (43, 46, *range(100, 111))},
    "p1": {43: OWN},
    "p2": {46: OWN},
}


def test_vlans_of_ports_converge_and_planning_touches_nothing(node: Node) -> None:
    before = settings()
    node.plan(bridge_states.present, "br7", **BRIDGE)
    assert settings() == before
    said = node.apply(bridge_states.present, "br7", **BRIDGE)
    assert vlans() == EXPECTED
    assert data("br7")["vlan_filtering"] == 1
    assert said[-1] == "set VLAN filtering of br7 to on"
    assert "set the VLANs of port p0 of br7: tagged 43,46,100-110" in said
    assert bridge.vlan("br7")["p1"] == {"pvid": 43, "untagged": "43", "tagged": ""}
    assert bridge.vlan("br7")["p0"] == {"pvid": None, "untagged": "", "tagged": "43,46,100-110"}


@pytest.mark.parametrize(
    ("drift", "repair"),
    [
        ("vlan add vid 7 dev p0", "set the VLANs of port p0 of br7: tagged 43,46,100-110"),
        ("vlan delete vid 105 dev p0", "set the VLANs of port p0 of br7: tagged 43,46,100-110"),
        ("vlan add vid 43 dev p1", "set the VLANs of port p1 of br7: PVID 43, untagged 43"),
        ("vlan add vid 46 dev p1 pvid untagged", "set the VLANs of port p1 of br7: PVID 43, untagged 43"),
        ("vlan delete vid 46 dev p2", "set the VLANs of port p2 of br7: PVID 46, untagged 46"),
        ("vlan delete vid 43 dev br7 self", "set the VLANs of the bridge br7 itself: tagged 43,46"),
        ("link set dev p2 isolated off", "set on port p2 of br7: isolated 1"),
    ],
)
def test_each_drift_of_vlans_is_repaired_by_one_step(node: Node, drift: str, repair: str) -> None:
    node.apply(bridge_states.present, "br7", **BRIDGE)
    tool("bridge", *drift.split())
    assert node.apply(bridge_states.present, "br7", **BRIDGE) == [repair]
    assert vlans() == EXPECTED


def test_a_port_that_comes_back_gets_its_vlans(node: Node) -> None:
    node.apply(bridge_states.present, "br7", **BRIDGE)
    ip("link", "set", "p1", "nomaster")
    ip("link", "set", "br7", "type", "bridge", "vlan_filtering", "0")
    assert node.apply(bridge_states.present, "br7", **BRIDGE) == [
        "add port p1 to br7",
        "set the VLANs of port p1 of br7: PVID 43, untagged 43",
        "set VLAN filtering of br7 to on",
    ]
    assert vlans() == EXPECTED


def test_the_default_pvid_is_not_changed_while_the_bridge_filters(node: Node) -> None:
    node.apply(bridge_states.present, "br7", vlan_filtering=True)
    with pytest.raises(NetworkError, match="while it filters VLANs"):
        node.plan(bridge_states.present, "br7", vlan_default_pvid=9)
    node.apply(bridge_states.present, "br7", vlan_filtering=False, vlan_default_pvid=9)
    node.apply(bridge_states.present, "br7", vlan_filtering=True, vlan_default_pvid=9)


def test_frames_of_one_vlan_never_appear_in_another(node: Node) -> None:
    """p1 (VLAN 43) and p2 (VLAN 46): what goes in at q1 comes out at q0 with tag 43, and not at q2."""
    node.apply(bridge_states.present, "br7", **(BRIDGE | {"ports": [*BRIDGE["ports"][:2], {"p2": {"pvid": 46}}]}))
    import socket

    with (
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300) as trunk,  # ETH_P_ALL in network order
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0x0300) as other,
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender,
    ):
        trunk.bind(("q0", 0x0003))
        other.bind(("q2", 0x0003))
        sender.bind(("q1", 0))
        frame = bytes.fromhex("ffffffffffff020000000043" + "88b5") + b"only in 43".ljust(50, b"\0")
        _send_until_it_comes(sender, frame, trunk)
        sender.bind(("q2", 0))
        # after which the first would have come to q2 as well
        _send_until_it_comes(sender, frame.replace(b"only in 43", b"only in 46"), trunk)
        assert not _has_come(other, b"only in 43")


def _send_until_it_comes(sender: Any, frame: bytes, to: Any) -> None:
    """Send FRAME again and again: the kernel lets a port forward once it has seen the carrier, up to a second later."""
    deadline = time.monotonic() + WAIT_S
    while not _has_come(to, frame[14:24]):
        assert time.monotonic() < deadline, frame
        sender.send(frame)
        time.sleep(0.1)


def _has_come(socket: Any, text: bytes) -> bool:
    socket.setblocking(False)
    while True:
        try:
            data, where = socket.recvfrom(2048)
        except BlockingIOError:
            return False
        if text in data and where[2] != 4:  # PACKET_OUTGOING
            return True


BOND: dict[str, Any] = {
    "mode": "active-backup",
    "members": ["p2", "p3"],
    "miimon": 50,
    "updelay": 100,
    "downdelay": 150,
    "primary": "p2",
    "primary_reselect": "better",
    "fail_over_mac": "none",
    "min_links": 1,
}


def test_a_bond_gets_all_its_options_and_each_drift_is_repaired(node: Node) -> None:
    node.apply(bond_states.present, "bond7", **BOND)
    shown = data("bond7")
    assert (shown["updelay"], shown["downdelay"], shown["primary"], shown["min_links"]) == (100, 150, "p2", 1)
    for drift in ("updelay 50", "primary p3", "min_links 0", "primary_reselect always"):
        ip("link", "set", "bond7", "type", "bond", *drift.split())
        assert len(node.apply(bond_states.present, "bond7", **BOND)) == 1, drift
    node.apply(bond_states.present, "bond7", **(BOND | {"fail_over_mac": "active"}))
    assert data("bond7")["fail_over_mac"] == "active"


def test_a_bond_may_watch_by_arp(node: Node) -> None:
    wish = {
        "mode": "active-backup",
        "arp_interval": 200,
        "arp_ip_target": ["10.9.0.1", "10.9.0.2"],
        "arp_validate": "all",
    }
    node.apply(bond_states.present, "bond7", **wish)
    shown = data("bond7")
    assert (shown["arp_interval"], sorted(shown["arp_ip_target"])) == (200, ["10.9.0.1", "10.9.0.2"])
    node.apply(bond_states.present, "bond7", **(wish | {"arp_ip_target": "10.9.0.3"}))
    assert list(data("bond7")["arp_ip_target"]) == ["10.9.0.3"]


def test_aggregators_are_chosen(node: Node) -> None:
    wish = {"mode": "802.3ad", "ad_select": "bandwidth", "lacp_rate": "fast", "miimon": 100, "members": ["p2", "p3"]}
    node.apply(bond_states.present, "bond7", **wish)
    ip("link", "set", "bond7", "down")
    ip("link", "set", "bond7", "type", "bond", "ad_select", "count")
    node.apply(bond_states.present, "bond7", **wish)
    assert data("bond7")["ad_select"] == "bandwidth"


def test_vlans_stand_on_bonds_on_service_tags_and_on_bridges(node: Node) -> None:
    node.apply(bond_states.present, "bond7", mode="active-backup", members=["p2"])
    node.apply(vlan_states.present, "s100", parent="bond7", id=100, protocol="802.1ad")
    node.apply(vlan_states.present, "c43", parent="s100", id=43)
    assert data("s100")["protocol"] == "802.1ad"
    node.apply(bridge_states.present, "br7", ports=["c43"])
    node.apply(vlan_states.present, "on-br7", parent="br7", id=9)
    node.apply(vlan_states.present, "s100", parent="bond7", id=100, protocol="802.1ad")
