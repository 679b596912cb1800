"""`network.managed`: Salt's arguments become those of the states of each kind, or are refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from modules._network.netvalues import BadValue
from saltern.converge.state import check_of
from states import network
from states._network import salt_words


@pytest.mark.parametrize(
    ("name", "settings", "expected"),
    [
        (
            "br43",
            {
                "type": "bridge",
                "proto": "static",
                "ports": "eno1.43 eno2",
                "stp": False,
                "delay": 0,
                "ipaddr": "192.168.43.1",
                "netmask": "255.255.255.0",
                "gateway": "192.168.43.254",
                "ipaddrs": ["10.0.0.1/24"],
                "ipv6addr": "2001:db8::1",
                "ipv6netmask": 64,
                "mtu": 1500,
            },
            (
                "bridge.present",
                "br43",
                {
                    "forward_delay": 0,
                    "stp": False,
                    "ports": ["eno1.43", "eno2"],
                    "addresses": ["192.168.43.1/24", "10.0.0.1/24", "2001:db8::1/64"],
                    "gateway": "192.168.43.254",
                    "mtu": 1500,
                },
            ),
        ),
        ("eno1.43", {"type": "vlan"}, ("vlan.present", "eno1.43", {"parent": "eno1", "id": 43})),
        (
            "vlan43",
            {"type": "vlan", "phys_dev": "bond0", "use": "x", "persist": "none"},
            ("vlan.present", "vlan43", {"parent": "bond0", "id": 43, "persist": "none"}),
        ),
        (
            "bond0",
            {
                "type": "bond",
                "slaves": ["eno1", "eno2"],
                "mode": "802.3ad",
                "miimon": 100,
                "hashing-algorithm": "layer2",
            },
            (
                "bond.present",
                "bond0",
                {"mode": "802.3ad", "miimon": 100, "xmit_hash_policy": "layer2", "members": ["eno1", "eno2"]},
            ),
        ),
        ("br0", {"type": "bridge", "enabled": False}, ("bridge.absent", "br0", {})),
        ("eth0", {"type": "slave", "master": "bond0"}, ("link.managed", "eth0", {"up": True})),
        ("eth0", {"enabled": False}, ("link.managed", "eth0", {"up": False})),
    ],
)
def test_settings_become_those_of_one_state(
    name: str, settings: dict[str, Any], expected: tuple[str, str, dict[str, Any]]
) -> None:
    assert salt_words.calls(name, settings) == [expected]


def test_a_plain_interface_is_three_states() -> None:
    settings = {"ipaddr": "10.0.0.1/24", "gateway": "10.0.0.254", "mtu": 1400, "hwaddr": "02:00:00:00:00:01"}
    assert salt_words.calls("eth0", settings) == [
        ("link.managed", "eth0", {"up": True, "mtu": 1400, "mac": "02:00:00:00:00:01"}),
        ("address.present", "eth0", {"interface": "eth0", "addresses": ["10.0.0.1/24"]}),
        ("route.present", "default", {"gateway": "10.0.0.254", "interface": "eth0"}),
    ]


@pytest.mark.parametrize(
    ("name", "settings", "argument", "words"),
    [
        ("br0", {"type": "brigde"}, "type", "Did you mean 'bridge'"),
        ("eth0", {"proto": "dhcp"}, "proto", "it sets addresses that are known"),
        ("eth0", {"slaves": "eth1"}, "slaves", "type eth takes no 'slaves'"),
        ("eth0", {"ipaddr": "10.0.0.1"}, "ipaddr", "has no prefix length"),
        ("eth0", {"ipaddr": "10.0.0.0/24"}, "ipaddr", "is the network"),
        ("eth0.0", {"type": "vlan"}, "vlan_id", "VLAN 0 is not possible"),
        ("v", {"type": "vlan", "phys_dev": "eth0"}, "vlan_id", "needs vlan_id"),
        ("vlan7", {"type": "vlan"}, "phys_dev", "needs phys_dev"),
        ("br0", {"type": "bridge", "ports": "br0"}, "ports", "can't be a port of itself"),
        ("a-name-that-is-long", {"type": "bridge"}, "name", "1 to 15 are possible"),
    ],
)
def test_wrong_settings_are_refused_before_anything_runs(
    name: str, settings: dict[str, Any], argument: str, words: str
) -> None:
    ask = check_of(network.managed)
    assert ask is not None
    with pytest.raises(BadValue, match=words) as refused:
        ask(name, **settings)
    assert refused.value.argument == argument  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        (
            {"ipaddr": "10.5.0.0", "netmask": "255.255.0.0", "gateway": "10.0.0.9"},
            ("10.5.0.0/16", {"gateway": "10.0.0.9"}),
        ),
        ({"secure": [{"ipaddr": "10.5.0.0/16"}, {"metric": 5}]}, ("10.5.0.0/16", {"metric": 5})),
        (
            {"ipaddr": "default", "gateway": "10.0.0.9", "table": 100},
            ("default", {"gateway": "10.0.0.9", "table": 100}),
        ),
    ],
)
def test_routes_become_those_of_route_present(route: dict[str, Any], expected: tuple[str, dict[str, Any]]) -> None:
    to, more = expected
    assert list(salt_words.routes_of("eth0", [route], {})) == [(to, {"interface": "eth0", **more})]


@pytest.mark.parametrize("route", [{"gateway": "10.0.0.1"}, {"ipaddr": "10.0.0.0/8", "gatway": "x"}])
def test_wrong_routes_are_refused(route: dict[str, Any]) -> None:
    with pytest.raises(BadValue, match="a route of eth0"):
        list(salt_words.routes_of("eth0", [route], {}))
