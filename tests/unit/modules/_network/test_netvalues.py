"""What names and numbers of the network may be."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._network import netvalues as values
from modules._network.netvalues import BadValue


@pytest.mark.parametrize("name", ["br0", "eno1.43", "a", "x" * 15, "über", "en-p0_s1"])
def test_a_name_that_the_kernel_takes_is_taken(name: str) -> None:
    assert values.interface_name(name) == name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "0 bytes"),
        ("x" * 16, "16 bytes"),
        ("ü" * 8, "16 bytes"),
        (".", "reserves"),
        ("..", "reserves"),
        ("all", "reserves"),
        ("default", "reserves"),
        ("a/b", "contains '/'"),
        ("a b", "contains ' '"),
        ("a\n", "contains"),
        ("eth%d", "contains '%'"),
        ("eth0:1", "contains ':'"),
        (43, "must be a text"),
    ],
)
def test_a_name_that_the_kernel_refuses_is_refused_with_the_reason(name: object, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        values.interface_name(name, "bridge")


@pytest.mark.parametrize("number", [0, 4095, -1, 5000, True, "43", 43.0])
def test_a_vlan_id_outside_1_to_4094_is_refused(number: object) -> None:
    with pytest.raises(BadValue):
        values.vlan_id(number)


@pytest.mark.parametrize("number", [1, 43, 4094])
def test_a_vlan_id_from_1_to_4094_is_taken(number: int) -> None:
    assert values.vlan_id(number) == number


@pytest.mark.parametrize(
    ("address", "canonical"),
    [
        ("192.168.43.1/24", "192.168.43.1/24"),
        ("192.168.43.1/255.255.255.0", "192.168.43.1/24"),
        ("2001:DB8:0::1/64", "2001:db8::1/64"),
        ("10.0.0.0/31", "10.0.0.0/31"),
    ],
)
def test_an_address_has_one_form(address: str, canonical: str) -> None:
    assert values.interface_address(address) == canonical


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("192.168.43.1", "prefix length"),
        ("192.168.43.300/24", "not an address"),
        ("192.168.43.1/33", "not an address"),
        ("192.168.43.0/24", "is the network"),
        ("192.168.43.255/24", "broadcast address"),
        ("224.0.0.1/24", "no interface can have"),
        ("fe80::1%eth0/64", "no interface can have"),
        (None, "prefix length"),
    ],
)
def test_what_is_no_address_of_an_interface_is_refused(address: object, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        values.interface_address(address)


def test_one_address_with_two_prefix_lengths_is_refused() -> None:
    with pytest.raises(BadValue, match="two prefix lengths"):
        values.interface_addresses(["10.0.0.1/24", "10.0.0.1/16"])


@given(st.integers(min_value=1, max_value=2**32 - 2), st.integers(min_value=1, max_value=32))
def test_an_address_is_refused_or_kept_in_meaning(number: int, length: int) -> None:
    text = f"{ipaddress.IPv4Address(number)}/{length}"
    try:
        assert values.interface_address(text) == text
    except BadValue:
        value = ipaddress.ip_interface(text)
        assert value.ip.is_multicast or value.ip in (value.network.network_address, value.network.broadcast_address)


@pytest.mark.parametrize(
    ("gateway", "addresses", "words"),
    [
        ("192.168.44.1", ["192.168.43.1/24"], "lies in no network"),
        ("192.168.43.1", ["192.168.43.1/24"], "own address"),
        ("192.168.43.254", [], "none is given"),
        ("192.168.43.254/24", None, "not the address of a gateway"),
        ("", None, "not the address of a gateway"),
        ("127.0.0.1", None, "can't be a gateway"),
    ],
)
def test_a_gateway_that_can_not_be_reached_is_refused(gateway: str, addresses: list[str] | None, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        values.gateway_address(gateway, addresses)


def test_a_link_local_gateway_needs_no_network() -> None:
    assert values.gateway_address("FE80::1", ["2001:db8::1/64"]) == "fe80::1"


@pytest.mark.parametrize(("ports", "words"), [(["br0"], "itself"), (["lo"], "loopback"), ({"a": 1}, "must be a list")])
def test_ports_that_can_not_be_are_refused(ports: list[str], words: str) -> None:
    with pytest.raises(BadValue, match=words):
        values.port_names(ports, "br0")


@pytest.mark.parametrize(
    ("delay", "stp", "kept"), [(0, False, 0), (2.5, True, 2.5), (30, True, 30), (1.234, False, 1.23)]
)
def test_a_forward_delay_is_kept_as_the_kernel_keeps_it(delay: float, stp: bool, kept: float) -> None:
    assert values.forward_delay(delay, stp=stp) == kept


@pytest.mark.parametrize(("delay", "stp"), [(31, False), (-1, False), (0, True), (True, False), ("4", False)])
def test_a_forward_delay_that_the_bridge_refuses_is_refused(delay: float, stp: bool) -> None:
    with pytest.raises(BadValue):
        values.forward_delay(delay, stp=stp)


@pytest.mark.parametrize(("protocol", "kept"), [("802.1Q", "802.1q"), ("802.1ad", "802.1ad")])
def test_a_vlan_protocol_is_taken_in_any_letters(protocol: str, kept: str) -> None:
    assert values.vlan_protocol(protocol) == kept


def test_an_unknown_vlan_protocol_is_refused() -> None:
    with pytest.raises(BadValue, match=r"802\.1q"):
        values.vlan_protocol("dot1q")
