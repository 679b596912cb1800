"""Virtual networks of the pillar: what they may be, and which address is free."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.vnet import VnetError, all_of, first_free, mac, of_pillar, parse, size

GOOD: dict[str, Any] = {
    "bridge": "br46",
    "vlan": 46,
    "network": "10.1.16.0/20",
    "range": ["10.1.16.10", "10.1.16.59"],
    "gateway": "10.1.16.1",
    "dns": ["10.1.16.1", "2001:db8::1"],
}


def number(text: str) -> int:
    return int(IPv4Address(text))


@pytest.mark.parametrize(
    "written",
    [
        ["10.1.16.10", "10.1.16.59"],
        "10.1.16.10-10.1.16.59",
        "10.1.16.10 - 10.1.16.59",
        "10.1.16.10+50",
        {"first": "10.1.16.10", "count": 50},
        {"first": "10.1.16.10", "last": "10.1.16.59"},
    ],
)
def test_a_range_is_written_in_several_ways(written: object) -> None:
    vnet = parse("private", {**GOOD, "range": written})
    assert vnet.span == (number("10.1.16.10"), number("10.1.16.59"))
    assert size(vnet) == 50


def test_what_is_not_named_has_the_documented_value() -> None:
    vnet = parse("x", {"bridge": "br0", "network": "10.0.0.0/30", "range": "10.0.0.1+2"})
    assert (vnet.vlan, vnet.gateway, vnet.dns, vnet.exclude, vnet.mac_prefix) == (None, None, (), (), "02:00")


def test_a_mac_is_the_prefix_and_the_four_bytes_of_the_address() -> None:
    assert mac("02:00", number("10.1.16.10")) == "02:00:0a:01:10:0a"
    lease = parse("x", {**GOOD, "mac_prefix": "0A:ff"}).lease("g", 0, number("10.1.16.11"), held=False)
    assert lease.mac == "0a:ff:0a:01:10:0b"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"range": ["10.1.15.10", "10.1.16.59"]}, "private:range: 10.1.15.10 is not in the network 10.1.16.0/20"),
        ({"range": ["10.1.16.10", "10.1.32.1"]}, "range: 10.1.32.1 is not in the network"),
        ({"range": ["10.1.16.0", "10.1.16.9"], "gateway": None}, "10.1.16.0 is the network's own address"),
        ({"range": ["10.1.16.9", "10.1.31.255"]}, "10.1.31.255 is the broadcast address"),
        ({"range": ["10.1.16.10", "10.1.16.9"]}, "range: it ends"),
        ({"range": "10.1.16.10+0"}, "the count is a whole number above 0"),
        ({"range": "10.1.16.10+x"}, "the count is"),
        ({"range": "10.1.16.10+999999999"}, "range: .* is not in the network"),
        ({"range": {"first": "10.1.16.10", "count": 2**32 - 1}}, "its end is not in the network"),
        ({"range": "10.1.16.10"}, "range: write"),
        ({"range": {"first": "10.1.16.10"}}, "range: write"),
        ({"range": ["10.1.16.10", 7]}, "range: not an IPv4 address: 7"),
        ({"range": None}, "range is missing"),
        ({"bridge": None}, "bridge is missing"),
        ({"gateway": "10.1.16.10"}, "gateway: 10.1.16.10 is in the range"),
        ({"gateway": "10.2.0.1"}, "gateway: 10.2.0.1 is not in the network"),
        ({"gateway": "2001:db8::1"}, "gateway: not an IPv4 address"),
        ({"network": "10.1.16.1/20"}, "The network is 10.1.16.0/20"),
        ({"network": "10.1.16.0"}, "an IPv4 network like"),
        ({"network": "2001:db8::/64"}, "an IPv4 network like"),
        ({"network": "10.1.16.0/31"}, "at most /30"),
        ({"vlan": 0}, "from 1 to 4094"),
        ({"vlan": 4095}, "from 1 to 4094"),
        ({"vlan": True}, "from 1 to 4094"),
        ({"bridge": "a" * 16}, "not the name of a bridge"),
        ({"bridge": "br/0"}, "not the name of a bridge"),
        ({"bridge": "br%d"}, "not the name of a bridge"),
        ({"bridge": "br:0"}, "not the name of a bridge"),
        ({"dns": ["resolver"]}, "dns: not an address: 'resolver'"),
        ({"mac_prefix": "03:00"}, "mac_prefix: two bytes"),
        ({"mac_prefix": 120}, "quoted"),
        ({"exclude": ["10.1.16.10-10.1.16.59"]}, "exclude: it leaves no address"),
        ({"exclude": "10.1.16.10"}, "exclude: a list"),
        ({"gatway": "10.1.16.1"}, "no key 'gatway'. Did you mean 'gateway'"),
    ],
)
def test_what_can_be_no_network_is_refused_with_its_place(change: dict[str, Any], why: str) -> None:
    with pytest.raises(VnetError, match=why.replace("[", r"\[").replace("+", r"\+")):
        parse("private", {**GOOD, **change})


def test_a_gateway_in_the_range_is_fine_where_it_is_excluded() -> None:
    vnet = parse("x", {**GOOD, "gateway": "10.1.16.10", "exclude": ["10.1.16.10"]})
    assert first_free(vnet, set()) == number("10.1.16.11")


@pytest.mark.parametrize("pillar", [{"vnet": []}, {"vnet": {"a b": GOOD}}, {"vnet": {"x": None}}, {"vnet": {1: GOOD}}])
def test_a_pillar_of_another_shape_is_refused(pillar: dict[str, Any]) -> None:
    with pytest.raises(VnetError):
        all_of(pillar)


def test_two_networks_that_would_give_one_address_twice_are_refused() -> None:
    with pytest.raises(VnetError, match="it overlaps the range of 'a'"):
        all_of({"vnet": {"a": GOOD, "b": {**GOOD, "range": "10.1.16.59+1"}}})
    assert len(all_of({"vnet": {"a": GOOD, "b": {**GOOD, "vlan": 47}, "c": {**GOOD, "range": "10.1.16.60+1"}}})) == 3


def test_an_unknown_network_is_told_with_the_nearest() -> None:
    with pytest.raises(VnetError, match="Did you mean 'private'"):
        of_pillar({"vnet": {"private": GOOD}}, "privat")
    with pytest.raises(VnetError, match="no `vnet` at all"):
        of_pillar({}, "private")


OFFSETS = st.integers(0, 49)


@given(taken=st.sets(OFFSETS), excluded=st.lists(st.tuples(OFFSETS, OFFSETS), max_size=5))
def test_the_lowest_free_address_is_found(taken: set[int], excluded: list[tuple[int, int]]) -> None:
    base = number("10.1.16.10")
    spans = [sorted(pair) for pair in excluded]
    never = {n for first, last in spans for n in range(first, last + 1)}
    texts = [f"{IPv4Address(base + first)}-{IPv4Address(base + last)}" for first, last in spans]
    if len(never) == 50:
        with pytest.raises(VnetError):
            parse("x", {**GOOD, "exclude": texts})
        return
    vnet = parse("x", {**GOOD, "exclude": texts})
    assert size(vnet) == 50 - len(never)
    free = [n for n in range(50) if n not in taken | never]
    assert first_free(vnet, {base + n for n in taken}) == (base + free[0] if free else None)
    assert [n for n in range(50) if vnet.gives(base + n)] == [n for n in range(50) if n not in never]
