"""`veth`, `macvlan`, `vxlan` and `link.managed` on this kernel, in a network namespace of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modules import link, macvlan, network, veth, vxlan
from modules._network.netlink import NetworkError, look_with, session
from saltern.converge.plan import Plan
from saltern.marks import permit_acting
from states import address as address_states
from states import bridge as bridge_states
from states import link as link_states
from states import macvlan as macvlan_states
from states import veth as veth_states
from states import vxlan as vxlan_states
from tests.integration.kernel import Node, configured, ip, needs_root, network_namespace

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]

GUEST = f"saltern-t-guest-{os.getpid()}"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with network_namespace(f"saltern-t-links-{os.getpid()}"):
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
    before = configured()
    assert len(node.plan(state, name, **arguments).steps) == count
    assert configured() == before


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
    ip("netns", "add", GUEST)
    try:
        node.apply(veth_states.present, "va", peer="vb")
        ip("link", "set", "vb", "netns", GUEST)
        plan = node.plan(veth_states.present, "va", peer="vb", mtu=1400)
        assert [step.sentence for step in plan.steps] == ["set MTU of va to 1400"]
        assert "is in another network namespace" in (plan.comment or "")
        assert veth.list_()["va"]["peer"] is None
        assert network.topology()["links"]["va"]["peer"] is None
        with permit_acting(), pytest.raises(NetworkError, match="is in another network namespace"):
            veth.rename_peer("va", "vc")
    finally:
        ip("netns", "delete", GUEST)


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
    ip("route", "add", "10.6.0.0/16", "via", "10.1.0.9", "table", "100")
    mac = shown("mv0")["address"]
    said = node.apply(macvlan_states.present, "mv0", **(MACVLAN | {"parent": "far1"}))
    assert said == ["make mv0 anew: macvlan on eth0 (private) → macvlan on far1 (private)"]
    assert shown("mv0")["address"] == mac
    assert addresses("mv0") == {"10.1.0.1/24"}
    assert "10.5.0.0/16 via 10.1.0.9 dev mv0" in ip("route")
    assert "10.6.0.0/16 via 10.1.0.9 dev mv0" in ip("route", "show", "table", "100")
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


def test_a_link_is_set_as_managed_and_then_left_alone(node: Node) -> None:
    said = node.apply(link_states.managed, "eth1", up=True, mtu=1400, mac="02:00:00:00:00:0A")
    assert said == ["set the MAC address of eth1 to 02:00:00:00:00:0a", "set MTU of eth1 to 1400", "bring up eth1"]
    assert (shown("eth1")["address"], shown("eth1")["mtu"]) == ("02:00:00:00:00:0a", 1400)
    assert node.apply(link_states.managed, "eth1", up=False) == ["take down eth1"]
    assert "UP" not in shown("eth1")["flags"]
    assert shown("eth1")["mtu"] == 1400


def test_a_missing_link_is_unknown_and_the_nearest_is_named(node: Node) -> None:
    assert "Did you mean 'eth" in (node.plan(link_states.managed, "eth9", up=True).unknown or "")


def test_a_link_that_goes_down_for_a_change_keeps_its_routes_and_addresses(node: Node) -> None:
    ip("addr", "add", "10.1.0.1/24", "dev", "eth0")
    ip("addr", "add", "2001:db8::1/64", "dev", "eth0", "nodad")
    ip("route", "add", "default", "via", "10.1.0.254")
    ip("route", "add", "2001:db8:5::/48", "via", "2001:db8::9")
    ip("route", "add", "10.6.0.0/16", "via", "10.1.0.9", "table", "1000")
    before = ip("route"), ip("route", "show", "table", "1000"), ip("-6", "route", "show", "2001:db8:5::/48")
    with session() as socket:
        there = link.found(look_with(socket), "eth0")
        with link.interrupted(socket, there):
            assert "UP" not in shown("eth0")["flags"]
            assert "default" not in ip("route")
    assert "UP" in shown("eth0")["flags"]
    assert addresses("eth0") == {"10.1.0.1/24", "2001:db8::1/64"}
    after = ip("route"), ip("route", "show", "table", "1000"), ip("-6", "route", "show", "2001:db8:5::/48")
    assert after == before


def test_addresses_are_added_beside_others(node: Node) -> None:
    ip("addr", "add", "10.9.0.1/24", "dev", "eth0")
    wanted = ["10.1.0.1/24", "2001:DB8::1/64"]
    assert node.apply(address_states.present, "of eth0", interface="eth0", addresses=wanted) == [
        "add address 10.1.0.1/24 to eth0",
        "add address 2001:db8::1/64 to eth0",
    ]
    assert node.apply(address_states.present, "10.1.0.2/24", interface="eth0") == ["add address 10.1.0.2/24 to eth0"]
    assert addresses("eth0") == {"10.9.0.1/24", "10.1.0.1/24", "10.1.0.2/24", "2001:db8::1/64"}
    ip("addr", "del", "10.1.0.2/24", "dev", "eth0")
    assert node.apply(address_states.present, "10.1.0.2/24", interface="eth0") == ["add address 10.1.0.2/24 to eth0"]


def test_an_address_with_another_prefix_length_is_changed(node: Node) -> None:
    ip("addr", "add", "10.1.0.1/16", "dev", "eth0")
    assert node.apply(address_states.present, "10.1.0.1/24", interface="eth0") == [
        "add address 10.1.0.1/24 to eth0",
        "remove address 10.1.0.1/16 from eth0",
    ]
    assert addresses("eth0") == {"10.1.0.1/24"}


def test_an_address_of_another_interface_is_moved(node: Node) -> None:
    ip("addr", "add", "10.1.0.1/24", "dev", "eth1")
    ip("link", "set", "eth1", "up")
    ip("route", "add", "10.5.0.0/16", "via", "10.1.0.9", "table", "100")
    plan = node.plan(address_states.present, "10.1.0.1/24", interface="eth0")
    assert [step.sentence for step in plan.steps] == ["move address 10.1.0.1/24 from eth1 to eth0"]
    assert addresses("eth1") == {"10.1.0.1/24"}
    node.apply(address_states.present, "10.1.0.1/24", interface="eth0")
    assert (addresses("eth0"), addresses("eth1")) == ({"10.1.0.1/24"}, set())
    assert "10.5.0.0/16 via 10.1.0.9 dev eth0" in ip("route", "show", "table", "100")


def test_an_absent_address_goes_whatever_its_prefix_length(node: Node) -> None:
    for address in ("10.1.0.1/24", "10.1.0.2/24", "2001:db8::1/64"):
        ip("addr", "add", address, "dev", "eth0")
    said = node.apply(address_states.absent, "gone", interface="eth0", addresses=["10.1.0.1", "2001:db8::1/128"])
    assert said == ["remove address 10.1.0.1/24 from eth0", "remove address 2001:db8::1/64 from eth0"]
    assert addresses("eth0") == {"10.1.0.2/24"}
    assert node.apply(address_states.absent, "10.1.0.2", interface="nowhere0") == []


def test_an_address_of_a_missing_interface_is_unknown(node: Node) -> None:
    plan = node.plan(address_states.present, "10.1.0.1/24", interface="eht0")
    assert "Did you mean 'eth0'?" in (plan.unknown or "")


def test_the_topology_is_the_real_graph_and_fits_json(node: Node) -> None:
    node.apply(bridge_states.present, "br0", ports=["eth0"], addresses=["10.1.0.1/24"], gateway="10.1.0.254")
    node.apply(macvlan_states.present, "mv0", parent="br0", mode="private")
    node.apply(vxlan_states.present, "vx0", **(VXLAN | {"parent": "br0"}))
    ip("tuntap", "add", "tap0", "mode", "tap")
    graph = network.topology()
    assert json.loads(json.dumps(graph)) == graph
    links = graph["links"]
    bridge = links["br0"]
    assert (bridge["kind"], bridge["ports"], bridge["up"], bridge["mtu"]) == ("bridge", ["eth0"], True, 1500)
    assert "10.1.0.1/24" in bridge["addresses"]
    assert bridge["mac"] == shown("br0")["address"]
    assert (links["eth0"]["kind"], links["eth0"]["master"], links["eth0"]["peer"]) == ("veth", "br0", "far0")
    assert (links["mv0"]["kind"], links["mv0"]["parent"], links["mv0"]["mode"]) == ("macvlan", "br0", "private")
    assert (links["vx0"]["vxlan_id"], links["vx0"]["parent"], links["vx0"]["remote"]) == (42, "br0", "192.0.2.9")
    assert (links["tap0"]["kind"], links["tap0"]["up"], links["tap0"]["state"]) == ("tap", False, "down")
    assert links["lo"]["kind"] == "loopback"
    assert graph["default_routes"] == [{"gateway": "10.1.0.254", "interface": "br0", "metric": 0}]


def test_an_alias_and_a_queue_length_are_set_and_repaired(node: Node) -> None:
    wish = {"alias": "to the switch", "txqueuelen": 77}
    node.apply(link_states.managed, "eth0", **wish)
    assert (shown("eth0")["ifalias"], shown("eth0")["txqlen"]) == ("to the switch", 77)
    ip("link", "set", "eth0", "alias", "other")
    assert node.apply(link_states.managed, "eth0", **wish) == ["set the alias of eth0 to 'to the switch'"]
    ip("link", "set", "eth0", "txqueuelen", "5")
    assert node.apply(link_states.managed, "eth0", **wish) == ["set the queue length of eth0 to 77"]
    assert node.apply(link_states.managed, "eth0", alias="") == ["set the alias of eth0 to ''"]


def test_options_of_a_vxlan_are_set_and_repaired_and_others_kept(node: Node) -> None:
    wish = VXLAN | {"learning": False, "ttl": 9, "tos": 4, "source_ports": "20000-30000"}
    node.apply(vxlan_states.present, "vx0", **wish)
    found = data("vx0")
    assert (found["learning"], found["ttl"], found["port_range"]) == (False, 9, {"low": 20000, "high": 30000})
    assert node.plan(vxlan_states.present, "vx0", **VXLAN).steps == (), "what is not named is left as it is"
    node.apply(vxlan_states.present, "vx0", **(VXLAN | {"remote": "192.0.2.8"}))
    assert (data("vx0")["learning"], data("vx0")["ttl"], data("vx0")["remote"]) == (False, 9, "192.0.2.8")
    assert "make vx0 anew" in node.apply(vxlan_states.present, "vx0", **(VXLAN | {"remote": "192.0.2.8", "ttl": 7}))[0]
    assert data("vx0")["ttl"] == 7
