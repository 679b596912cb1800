"""What ports, VLANs and options of a bridge may be."""

from __future__ import annotations

from typing import Any

import pytest

from modules._network import bridgevalues as values
from modules._network.bridgevlans import Vlans
from modules._network.netvalues import BadValue


@pytest.mark.parametrize(
    "ports",
    [
        ["eth1", {"eth0": {"pvid": 43, "tagged": "10-12", "isolated": True, "cost": 4}}],
        ["eth1", {"eth0": [{"pvid": 43}, {"tagged": [10, "11-12"]}, {"isolated": True}, {"cost": 4}]}],
        {"eth1": None, "eth0": {"pvid": 43, "untagged": 43, "tagged": "12,10-11,", "isolated": True, "cost": 4}},
    ],
)
def test_ports_may_be_written_in_several_ways(ports: object) -> None:
    found = values.declared(ports, "br0")
    assert found.names == ("eth0", "eth1")
    assert found.options == {"eth0": {"isolated": 1, "cost": 4}}
    assert found.vlans == {"eth0": Vlans(43, frozenset({43}), frozenset({10, 11, 12}))}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"pvid": 5}, Vlans(5, frozenset({5}))),
        ({"pvid": 5, "tagged": 5}, Vlans(5, frozenset(), frozenset({5}))),
        ({"pvid": 0, "tagged": "7"}, Vlans(None, frozenset(), frozenset({7}))),
        ({"untagged": [1, 2], "tagged": []}, Vlans(None, frozenset({1, 2}))),
        ({}, Vlans()),
    ],
)
def test_the_pvid_leaves_untagged_unless_it_is_tagged(settings: dict[str, Any], expected: Vlans) -> None:
    assert values.own_vlans(settings, "br0") == expected


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        (["br0"], "can't be a port of itself"),
        ([{"eth0": {"pivd": 3}}], "no option 'pivd'. Did you mean 'pvid'"),
        ([{"eth0": {"pvid": 4095}}], "VLAN 4095 is not possible"),
        ([{"eth0": {"tagged": "0-5"}}], "VLAN 0 is not possible"),
        ([{"eth0": {"tagged": "20-10"}}], "ends before it begins"),
        ([{"eth0": {"tagged": "ten"}}], "'ten' is no VLAN"),
        ([{"eth0": {"tagged": "1-4", "untagged": 3}}], "VLANs 3 both tagged and untagged"),
        ([{"eth0": {"cost": 0}}], "cost of the port eth0 0 is not possible"),
        ([{"eth0": {"isolated": "maybe"}}], "must be true or false"),
        ([{"eth0": 43}], "wants a mapping with its settings"),
        (7, "ports must be a list"),
        ([{"eth0/1": None}], "contains '/'"),
    ],
)
def test_wrong_ports_are_refused(ports: object, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        values.declared(ports, "br0")


@pytest.mark.parametrize(("given", "mask"), [(0, 0), ("0x4000", 0x4000), (16384, 16384), ("8", 8)])
def test_group_forwarding_masks(given: object, mask: int) -> None:
    assert values.group_fwd_mask(given) == mask


@pytest.mark.parametrize("given", ["0x1", 7, 65536, -1, "LLDP", True])
def test_wrong_group_forwarding_masks(given: object) -> None:
    with pytest.raises(BadValue):
        values.group_fwd_mask(given)


def test_times_are_kept_as_the_kernel_has_them() -> None:
    assert [values.time_s(given, "hello_time", 1, 10) for given in (2, 2.0, 1.504)] == [2, 2, 1.5]
    for wrong in (0.5, 11, "2", True):
        with pytest.raises(BadValue, match="hello_time"):
            values.time_s(wrong, "hello_time", 1, 10)
    assert [values.default_pvid(given) for given in (0, False, "none", 43)] == [0, 0, 0, 43]
