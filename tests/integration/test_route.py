"""`route` and `sysctl` on this kernel, in a network namespace of their own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules import route, sysctl
from modules._network.netlink import NetworkError
from modules._network.netvalues import BadValue
from modules.sysctl import SysctlError
from saltern.marks import permit_acting
from states import route as states
from states import sysctl as sysctl_states
from tests.integration.kernel import Node, ip, needs_root, network_namespace, routes
from tests.integration.system import wait_for

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with network_namespace(f"saltern-t-route-{os.getpid()}"):
        ip("link", "set", "lo", "up")
        for number in (0, 1):
            ip("link", "add", f"eth{number}", "type", "veth", "peer", "name", f"far{number}")
            ip("link", "set", f"far{number}", "up")
            ip("link", "set", f"eth{number}", "up")
            ip("addr", "add", f"10.{number}.0.1/24", "dev", f"eth{number}")
            ip("addr", "add", f"2001:db8:{number}::1/64", "dev", f"eth{number}", "nodad")
        wait_for("the kernel has its routes to the addresses", lambda: len(local()) == 2)
        yield Node(tmp_path)


def local() -> list[str]:
    """The routes to this node's own IPv6 addresses, which the kernel makes in its own time."""
    return [route for route in routes("-6", "route", "show", "table", "local") if route.startswith("local 2001:db8:")]


def everything() -> list[str]:
    """All routes, without those to IPv6 link-local and multicast addresses, and without whether a carrier is there:
    the kernel settles both in its own time."""
    found = [*routes("route", "show", "table", "all"), *routes("-6", "route", "show", "table", "all")]
    return sorted(route for route in found if "fe80:" not in route and "ff00:" not in route)


@pytest.mark.parametrize(
    ("name", "arguments", "shown", "sentence"),
    [
        (
            "default",
            {"gateway": "10.0.0.254"},
            ("route", "show", "default"),
            "lead default via 10.0.0.254",
        ),
        (
            "default",
            {"gateway": "10.0.0.254", "interface": "eth0", "metric": 50},
            ("route", "show", "default", "metric", "50"),
            "lead default (metric 50) via 10.0.0.254 dev eth0",
        ),
        (
            "default",
            {"gateway": "2001:db8::fe", "interface": "eth0"},
            ("-6", "route", "show", "default"),
            "lead default (IPv6) via 2001:db8::fe dev eth0",
        ),
        (
            "10.5.0.0/16",
            {"gateway": "10.1.0.9", "table": 1000},
            ("route", "show", "table", "1000"),
            "lead 10.5.0.0/16 (table 1000) via 10.1.0.9",
        ),
        ("10.5.0.7", {"interface": "eth1"}, ("route", "show", "10.5.0.7"), "lead 10.5.0.7 dev eth1"),
        (
            "of the guests",
            {
                "destination": "2001:db8:5::/48",
                "gateway": "fe80::9",
                "interface": "eth1",
                "metric": 7,
                "table": "default",
            },
            ("-6", "route", "show", "table", "253"),
            "lead 2001:db8:5::/48 (metric 7, table 253) via fe80::9 dev eth1",
        ),
    ],
)
def test_a_route_is_made_left_alone_repaired_and_deleted(
    node: Node, name: str, arguments: dict[str, Any], shown: tuple[str, ...], sentence: str
) -> None:
    before = everything()
    assert [step.sentence for step in node.plan(states.present, name, **arguments).steps] == [sentence]
    assert everything() == before
    assert node.apply(states.present, name, **arguments) == [sentence]
    made = routes(*shown)
    assert len(made) == 1
    ip(*shown[: shown.index("show")], "flush", *shown[shown.index("show") + 1 :])
    assert node.apply(states.present, name, **arguments) == [sentence]
    assert routes(*shown) == made
    assert len(node.apply(states.absent, name, **arguments)) == 1
    assert everything() == before
    assert node.apply(states.absent, name, **arguments) == []


def test_another_way_with_the_same_metric_is_replaced_and_named(node: Node) -> None:
    ip("route", "add", "default", "via", "10.1.0.254")
    ip("route", "add", "default", "via", "10.1.0.253", "metric", "100")
    assert node.apply(states.present, "default", gateway="10.0.0.254", interface="eth0") == [
        "lead default via 10.0.0.254 dev eth0 instead of via 10.1.0.254 dev eth1"
    ]
    assert ip("route", "show", "default").splitlines() == [
        "default via 10.0.0.254 dev eth0 proto static ",
        "default via 10.1.0.253 dev eth1 metric 100 ",
    ]


