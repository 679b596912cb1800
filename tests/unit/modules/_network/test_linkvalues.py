"""What the arguments of links and routes may be."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._network import linkvalues as values
from modules._network.netvalues import BadValue


@pytest.mark.parametrize("text", ["02:00:00:00:00:0A", "02-00-00-00-00-0a"])
def test_a_mac_address_has_one_form(text: str) -> None:
    assert values.mac_address(text) == "02:00:00:00:00:0a"


@pytest.mark.parametrize(
    "text", ["", "02:00:00:00:00", "02:00:00:00:00:0g", "01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "0" * 12, 61234, None]
)
def test_what_no_interface_can_have_as_mac_address_is_refused(text: object) -> None:
    with pytest.raises(BadValue):
        values.mac_address(text)


def test_all_zeros_is_no_mac_address() -> None:
    with pytest.raises(BadValue, match="none of a single station"):
        values.mac_address("00:00:00:00:00:00")


@pytest.mark.parametrize(("mode", "name"), [("802.3ad", "802.3ad"), (4, "802.3ad"), ("1", "active-backup")])
def test_a_mode_of_a_bond_may_be_given_by_number(mode: object, name: str) -> None:
    assert values.bond_mode(mode) == name


@pytest.mark.parametrize("mode", ["lacp", 7, -1, "", "802.3AD"])
def test_an_unknown_mode_is_refused(mode: object) -> None:
    with pytest.raises(BadValue, match="not a mode of a bond"):
        values.bond_mode(mode)


def test_the_nearest_mode_is_named() -> None:
    with pytest.raises(BadValue, match="Did you mean 'active-backup'"):
        values.bond_mode("activ-backup")


@pytest.mark.parametrize(
    ("given_", "gateway", "canonical"),
    [
        ("default", None, "0.0.0.0/0"),
        ("default", "10.0.0.1", "0.0.0.0/0"),
        ("default", "fe80::1", "::/0"),
        ("10.5.0.0/16", None, "10.5.0.0/16"),
        ("10.5.0.7", None, "10.5.0.7/32"),
        ("2001:DB8::/32", None, "2001:db8::/32"),
    ],
)
def test_a_destination_has_one_form(given_: str, gateway: str | None, canonical: str) -> None:
    assert values.destination(given_, gateway) == canonical


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        ("10.5.0.1/16", r"the network of that address is 10\.5\.0\.0/16"),
        ("10.5.0.0/33", "write it like"),
        ("defualt", "or default"),
        ("224.0.0.0/4", "multicast"),
        (10, "not the destination"),
    ],
)
def test_what_can_be_no_destination_is_refused(given_: object, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        values.destination(given_)


@given(st.ip_addresses())
def test_every_address_of_a_host_stays_what_it_is(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if address.is_multicast or address.is_unspecified:
        with pytest.raises(BadValue):
            values.host(str(address), "remote")
    else:
        assert ipaddress.ip_address(values.host(str(address), "remote")) == address


@given(st.text() | st.from_regex(r"[0-9a-f:.%/]{1,20}", fullmatch=True))
def test_any_text_is_taken_in_a_form_that_stays_or_refused(text: str) -> None:
    for check in (values.mac_address, values.destination, values.plain_address, values.group, values.macvlan_mode):
        try:
            taken = check(text)
        except BadValue:
            continue
        assert check(taken) == taken
