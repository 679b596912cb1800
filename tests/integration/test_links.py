"""`veth`, `macvlan`, `vxlan` and `link.managed` on this kernel, in a network namespace of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modules import macvlan, network, veth, vxlan
from modules._netlink import NetworkError
from saltern.converge.plan import Plan
from saltern.marks import permit_acting
from states import bridge as bridge_states
from states import macvlan as macvlan_states
from states import veth as veth_states
from states import vxlan as vxlan_states
from tests.integration.kernel import Node, ip, needs_root, network_namespace

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with network_namespace("saltern-t-links"):
        ip("link", "set", "lo", "up")
        for number in (0, 1):
            ip("link", "add", f"eth{number}", "type", "veth", "peer", "name", f"far{number}")
            ip("link", "set", f"far{number}", "up")
        ip("link", "set", "eth0", "up")
        yield Node(tmp_path)


def shown(name: str) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(ip("-j", "-d", "link", "show", "dev", name))[0]
    return entry


def data(name: str) -> dict[str, Any]:
    found: dict[str, Any] = shown(name)["linkinfo"]["info_data"]
    return found


def addresses(name: str) -> set[str]:
    entries = json.loads(ip("-j", "addr", "show", "dev", name))[0]["addr_info"]
    return {f"{entry['local']}/{entry['prefixlen']}" for entry in entries if not entry["local"].startswith("fe80")}


VETH: dict[str, Any] = {"peer": "vb", "addresses": ["10.1.0.1/24"], "gateway": "10.1.0.254", "mtu": 1400}
MACVLAN: dict[str, Any] = {"parent": "eth0", "mode": "private", "addresses": ["10.1.0.1/24"], "gateway": "10.1.0.254"}
VXLAN: dict[str, Any] = {"id": 42, "remote": "192.0.2.9", "local": "192.0.2.1", "parent": "eth0", "mtu": 1400}


@pytest.mark.parametrize(
    ("state", "name", "arguments", "count"),
    [
        (veth_states.present, "va", VETH, 5),
        (macvlan_states.present, "mv0", MACVLAN | {"parent": "eth1"}, 4),
        (vxlan_states.present, "vx0", VXLAN | {"parent": "eth1"}, 3),
    ],
)
def test_planning_touches_nothing(
    node: Node, state: Callable[..., Plan], name: str, arguments: dict[str, Any], count: int
) -> None:
    before = ip("-d", "addr"), ip("route")
    assert len(node.plan(state, name, **arguments).steps) == count
    assert (ip("-d", "addr"), ip("route")) == before


def test_a_veth_is_made_with_both_ends_up(node: Node) -> None:
    assert node.apply(veth_states.present, "va", **VETH) == [
        "add va with the peer vb",
        "set MTU of vb to 1400",
        "set MTU of va to 1400",
        "add address 10.1.0.1/24 to va",
        "lead the default route via 10.1.0.254 dev va",
    ]
    for end in ("va", "vb"):
        assert shown(end)["mtu"] == 1400
        assert "LOWER_UP" in shown(end)["flags"]
    assert veth.list_()["va"] == {"peer": "vb", "up": True, "mtu": 1400}


@pytest.mark.parametrize(
    ("drift", "repair"),
    [
        (("link", "set", "va", "mtu", "1300"), ["set MTU of va to 1400"]),
        (("link", "set", "vb", "mtu", "1300"), ["set MTU of vb to 1400"]),
        (("link", "set", "vb", "down"), ["bring up vb"]),
        (("link", "set", "va", "down"), ["bring up va", "lead the default route via 10.1.0.254 dev va"]),
        (("link", "set", "vb", "name", "vc"), ["rename vc, the peer of va, to vb"]),
        (("addr", "add", "10.9.0.1/24", "dev", "va"), ["remove address 10.9.0.1/24 from va"]),
    ],
)
def test_one_drift_of_a_veth_is_repaired_by_as_few_steps(node: Node, drift: tuple[str, ...], repair: list[str]) -> None:
    node.apply(veth_states.present, "va", **VETH)
    ip(*drift)
    assert node.apply(veth_states.present, "va", **VETH) == repair


def test_a_peer_in_another_namespace_is_left_there(node: Node) -> None:
    from pyroute2 import netns

    netns.create("saltern-t-guest")
    try:
        node.apply(veth_states.present, "va", peer="vb")
        ip("link", "set", "vb", "netns", "saltern-t-guest")
        plan = node.plan(veth_states.present, "va", peer="vb", mtu=1400)
        assert [step.sentence for step in plan.steps] == ["set MTU of va to 1400"]
        assert "is in another network namespace" in (plan.comment or "")
        assert veth.list_()["va"]["peer"] is None
        assert network.topology()["links"]["va"]["peer"] is None
        with permit_acting(), pytest.raises(NetworkError, match="is in another network namespace"):
            veth.rename_peer("va", "vc")
    finally:
        netns.remove("saltern-t-guest")


def test_a_veth_takes_no_name_of_another_interface(node: Node) -> None:
    with pytest.raises(NetworkError, match="eth1 can't be the peer of va"):
        node.plan(veth_states.present, "va", peer="eth1")
    node.apply(bridge_states.present, "br0")
    with pytest.raises(NetworkError, match="br0 is there and is a bridge, not a veth"):
        node.plan(veth_states.present, "br0", peer="vb")


def test_an_absent_veth_takes_its_peer_along(node: Node) -> None:
    node.apply(veth_states.present, "va", peer="vb")
    assert node.apply(veth_states.absent, "va") == ["delete va and its peer vb"]
    assert "vb" not in ip("link")
    assert node.apply(veth_states.absent, "va") == []


def test_a_macvlan_is_made_and_its_parent_brought_up(node: Node) -> None:
    assert node.apply(macvlan_states.present, "mv0", parent="eth1") == [
        "bring up eth1",
        "add mv0: macvlan on eth1 (bridge)",
    ]
    assert data("mv0")["mode"] == "bridge"
    assert shown("mv0")["link"] == "eth1"
    assert macvlan.list_() == {"mv0": {"parent": "eth1", "mode": "bridge", "up": True, "mtu": 1500}}


@pytest.mark.parametrize(
    ("drift", "repair"),
    [
        (("link", "set", "mv0", "type", "macvlan", "mode", "vepa"), ["set the mode of mv0 to private"]),
        (("link", "set", "mv0", "down"), ["bring up mv0", "lead the default route via 10.1.0.254 dev mv0"]),
        (("link", "set", "eth0", "down"), ["bring up eth0"]),
        (("addr", "del", "10.1.0.1/24", "dev", "mv0"), None),
    ],
)
def test_one_drift_of_a_macvlan_is_repaired(node: Node, drift: tuple[str, ...], repair: list[str] | None) -> None:
    node.apply(macvlan_states.present, "mv0", **MACVLAN)
    ip(*drift)
    said = node.apply(macvlan_states.present, "mv0", **MACVLAN)
    assert said == (repair or ["add address 10.1.0.1/24 to mv0", "lead the default route via 10.1.0.254 dev mv0"])


def test_a_macvlan_keeps_its_address_and_routes_when_it_is_made_anew(node: Node) -> None:
    node.apply(macvlan_states.present, "mv0", **MACVLAN)
    ip("route", "add", "10.5.0.0/16", "via", "10.1.0.9")
    mac = shown("mv0")["address"]
    said = node.apply(macvlan_states.present, "mv0", **(MACVLAN | {"parent": "far1"}))
    assert said == ["make mv0 anew: macvlan on eth0 (private) → macvlan on far1 (private)"]
    assert shown("mv0")["address"] == mac
    assert addresses("mv0") == {"10.1.0.1/24"}
    assert "10.5.0.0/16 via 10.1.0.9 dev mv0" in ip("route")
    assert "default via 10.1.0.254 dev mv0" in ip("route")


def test_a_macvlan_that_can_not_be_made_anew_is_put_back(node: Node) -> None:
    node.apply(macvlan_states.present, "mv0", **MACVLAN)
    node.apply(macvlan_states.present, "mv1", parent="eth1")
    with permit_acting(), pytest.raises(NetworkError):
        macvlan.replace("mv0", "eth1", "passthru")  # takes the whole parent, but another macvlan is there
    assert shown("mv0")["link"] == "eth0"
    assert addresses("mv0") == {"10.1.0.1/24"}
    assert node.plan(macvlan_states.present, "mv0", **MACVLAN).steps == ()


@pytest.mark.parametrize(
    ("parent", "words"),
    [
        ("lo", "lo carries no macvlans"),
        ("mv9", "mv9: that is a macvlan itself, so give its parent eth0"),
        ("eth1", "eth1: that belongs to the bridge br0, so give br0"),
    ],
)
def test_a_parent_that_carries_no_macvlan_is_refused_while_planning(node: Node, parent: str, words: str) -> None:
    node.apply(macvlan_states.present, "mv9", parent="eth0")
    node.apply(bridge_states.present, "br0", ports=["eth1"])
    with pytest.raises(NetworkError, match=words):
        node.plan(macvlan_states.present, "mv0", parent=parent)


def test_an_absent_macvlan_is_deleted_and_only_a_macvlan(node: Node) -> None:
    node.apply(macvlan_states.present, "mv0", parent="eth0")
    assert node.apply(macvlan_states.absent, "mv0") == ["delete macvlan mv0"]
    assert node.apply(macvlan_states.absent, "mv0") == []
    with pytest.raises(NetworkError, match="eth0 is there and is a veth, not a macvlan"):
        node.plan(macvlan_states.absent, "eth0")
    with permit_acting(), pytest.raises(NetworkError, match="eth0 is a veth, not a macvlan"):
        macvlan.delete("eth0")


def test_a_vxlan_is_made_as_wished(node: Node) -> None:
    assert node.apply(vxlan_states.present, "vx0", **VXLAN) == [
        "add vx0: VXLAN 42 to 192.0.2.9 from 192.0.2.1 by eth0",
        "set MTU of vx0 to 1400",
    ]
    there = data("vx0")
    assert (there["id"], there["remote"], there["local"], there["link"], there["port"]) == (
        42, "192.0.2.9", "192.0.2.1", "eth0", 4789,
    )  # fmt: skip
    assert vxlan.list_()["vx0"]["parent"] == "eth0"


@pytest.mark.parametrize(
    "arguments",
    [
        {"id": 1},
        {"id": 16777215, "port": 8472},
        {"id": 7, "group": "239.1.1.1", "parent": "eth0"},
        {"id": 7, "group": "FF05::0:100", "parent": "eth0", "local": "2001:db8::1"},
        {"id": 7, "remote": "2001:db8::5"},
    ],
)
def test_every_kind_of_vxlan_converges(node: Node, arguments: dict[str, Any]) -> None:
    assert len(node.apply(vxlan_states.present, "vx0", **arguments)) == 1


def test_a_vxlan_stays_in_its_bridge_when_it_is_made_anew(node: Node) -> None:
    node.apply(vxlan_states.present, "vx0", **VXLAN)
    node.apply(bridge_states.present, "br0", ports=["vx0"])
    mac = shown("vx0")["address"]
    said = node.apply(vxlan_states.present, "vx0", **(VXLAN | {"remote": "192.0.2.77"}))
    assert said == [
        "make vx0 anew: VXLAN 42 to 192.0.2.9 from 192.0.2.1 by eth0 → VXLAN 42 to 192.0.2.77 from 192.0.2.1 by eth0",
        "set MTU of vx0 to 1400",
    ]
    assert shown("vx0")["master"] == "br0"
    assert shown("vx0")["address"] == mac


def test_a_drift_of_a_vxlan_is_repaired(node: Node) -> None:
    node.apply(vxlan_states.present, "vx0", **VXLAN)
    ip("link", "set", "vx0", "down", "mtu", "1300")
    assert node.apply(vxlan_states.present, "vx0", **VXLAN) == ["bring up vx0", "set MTU of vx0 to 1400"]
    ip("link", "set", "vx0", "type", "vxlan", "remote", "192.0.2.10")
    assert node.apply(vxlan_states.present, "vx0", **VXLAN)[0].startswith("make vx0 anew")


def test_an_id_that_another_vxlan_has_is_refused(node: Node) -> None:
    node.apply(vxlan_states.present, "vx0", **VXLAN)
    with pytest.raises(NetworkError, match="vx1 can't be VXLAN 42 with port 4789: vx0 is"):
        node.plan(vxlan_states.present, "vx1", id=42, remote="192.0.2.8")
    node.apply(vxlan_states.present, "vx1", id=42, remote="192.0.2.8", port=8472)


def test_an_absent_vxlan_is_deleted(node: Node) -> None:
    node.apply(vxlan_states.present, "vx0", **VXLAN)
    assert node.apply(vxlan_states.absent, "vx0") == ["delete VXLAN interface vx0"]
    assert node.apply(vxlan_states.absent, "vx0") == []


@pytest.mark.parametrize(
    ("state", "arguments"),
    [
        (macvlan_states.present, {"parent": "eht0"}),
        (vxlan_states.present, {"id": 7, "remote": "192.0.2.9", "parent": "eht0"}),
    ],
)
def test_a_missing_parent_is_unknown_and_the_nearest_is_named(
    node: Node, state: Callable[..., Plan], arguments: dict[str, Any]
) -> None:
    assert "Did you mean 'eth0'?" in (node.plan(state, "x0", **arguments).unknown or "")
