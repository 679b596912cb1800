"""What is declared against what is real: what is missing, extra, different, and what is nobody's business."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.network_graph.compare import Comparison, Mark, compare
from saltern.network_graph.graph import MOST_BOXES, guest_key, net_of


def compared(declared: dict[str, Any], real: dict[str, Any], **more: Any) -> Comparison:
    routes = more.pop("default_routes", [])
    return compare(
        net_of({"links": declared, **more}), net_of({"links": real, "default_routes": routes if not more else []})
    )


def told(comparison: Comparison) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for difference in comparison.differences:
        found.setdefault(difference.key, []).append(difference.sentence)
    return found


ETH0 = {"kind": "physical", "up": True, "mtu": 1500}
BRIDGE = {"kind": "bridge", "up": True, "mtu": 1500, "ports": ["eth0"], "addresses": ["10.0.0.1/24", "fe80::1/64"]}


@pytest.mark.parametrize(
    ("declared", "real", "expected"),
    [
        ({"kind": "bridge"}, BRIDGE, []),
        ({"kind": "bridge", "ports": ["eth0"], "addresses": ["10.0.0.1/24"], "mtu": 1500, "up": True}, BRIDGE, []),
        ({"kind": "bridge", "mtu": 9000}, BRIDGE, ["MTU 1500, declared 9000"]),
        ({"kind": "bridge", "stp": True}, {**BRIDGE, "stp": False}, ["STP off, declared on"]),
        ({"kind": "bridge", "up": True}, {**BRIDGE, "up": False}, ["down, declared up"]),
        ({"kind": "vlan", "vlan_id": 43}, BRIDGE, ["kind bridge, declared vlan", "VLAN none, declared 43", "on eth0"]),
        (
            {"kind": "bridge", "addresses": ["10.0.0.2/24"]},
            BRIDGE,
            ["10.0.0.2/24 is missing", "10.0.0.1/24 is not declared"],
        ),
        (
            {"kind": "bridge", "addresses": ["10.0.0.2/24"], "only_adds": ["addresses"]},
            BRIDGE,
            ["10.0.0.2/24 is missing"],
        ),
        ({"kind": "bridge", "addresses": []}, BRIDGE, ["10.0.0.1/24 is not declared"]),
        ({"kind": "bridge", "ports": ["eth1"]}, BRIDGE, ["on eth0, not declared", "not on eth1"]),
        ({"kind": "bridge", "ports": []}, BRIDGE, ["on eth0, not declared"]),
        (
            {"kind": "bridge", "vlans": {"pvid": 43, "untagged": "43", "tagged": "7"}},
            {**BRIDGE, "vlans": {"pvid": 1, "untagged": "1", "tagged": ""}},
            ["VLANs: PVID 1, declared PVID 43, tagged 7"],
        ),
        ({"mtu": 1500}, BRIDGE, []),  # link.managed says nothing of the kind
    ],
)
def test_only_what_is_declared_is_compared(declared: dict[str, Any], real: dict[str, Any], expected: list[str]) -> None:
    comparison = compared({"br0": declared}, {"eth0": ETH0, "eth1": ETH0, "br0": real})
    found = told(comparison)
    if expected and expected[-1] == "on eth0":  # a VLAN without a parent named: what it lies on is not managed
        expected = expected[:-1]
    assert found == ({"br0": expected} if expected else {})
    assert comparison.pairs["br0"].mark is (Mark.DIFFERENT if expected else Mark.SAME)


def test_what_is_missing_is_told_once_and_its_lines_are_missing_too() -> None:
    comparison = compared(
        {"br0": {"kind": "bridge", "ports": ["eth0.43"]}, "eth0.43": {"kind": "vlan", "parent": "eth0"}}, {"eth0": ETH0}
    )
    assert told(comparison) == {"br0": ["missing"], "eth0.43": ["missing"]}
    assert {(line.below, line.above, line.mark) for line in comparison.lines} == {
        ("eth0", "eth0.43", Mark.MISSING),
        ("eth0.43", "br0", Mark.MISSING),
    }


def test_what_someone_made_and_did_not_declare_is_extra_and_a_wire_is_not() -> None:
    real = {
        "eth0": ETH0,
        "br0": BRIDGE,
        "br9": {"kind": "bridge"},
        "lo": {"kind": "loopback"},
        "wg0": {"kind": "wireguard"},
    }
    comparison = compared({"br0": {"kind": "bridge"}}, real)
    marks = {key: pair.mark for key, pair in comparison.pairs.items()}
    assert marks == {"eth0": Mark.OTHER, "br0": Mark.SAME, "br9": Mark.EXTRA, "wg0": Mark.OTHER}
    assert told(comparison) == {"br9": ["not declared"]}


def test_where_nothing_is_declared_nothing_is_extra() -> None:
    assert told(compared({}, {"eth0": ETH0, "br0": BRIDGE})) == {}


def test_what_is_declared_absent_and_is_there_is_extra() -> None:
    comparison = compare(net_of({"absent": ["br0", "br1"]}), net_of({"links": {"eth0": ETH0, "br0": BRIDGE}}))
    assert told(comparison) == {"br0": ["declared absent"]}
    assert comparison.pairs["br0"].mark is Mark.EXTRA


def test_gateways_are_compared_by_family() -> None:
    routes = [{"gateway": "10.0.0.254", "interface": "br0"}, {"gateway": "2001:db8::1", "interface": "br0"}]
    real = net_of({"links": {"br0": BRIDGE, "eth0": ETH0}, "default_routes": routes})
    links = {"br0": {"kind": "bridge"}}
    assert compare(net_of({"links": links, "default_routes": routes[:1]}), real).differences == ()
    other = [{"gateway": "10.0.0.1", "interface": "br0"}]
    assert told(compare(net_of({"links": links, "default_routes": other}), real)) == {
        "br0": ["gateway 10.0.0.254, declared 10.0.0.1"]
    }


def test_guests_stand_in_the_place_of_their_taps() -> None:
    real = {
        "br0": {"kind": "bridge", "ports": ["vnet0", "vnet1", "vnet2"]},
        "vnet0": {"kind": "tap", "master": "br0", "guest": {"name": "web", "kind": "kvm"}},
        "vnet1": {"kind": "tap", "master": "br0", "guest": {"name": "web", "kind": "kvm"}},
        "vnet2": {"kind": "tap", "master": "br0", "guest": {"name": "stray", "kind": "kvm"}},
        "free0": {"kind": "tap", "guest": {"name": "free0", "kind": "guest"}},
    }
    guests = {
        "web": {"kind": "kvm", "bridges": ["br0"], "running": True},
        "db": {"kind": "kvm", "bridges": ["br0"], "running": True},
        "idle": {"kind": "lxc", "bridges": ["br0"], "running": False},
    }
    comparison = compare(
        net_of({"links": {"br0": {"kind": "bridge", "ports": []}}, "guests": guests}), net_of({"links": real})
    )
    assert told(comparison) == {
        guest_key("stray"): ["not declared"],
        guest_key("db"): ["missing"],
        guest_key("free0"): ["not declared"],
    }
    assert comparison.pairs[guest_key("idle")].mark is Mark.OTHER
    lines = {(line.below, line.above): (line.mark, line.label) for line in comparison.lines}
    assert lines["br0", guest_key("web")] == (Mark.SAME, "vnet0, vnet1")
    assert lines["br0", guest_key("idle")] == (Mark.OTHER, "")
    assert lines["free0", guest_key("free0")] == (Mark.OTHER, "")
    alone = compare(net_of({"links": {"br0": {"kind": "bridge"}}}), net_of({"links": real}))
    assert told(alone) == {}  # no guest is declared, so all are somebody else's


def test_a_guest_is_only_compared_on_the_bridges_that_are_named() -> None:
    real = {
        "br0": {"kind": "bridge", "ports": ["vnet0"]},
        "virbr0": {"kind": "bridge", "ports": ["vnet1"]},
        "vnet0": {"kind": "tap", "master": "br0", "guest": {"name": "web", "kind": "kvm"}},
        "vnet1": {"kind": "tap", "master": "virbr0", "guest": {"name": "web", "kind": "kvm"}},
    }
    for guest, expected in (
        ({"bridges": None}, []),
        ({"bridges": ["br0"], "partly": True}, []),
        ({"bridges": ["br0"], "partly": False}, ["on virbr0, not declared"]),
        ({"bridges": ["br0", "br7"], "partly": True}, ["not on br7"]),
    ):
        net = net_of({"guests": {"web": {"kind": "kvm", "running": True, **guest}}})
        assert told(compare(net, net_of({"links": real}))).get(guest_key("web"), []) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "links",
                    "guests",
                    "absent",
                    "default_routes",
                    "br0",
                    "eth0",
                    "kind",
                    "ports",
                    "parent",
                    "guest",
                    "name",
                    "master",
                    "addresses",
                    "bridges",
                    "bridge",
                    "vlan",
                    "interface",
                    "gateway",
                ]
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(declared=JSON, real=JSON)
def test_whatever_a_minion_returns_can_be_compared_drawn_and_told(declared: Any, real: Any) -> None:
    from xml.etree import ElementTree as ET

    from saltern.network_graph import svg, text

    nodes = {"n1": compare(net_of(declared), net_of(real))}
    ET.fromstring(svg.draw(nodes))
    for line in text.lines(nodes, {}, lambda _, words: words):
        assert "\x1b" not in line
        assert "\n" not in line


def test_more_boxes_than_can_be_shown_are_left_out_and_counted() -> None:
    net = net_of({"links": {f"d{number}": {"kind": "dummy"} for number in range(MOST_BOXES + 5)}})
    assert (len(net.boxes), net.left_out) == (MOST_BOXES, 5)