def test_further_next_hops_are_taken_away(node: Node) -> None:
    ip("route", "add", "10.5.0.0/16", "nexthop", "via", "10.0.0.9", "nexthop", "via", "10.1.0.9")
    said = node.apply(states.present, "10.5.0.0/16", gateway="10.0.0.9")
    assert said == ["lead 10.5.0.0/16 via 10.0.0.9 instead of via 10.0.0.9 dev eth0 and via 10.1.0.9 dev eth1"]
    assert ip("route", "show", "10.5.0.0/16").count("via") == 1


def test_an_ipv6_route_of_another_sort_does_not_stay_beside(node: Node) -> None:
    ip("route", "add", "2001:db8:5::/48", "dev", "eth0")
    ip("route", "append", "2001:db8:5::/48", "via", "2001:db8:1::7")
    node.apply(states.present, "2001:db8:5::/48", gateway="2001:db8:1::9")
    shown = ip("-6", "route", "show", "2001:db8:5::/48")
    assert "via 2001:db8:1::9 dev eth1" in shown
    assert shown.count("dev") == 1
    node.apply(states.present, "2001:db8:5::/48", interface="eth0")
    assert ip("-6", "route", "show", "2001:db8:5::/48").count("dev") == 1


def test_a_route_into_nothing_gives_way(node: Node) -> None:
    ip("route", "add", "blackhole", "10.5.0.0/16")
    said = node.apply(states.present, "10.5.0.0/16", gateway="10.0.0.9")
    assert said == ["lead 10.5.0.0/16 via 10.0.0.9 instead of blackhole"]


def test_absent_takes_only_the_routes_that_are_meant(node: Node) -> None:
    ip("route", "add", "default", "via", "10.0.0.254")
    ip("route", "add", "default", "via", "10.1.0.254", "metric", "100")
    ip("route", "add", "default", "via", "10.1.0.254", "table", "100")
    assert node.apply(states.absent, "default", gateway="10.1.0.254") == [
        "delete the route to default (metric 100) via 10.1.0.254 dev eth1"
    ]
    ip("route", "add", "default", "metric", "7", "nexthop", "via", "10.0.0.9", "nexthop", "via", "10.1.0.9")
    assert node.apply(states.absent, "default") == [
        "delete the route to default via 10.0.0.254 dev eth0",
        "delete the route to default (metric 7) via 10.0.0.9 dev eth0 and via 10.1.0.9 dev eth1",
    ]
    assert ip("route", "show", "default") == ""
    assert "10.1.0.254" in ip("route", "show", "table", "100")


def test_a_gateway_that_is_not_reached_is_the_kernels_refusal_in_plain_words(node: Node) -> None:
    plan = node.plan(states.present, "default", gateway="172.16.0.1")
    with permit_acting(), pytest.raises(NetworkError, match="the gateway must lie in a network"):
        plan.steps[0].do()


def test_a_missing_interface_is_unknown_and_the_nearest_is_named(node: Node) -> None:
    plan = node.plan(states.present, "default", gateway="10.0.0.254", interface="eht0")
    assert "Did you mean 'eth0'?" in (plan.unknown or "")
    with permit_acting(), pytest.raises(NetworkError, match="there is no route to"):
        route.delete("10.5.0.0/16", "via 10.0.0.9 dev eth0", 0)


def test_a_misspelt_table_is_refused_and_the_nearest_named(node: Node) -> None:
    with pytest.raises(BadValue, match="Did you mean 'main'"):
        node.plan(states.present, "default", gateway="10.0.0.254", table="mian")


def test_the_routes_of_a_table_are_routes(node: Node) -> None:
    ip("route", "add", "10.5.0.0/16", "via", "10.0.0.9", "table", "100")
    assert route.list_(100) == [
        {"destination": "10.5.0.0/16", "gateway": "10.0.0.9", "interface": "eth0", "metric": 0, "kind": "unicast"}
    ]


FORWARD = "net.ipv4.conf.eth0.forwarding"


def test_a_parameter_is_set_now_and_at_boot_and_then_left_alone(node: Node, tmp_path: Path) -> None:
    config = str(tmp_path / "sysctl.d" / "90-test.conf")
    arguments: dict[str, Any] = {"value": True, "config": config}
    assert len(node.plan(sysctl_states.present, FORWARD, **arguments).steps) == 2
    assert (sysctl.get(FORWARD), Path(config).exists()) == ("0", False)
    assert node.apply(sysctl_states.present, FORWARD, **arguments) == [
        f"set {FORWARD} to 1",
        f"have {FORWARD} set to 1 at boot, in {config}",
    ]
    assert Path(config).read_text() == f"{FORWARD} = 1\n"
    assert sysctl.show(config) == {FORWARD: "1"}
    Path("/proc/sys/net/ipv4/conf/eth0/forwarding").write_text("0\n")
    assert node.apply(sysctl_states.present, FORWARD, **arguments) == [f"set {FORWARD} to 1"]
    Path(config).write_text(f"# ours\n{FORWARD}=0\nnet/ipv4/conf/eth0/forwarding = 1\nvm.swappiness = 10")
    assert len(node.apply(sysctl_states.present, FORWARD, **(arguments | {"value": 0}))) == 2
    assert Path(config).read_text() == f"# ours\n{FORWARD} = 0\nvm.swappiness = 10"


