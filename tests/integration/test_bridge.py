"""`bridge.present` and `bridge.absent` on this kernel, in a network namespace of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules import bridge, link, network
from modules._network.netlink import NetworkError
from modules._network.netvalues import BadValue
from saltern.marks import permit_acting
from states.bridge import absent, present
from tests.integration.kernel import Node, configured, ip, needs_root, network_namespace

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with network_namespace(f"saltern-t-{os.getpid()}"):
        ip("link", "set", "lo", "up")
        for number in (0, 1, 2):
            ip("link", "add", f"eth{number}", "type", "veth", "peer", "name", f"far{number}")
            ip("link", "set", f"far{number}", "up")
        ip("link", "set", "eth0", "up")
        yield Node(tmp_path)


def ports(name: str) -> set[str]:
    return {entry["ifname"] for entry in json.loads(ip("-j", "link", "show", "master", name))}


def addresses(name: str) -> set[str]:
    shown = json.loads(ip("-j", "addr", "show", "dev", name))[0]["addr_info"]
    return {f"{entry['local']}/{entry['prefixlen']}" for entry in shown if not entry["local"].startswith("fe80")}


def defaults() -> list[tuple[str, str, int]]:
    shown = json.loads(ip("-j", "route", "show", "default"))
    return [(entry.get("gateway", ""), entry["dev"], entry.get("metric", 0)) for entry in shown]


def test_a_whole_bridge_is_made_and_then_left_alone(node: Node) -> None:
    arguments = {
        "ports": ["eth0", "eth1"],
        "stp": False,
        "forward_delay": 0,
        "vlan_filtering": False,
        "addresses": ["192.168.43.1/24", "2001:DB8::1/64"],
        "gateway": "192.168.43.254",
        "mtu": 1400,
    }
    said = node.apply(present, "br43", **arguments)
    assert said == [
        "add bridge br43",
        "add port eth0 to br43",
        "add port eth1 to br43",
        "bring up port eth1 of br43",
        "set MTU of br43 to 1400",
        "add address 192.168.43.1/24 to br43",
        "add address 2001:db8::1/64 to br43",
        "lead the default route via 192.168.43.254 dev br43",
    ]
    assert ports("br43") == {"eth0", "eth1"}
    assert addresses("br43") == {"192.168.43.1/24", "2001:db8::1/64"}
    assert defaults() == [("192.168.43.254", "br43", 0)]
    shown = json.loads(ip("-j", "-d", "link", "show", "br43"))[0]
    assert shown["linkinfo"]["info_data"]["forward_delay"] == 0
    assert shown["mtu"] == 1400
    assert "UP" in shown["flags"]
    broadcast = json.loads(ip("-j", "-4", "addr", "show", "dev", "br43"))[0]["addr_info"][0]["broadcast"]
    assert broadcast == "192.168.43.255"


def test_planning_touches_nothing(node: Node) -> None:
    before = configured()
    plan = node.plan(present, "br43", ports=["eth0"], addresses=["192.168.43.1/24"], gateway="192.168.43.254")
    assert len(plan.steps) == 4
    assert configured() == before


def test_what_is_not_named_is_left_alone(node: Node) -> None:
    node.apply(present, "br0", ports=["eth0"], addresses=["10.0.0.1/24"], stp=True, forward_delay=4)
    assert node.plan(present, "br0").steps == ()
    assert node.apply(present, "br0", addresses=[]) == ["remove address 10.0.0.1/24 from br0"]
    assert ports("br0") == {"eth0"}
    assert node.apply(present, "br0", ports=[]) == ["remove port eth0 from br0"]


@pytest.mark.parametrize(
    ("drift", "repair"),
    [
        (
            ("addr", "del", "10.0.0.1/24", "dev", "br0"),  # the kernel drops the routes of a link without addresses
            ["add address 10.0.0.1/24 to br0", "lead the default route via 10.0.0.254 dev br0"],
        ),
        (("addr", "add", "10.9.0.1/24", "dev", "br0"), ["remove address 10.9.0.1/24 from br0"]),
        (("link", "set", "eth1", "nomaster"), ["add port eth1 to br0"]),
        (("link", "set", "eth2", "master", "br0"), ["remove port eth2 from br0"]),
        (("link", "set", "eth0", "down"), ["bring up port eth0 of br0"]),
        (("link", "set", "br0", "type", "bridge", "stp_state", "1"), ["set STP of br0 to off"]),
        (
            ("link", "set", "br0", "type", "bridge", "forward_delay", "700"),
            ["set the forward delay of br0 to 0 s"],
        ),
        (("link", "set", "br0", "mtu", "1300"), ["set MTU of br0 to 1400"]),
        (("route", "del", "default"), ["lead the default route via 10.0.0.254 dev br0"]),
        (
            ("route", "replace", "default", "via", "10.0.0.9"),
            ["lead the default route via 10.0.0.254 dev br0 instead of via 10.0.0.9"],
        ),
        (
            ("link", "set", "br0", "down"),
            ["bring up br0", "lead the default route via 10.0.0.254 dev br0"],
        ),
    ],
)
def test_one_drift_is_repaired_by_as_few_steps(node: Node, drift: tuple[str, ...], repair: list[str]) -> None:
    arguments = {
        "ports": ["eth0", "eth1"],
        "stp": False,
        "forward_delay": 0,
        "addresses": ["10.0.0.1/24"],
        "gateway": "10.0.0.254",
        "mtu": 1400,
    }
    node.apply(present, "br0", **arguments)
    ip(*drift)
    said = node.apply(present, "br0", **arguments)
    if drift[-1] == "1":  # switching STP on makes the kernel raise a forward delay of 0
        said = said[:1]
    assert said == repair


def test_a_deleted_bridge_comes_back_whole(node: Node) -> None:
    arguments = {"ports": ["eth0"], "addresses": ["10.0.0.1/24"], "gateway": "10.0.0.254"}
    node.apply(present, "br0", **arguments)
    ip("link", "del", "br0")
    assert node.apply(present, "br0", **arguments)[0] == "add bridge br0"


def test_a_port_of_another_bridge_is_moved_and_the_step_says_from_where(node: Node) -> None:
    node.apply(present, "br0", ports=["eth0", "eth1"])
    assert node.apply(present, "br1", ports=["eth1"]) == ["add bridge br1", "move port eth1 from br0 to br1"]
    assert ports("br0") == {"eth0"}


def test_the_address_and_the_routes_of_a_link_move_into_its_bridge(node: Node) -> None:
    ip("addr", "add", "192.168.43.1/24", "dev", "eth0")
    ip("route", "add", "default", "via", "192.168.43.254", "metric", "50")
    ip("route", "add", "10.5.0.0/16", "via", "192.168.43.9")
    said = node.apply(present, "br43", ports=["eth0"], addresses=["192.168.43.1/24"])
    assert said == [
        "add bridge br43",
        "add port eth0 to br43",
        "move address 192.168.43.1/24 from eth0 to br43",
    ]
    assert addresses("eth0") == set()
    assert defaults() == [("192.168.43.254", "br43", 50)]
    assert "10.5.0.0/16 via 192.168.43.9 dev br43" in ip("route")


def test_a_second_address_of_the_link_keeps_its_routes_when_the_first_moves(node: Node) -> None:
    ip("addr", "add", "192.168.43.1/24", "dev", "eth0")
    ip("addr", "add", "10.0.0.1/24", "dev", "eth0")
    ip("route", "add", "default", "via", "192.168.43.254")
    ip("route", "add", "10.5.0.0/16", "via", "10.0.0.9")
    node.apply(present, "br43", addresses=["192.168.43.1/24"])
    assert addresses("eth0") == {"10.0.0.1/24"}
    assert defaults() == [("192.168.43.254", "br43", 0)]
    assert "10.5.0.0/16 via 10.0.0.9 dev eth0" in ip("route")


def test_an_address_moves_between_bridges_with_a_new_prefix_length(node: Node) -> None:
    node.apply(present, "br0", addresses=["10.0.0.1/24"])
    assert node.apply(present, "br1", addresses=["10.0.0.1/16"]) == [
        "add bridge br1",
        "move address 10.0.0.1/24 from br0 to br1",
    ]
    assert addresses("br0") == set()
    assert addresses("br1") == {"10.0.0.1/16"}


def test_removing_the_first_address_keeps_the_others_of_its_network_and_the_default_route(node: Node) -> None:
    node.apply(present, "br0", addresses=["10.0.0.1/24"], gateway="10.0.0.254")
    ip("addr", "add", "10.0.0.2/24", "dev", "br0")
    ip("addr", "add", "10.0.0.3/24", "dev", "br0")
    ip("route", "add", "10.5.0.0/16", "via", "10.0.0.254", "src", "10.0.0.1", "metric", "7")
    said = node.apply(present, "br0", addresses=["10.0.0.2/24", "10.0.0.3/24"])
    assert said == ["remove address 10.0.0.1/24 from br0"]
    assert addresses("br0") == {"10.0.0.2/24", "10.0.0.3/24"}
    assert defaults() == [("10.0.0.254", "br0", 0)]
    kept = ip("route", "show", "10.5.0.0/16")
    assert "metric 7" in kept
    assert "10.0.0.1" not in kept


def test_an_address_is_exchanged_without_losing_the_default_route(node: Node) -> None:
    node.apply(present, "br0", addresses=["10.0.0.1/24"], gateway="10.0.0.254")
    said = node.apply(present, "br0", addresses=["10.0.0.7/24"], gateway="10.0.0.254")
    assert said == ["add address 10.0.0.7/24 to br0", "remove address 10.0.0.1/24 from br0"]
    assert defaults() == [("10.0.0.254", "br0", 0)]


def test_a_default_route_of_another_link_with_the_same_metric_is_replaced_and_named(node: Node) -> None:
    ip("addr", "add", "10.7.0.1/24", "dev", "eth2")
    ip("link", "set", "eth2", "up")
    ip("route", "add", "default", "via", "10.7.0.254")
    said = node.apply(present, "br0", addresses=["10.0.0.1/24"], gateway="10.0.0.254")
    assert said[-1] == "lead the default route via 10.0.0.254 dev br0 instead of via 10.7.0.254 dev eth2"
    assert defaults() == [("10.0.0.254", "br0", 0)]


def test_the_metric_of_the_default_route_stays(node: Node) -> None:
    node.apply(present, "br0", addresses=["10.0.0.1/24"])
    ip("route", "add", "default", "via", "10.0.0.9", "metric", "77")
    node.apply(present, "br0", gateway="10.0.0.254")
    assert defaults() == [("10.0.0.254", "br0", 77)]


def test_an_ipv6_gateway_is_set(node: Node) -> None:
    arguments = {"addresses": ["2001:db8::1/64"], "gateway": "2001:db8::ff"}
    node.apply(present, "br0", **arguments)
    assert "default via 2001:db8::ff dev br0" in ip("-6", "route")
    node.apply(present, "br0", addresses=["2001:db8::1/64"], gateway="2001:db8::fe")
    shown = ip("-6", "route", "show", "default")
    assert "2001:db8::fe" in shown
    assert "2001:db8::ff" not in shown


def test_a_link_local_address_of_the_kernel_is_not_managed(node: Node) -> None:
    node.apply(present, "br0", ports=["eth0"], addresses=[])
    ip("addr", "add", "fe80::1234/64", "dev", "br0")
    assert node.plan(present, "br0", ports=["eth0"], addresses=[]).steps == ()
    assert node.plan(present, "br0", addresses=["fe80::1234/64"]).steps == ()


def test_the_forward_delay_of_a_bridge_with_stp_can_go_to_zero_together_with_stp(node: Node) -> None:
    node.apply(present, "br0", stp=True, forward_delay=15)
    said = node.apply(present, "br0", stp=False, forward_delay=0)
    assert said == ["set STP of br0 to off", "set the forward delay of br0 to 0 s"]
    said = node.apply(present, "br0", stp=True, forward_delay=2.5)
    assert said == ["set the forward delay of br0 to 2.5 s", "set STP of br0 to on"]


def test_a_delay_that_stp_forbids_is_refused_while_planning(node: Node) -> None:
    node.apply(present, "br0", stp=True)
    with pytest.raises(BadValue, match="2 to 30 s, since it runs STP"):
        node.plan(present, "br0", forward_delay=0)


def test_a_missing_port_is_unknown_until_something_makes_it_and_the_nearest_is_named(node: Node) -> None:
    plan = node.plan(present, "br0", ports=["eht0"])
    assert plan.unknown == "there is no interface 'eht0' on this node. Did you mean 'eth0'?"


def test_a_port_may_be_given_by_another_name_that_it_has(node: Node) -> None:
    ip("link", "property", "add", "dev", "eth0", "altname", "enp0s31f6")
    node.apply(present, "br0", ports=["enp0s31f6"])
    assert ports("br0") == {"eth0"}


@pytest.mark.parametrize(
    ("prepare", "arguments", "words"),
    [
        (
            ("link", "add", "br1", "type", "bridge"),
            {"ports": ["br1"]},
            "br1 can't be a port of br0: it is a bridge itself",
        ),
        (
            ("link", "add", "br0", "type", "veth", "peer", "name", "other"),
            {},
            "br0 is there and is a veth, not a bridge",
        ),
    ],
)
def test_what_the_kernel_would_refuse_is_refused_while_planning(
    node: Node, prepare: tuple[str, ...], arguments: dict[str, object], words: str
) -> None:
    ip(*prepare)
    with pytest.raises(NetworkError, match=words):
        node.plan(present, "br0", **arguments)


def test_what_lies_on_the_bridge_can_not_be_its_port(node: Node) -> None:
    node.apply(present, "br0")
    ip("link", "add", "link", "br0", "name", "mv0", "type", "macvlan")
    with pytest.raises(NetworkError, match="mv0 can't be a port of br0: it lies on br0 itself"):
        node.plan(present, "br0", ports=["mv0"])
    with pytest.raises(NetworkError, match="br0 can't go while mv0 lies on it"):
        node.plan(absent, "br0")


def test_the_kernels_refusal_is_a_plain_error(node: Node) -> None:
    with permit_acting(), pytest.raises(NetworkError, match="exist"):
        bridge.add("eth0")
    with permit_acting(), pytest.raises(NetworkError, match=r"no interface 'eth9'.*Did you mean 'eth"):
        link.up("eth9")


def test_absent_deletes_the_bridge_and_frees_its_ports(node: Node) -> None:
    node.apply(present, "br0", ports=["eth0", "eth1"])
    plan = node.plan(absent, "br0")
    assert [(step.sentence, step.before) for step in plan.steps] == [("delete bridge br0", "ports: eth0, eth1")]
    node.apply(absent, "br0")
    assert "eth0" in ip("link")
    assert node.apply(absent, "br0") == []
    with pytest.raises(NetworkError, match="not a bridge"):
        node.plan(absent, "eth0")


def test_the_reading_functions_show_what_is_there(node: Node) -> None:
    node.apply(present, "br0", ports=["eth0", "eth1"], addresses=["10.0.0.1/24", "10.0.0.2/24"], gateway="10.0.0.254")
    assert bridge.list_() == ["br0"]
    assert bridge.interfaces("br0") == ["eth0", "eth1"]
    assert bridge.show("br0")["br0"]["interfaces"] == ["eth0", "eth1"]
    shown = network.interfaces()
    assert shown["eth0"]["master"] == "br0"
    assert shown["br0"]["inet"] == [
        {"address": "10.0.0.1", "netmask": "255.255.255.0", "broadcast": "10.0.0.255", "label": "br0"}
    ]
    assert shown["br0"]["secondary"][0]["address"] == "10.0.0.2"
    assert network.ip_addrs() == ["10.0.0.1", "10.0.0.2"]
    assert network.ip_addrs("br0", cidr="10.0.0.2/32") == ["10.0.0.2"]
    assert network.ip_addrs(include_loopback=True)[-1] == "127.0.0.1"
    assert network.default_route("inet") == [
        {
            "addr_family": "inet",
            "destination": "0.0.0.0",
            "gateway": "10.0.0.254",
            "netmask": "0.0.0.0",
            "flags": "UG",
            "interface": "br0",
            "metric": 0,
        }
    ]
