"""The tree on a terminal, as a person reads it."""

from __future__ import annotations

from saltern.network_graph import text
from saltern.network_graph.compare import compare
from saltern.network_graph.graph import net_of


def tree(declared: object, real: object) -> str:
    nodes = {"n1": compare(net_of(declared), net_of(real))}
    return "\n".join(text.lines(nodes, {"n2": "Minion is offline"}, lambda _, words: words))


def test_the_tree_goes_from_wires_to_guests_and_marks_what_differs() -> None:
    declared = {
        "links": {
            "eth0.43": {"kind": "vlan", "parent": "eth0", "vlan_id": 43},
            "br43": {"kind": "bridge", "ports": ["eth0.43"], "mtu": 9000},
            "bond0": {"kind": "bond", "ports": ["eth1", "eth2"]},
            "br47": {"kind": "bridge", "ports": ["eth0.47"]},
        },
        "guests": {"web": {"kind": "kvm", "bridges": ["br43"], "running": True}},
    }
    real = {
        "links": {
            "eth0": {"kind": "physical"},
            "eth1": {"kind": "physical"},
            "eth2": {"kind": "physical"},
            "eth0.43": {"kind": "vlan", "parent": "eth0", "vlan_id": 43},
            "br43": {"kind": "bridge", "ports": ["eth0.43", "vnet0"], "mtu": 1500, "addresses": ["10.0.0.1/24"]},
            "vnet0": {"kind": "tap", "master": "br43", "guest": {"name": "web", "kind": "kvm"}},
            "bond0": {"kind": "bond", "ports": ["eth1"], "mode": "802.3ad"},
            "virbr0": {"kind": "bridge", "ports": []},
        }
    }
    assert tree(declared, real).splitlines() == [
        "n1: 5 differences",
        "    eth0          interface",
        "    └─ eth0.43    VLAN 43",
        "  ~    └─ br43    bridge  10.0.0.1/24",
        "          │   MTU 1500, declared 9000",
        "          └─ web  KVM guest  vnet0",
        "  - eth0.47       interface  (missing)",
        "  - └─ br47       bridge  (missing)",
        "    eth1          interface",
        "  ~ └─ bond0      bond, 802.3ad",
        "    eth2          interface",
        "  - └─ bond0      (above)  (declared, and not on it)",
        "  + virbr0        bridge  (not declared)",
        "n2:",
        "    Minion is offline",
        "- declared, and missing   + there, and not declared   ~ other than declared",
    ]


def test_a_chain_of_any_length_is_shown() -> None:
    links = {f"v{n}": {"kind": "vlan", "parent": f"v{n - 1}"} for n in range(1, 900)} | {"v0": {"kind": "physical"}}
    assert tree({}, {"links": links}).count("VLAN") == 899


def test_a_circle_is_shown_once() -> None:
    links = {"a": {"kind": "vlan", "parent": "b"}, "b": {"kind": "vlan", "parent": "a"}}
    shown = tree({}, {"links": links})
    assert shown.count("(above)") == 1