def test_values_are_compared_by_their_words(node: Node) -> None:
    arguments: dict[str, Any] = {"value": "20000  60999", "persist": False}
    assert node.apply(sysctl_states.present, "net.ipv4.ip_local_port_range", **arguments) == [
        "set net.ipv4.ip_local_port_range to 20000 60999"
    ]
    assert Path("/proc/sys/net/ipv4/ip_local_port_range").read_text() == "20000\t60999\n"


def test_an_interface_with_a_dot_is_reached_both_ways(node: Node) -> None:
    ip("link", "add", "v.7", "type", "veth", "peer", "name", "w.7")
    for name in ("net.ipv4.conf.v/7.rp_filter", "net/ipv4/conf/v.7/rp_filter"):
        assert sysctl.path_of(name) == "net/ipv4/conf/v.7/rp_filter"
    node.apply(sysctl_states.present, "net/ipv4/conf/v.7/rp_filter", value=2, persist=False)
    assert sysctl.get("net.ipv4.conf.v/7.rp_filter") == "2"


def test_a_missing_parameter_is_unknown_and_the_nearest_is_named(node: Node) -> None:
    plan = node.plan(sysctl_states.present, "net.ipv4.ip_foward", value=1)
    assert "Did you mean 'ip_forward" in (plan.unknown or "")
    with pytest.raises(SysctlError, match="Did you mean 'ip_forward"):
        sysctl.get("net.ipv4.ip_foward")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("net.ipv4", "is a group"),
        ("kernel.osrelease", "can't be changed"),
        ("net.ipv4.route.flush", "can't be read"),
    ],
)
def test_what_can_not_be_set_is_refused_while_planning(node: Node, name: str, words: str) -> None:
    with pytest.raises(SysctlError, match=words):
        node.plan(sysctl_states.present, name, value=1)


def test_a_value_that_the_kernel_refuses_is_a_plain_error(node: Node) -> None:
    with permit_acting(), pytest.raises(SysctlError, match=r"the kernel refuses 'yes' for net\.ipv4\.ip_forward"):
        sysctl.assign("net.ipv4.ip_forward", "yes")


@pytest.mark.parametrize(
    ("arguments", "sentence", "drift"),
    [
        ({"type": "blackhole"}, "lead 10.5.0.0/16 blackhole", ("replace", "unreachable", "10.5.0.0/16")),
        ({"type": "unreachable"}, "lead 10.5.0.0/16 unreachable", ("replace", "10.5.0.0/16", "via", "10.1.0.9")),
        (
            {"gateway": "10.1.0.9", "interface": "eth1", "source": "10.0.0.1"},
            "lead 10.5.0.0/16 via 10.1.0.9 dev eth1 src 10.0.0.1",
            ("replace", "10.5.0.0/16", "via", "10.1.0.9"),
        ),
        (
            {"gateway": "172.16.0.1", "interface": "eth1", "onlink": True},
            "lead 10.5.0.0/16 via 172.16.0.1 dev eth1 onlink",
            ("replace", "10.5.0.0/16", "dev", "eth1"),
        ),
    ],
)
def test_types_sources_and_gateways_on_the_link(
    node: Node, arguments: dict[str, Any], sentence: str, drift: tuple[str, ...]
) -> None:
    assert node.apply(states.present, "10.5.0.0/16", **arguments) == [sentence]
    made = routes("route", "show", "10.5.0.0/16")
    ip("route", *drift)
    assert len(node.apply(states.present, "10.5.0.0/16", **arguments)) == 1
    assert routes("route", "show", "10.5.0.0/16") == made
    assert len(node.apply(states.absent, "10.5.0.0/16")) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"type": "blackhole", "gateway": "10.1.0.9"}, "ends here"),
        ({"type": "blakhole"}, "Did you mean 'blackhole'"),
        ({"onlink": True, "gateway": "10.1.0.9"}, "that needs a gateway and an interface"),
        ({"interface": "eth1", "source": "::1"}, "must be of one family"),
    ],
)
def test_routes_that_can_not_be_are_refused(node: Node, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(BadValue, match=words):
        node.plan(states.present, "10.5.0.0/16", **arguments)
