"""The network that a low state declares, in the form of the real one."""

from __future__ import annotations

from typing import Any

import pytest

from modules._network.declared import declared


def low(state: str, name: str, **arguments: Any) -> dict[str, Any]:
    module, _, function = state.partition(".")
    return {"state": module, "fun": function, "name": name, "__id__": name, **arguments}


@pytest.mark.parametrize(
    ("state", "link"),
    [
        (
            low("bridge.present", "br0", ports=["b", "a"], stp=False, addresses=["10.0.0.1/24"], mtu=9000),
            {
                "kind": "bridge",
                "up": True,
                "ports": ["a", "b"],
                "stp": False,
                "addresses": ["10.0.0.1/24"],
                "mtu": 9000,
            },
        ),
        (low("bridge.present", "br0"), {"kind": "bridge", "up": True}),
        (low("bridge.present", "br0", ports=[]), {"kind": "bridge", "up": True, "ports": []}),
        (
            low("vlan.present", "br0", parent="eth0", id=43),
            {"kind": "vlan", "up": True, "parent": "eth0", "vlan_id": 43, "vlan_protocol": "802.1q"},
        ),
        (
            low("bond.present", "br0", mode=1, members=["eth1"]),
            {"kind": "bond", "up": True, "mode": "active-backup", "ports": ["eth1"]},
        ),
        (
            low("vxlan.present", "br0", id=7, group="239.1.1.1", parent="eth0"),
            {"kind": "vxlan", "up": True, "vxlan_id": 7, "remote": "239.1.1.1", "parent": "eth0", "port": 4789},
        ),
        (
            low("macvlan.present", "br0", parent="eth0"),
            {"kind": "macvlan", "up": True, "parent": "eth0", "mode": "bridge"},
        ),
        (low("veth.present", "br0", peer="far0"), {"kind": "veth", "up": True, "peer": "far0"}),
        (low("link.managed", "br0", mac="02-AA-00-00-00-01"), {"mac": "02:aa:00:00:00:01"}),
        (
            low("bridge.present", "br0", addresses="2001:DB8::1/64"),
            {"kind": "bridge", "up": True, "addresses": ["2001:db8::1/64"]},
        ),
    ],
)
def test_a_link_has_just_what_its_state_names(state: dict[str, Any], link: dict[str, Any]) -> None:
    assert declared([state], {})["links"] == {"br0": link}


def test_states_of_one_link_are_joined() -> None:
    graph = declared(
        [
            low("address.present", "10.0.0.2/24", interface="br0"),
            low("bridge.present", "br0", addresses=["10.0.0.1/24"], gateway="10.0.0.254"),
            low("address.present", "x", interface="eth0", addresses=["10.9.0.2/24", "nonsense"]),
            low("link.managed", "eth0", mtu=9000),
            low("route.present", "default", gateway="2001:db8::1", interface="br0"),
            low("route.present", "10.5.0.0/16", gateway="10.0.0.9", interface="br0"),
            low("route.present", "default", gateway="10.0.0.9", interface="br0", table=100),
        ],
        {},
    )
    assert graph["links"]["br0"]["addresses"] == ["10.0.0.1/24", "10.0.0.2/24"]
    assert "only_adds" not in graph["links"]["br0"]
    assert graph["links"]["eth0"] == {"addresses": ["10.9.0.2/24", "nonsense"], "only_adds": ["addresses"], "mtu": 9000}
    assert graph["default_routes"] == [
        {"gateway": "10.0.0.254", "interface": "br0"},
        {"gateway": "2001:db8::1", "interface": "br0"},
    ]


def test_guests_are_on_the_bridges_that_their_interfaces_name() -> None:
    graph = declared(
        [
            low("lxc.present", "ct", network=[{"bridge": "br43"}, {"bridge": "br43"}, {"name": "none"}]),
            low("lxc.running", "ct"),
            low("lxc.present", "new-words", interfaces=[{"bridge": "br9"}]),
            low("virt.running", "vm", interfaces=[{"vnet": "private"}, {"vnet": "unknown"}, "odd"]),
            low("virt.defined", "idle", interfaces=[{"bridge": "br46"}]),
            low("virt.stopped", "halted"),
            low("lxc.running", "stopped-later"),
            low("lxc.stopped", "stopped-later"),
            low("virt.running", "gone"),
            low("virt.absent", "gone"),
        ],
        {"vnet": {"private": {"bridge": "br46"}}},
    )
    assert graph["guests"] == {
        "ct": {"kind": "lxc", "bridges": ["br43"], "running": True, "partly": True},
        "new-words": {"kind": "lxc", "bridges": ["br9"], "running": False, "partly": False},
        "vm": {"kind": "kvm", "bridges": ["br46"], "running": True, "partly": True},
        "idle": {"kind": "kvm", "bridges": ["br46"], "running": False, "partly": False},
        "stopped-later": {"kind": "lxc", "bridges": None, "running": False, "partly": False},
    }


def test_vlans_of_ports_belong_to_the_ports() -> None:
    ports = ["eth1", {"eth0": {"pvid": 43, "tagged": "10-12"}}]
    graph = declared([low("bridge.present", "br0", ports=ports, vlan_filtering=True, vlans={"tagged": 43})], {})
    assert graph["links"] == {
        "eth0": {"vlans": {"pvid": 43, "untagged": "43", "tagged": "10-12"}},
        "br0": {
            "kind": "bridge",
            "up": True,
            "vlan_filtering": True,
            "ports": ["eth0", "eth1"],
            "vlans": {"pvid": None, "untagged": "", "tagged": "43"},
        },
    }
    wrong = declared([low("bridge.present", "br0", ports=[{"eth0": {"pvid": 5000}}])], {})
    assert wrong["links"] == {"br0": {"kind": "bridge", "up": True}}


def test_network_managed_is_what_it_stands_for() -> None:
    from states._network.salt_words import translated

    run = {"__sls__": "net", "order": 10000, "require": [{"bridge": "x"}], "retry": True}
    managed = [
        low(
            "network.managed",
            "br0",
            type="bridge",
            ports="eth0 eth1",
            ipaddr="10.0.0.1",
            netmask="255.255.255.0",
            **run,
        ),
        low("network.managed", "eth0.43", type="vlan", mtu=1400, gateway="10.0.0.254", **run),
        low("network.managed", "eth5", type="eth", ipaddr="10.5.0.1/24", **run),
        low("network.managed", "br9", type="bridge", enabled=False, **run),
        low("network.managed", "odd", type="nonsense", **run),
    ]
    graph = declared(managed, {}, translated)
    assert graph["links"] == {
        "br0": {"kind": "bridge", "up": True, "ports": ["eth0", "eth1"], "addresses": ["10.0.0.1/24"]},
        "eth0.43": {
            "kind": "vlan",
            "up": True,
            "parent": "eth0",
            "vlan_id": 43,
            "vlan_protocol": "802.1q",
            "mtu": 1400,
        },
        "eth5": {"up": True, "addresses": ["10.5.0.1/24"], "only_adds": ["addresses"]},
    }
    assert graph["absent"] == ["br9"]
    assert graph["default_routes"] == [{"gateway": "10.0.0.254", "interface": "eth0.43"}]


def test_what_is_not_to_be_is_listed_and_other_states_are_passed_over() -> None:
    graph = declared([low("bridge.absent", "br9"), low("file.managed", "/x"), {"state": "bridge"}], {})
    assert (graph["absent"], graph["links"]) == (["br9"], {})
