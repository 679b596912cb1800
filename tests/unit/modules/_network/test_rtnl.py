"""Messages and attributes of rtnetlink: whatever bytes come, they are taken apart within their bounds."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from modules._network import rtnl
from modules._network.linkinfo import TunInfo
from modules._network.netread import address_of, link_of

KINDS = st.integers(0, 0x3FFF)
VALUES = st.binary(max_size=60)


@given(st.lists(st.tuples(KINDS, VALUES), max_size=8))
def test_attributes_come_back_as_they_went(pairs: list[tuple[int, bytes]]) -> None:
    data = b"".join(rtnl.attribute(kind, value) for kind, value in pairs)
    assert list(rtnl.each(data)) == pairs
    assert rtnl.attributes(data) == dict(pairs)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reading(data: bytes) -> None:
    for kind, value in rtnl.each(data):
        assert 0 <= kind <= 0x3FFF
        assert len(value) <= len(data)
    for *_, body in rtnl.messages(data):
        assert body in data


@given(st.binary(max_size=200))
def test_no_attributes_break_a_link_or_an_address(data: bytes) -> None:
    assert link_of(rtnl.LINK_HEADER.pack(0, 1, 7, 1, 0) + data).index == 7
    assert address_of(rtnl.ADDRESS_HEADER.pack(2, 24, 0, 0, 7) + data).index == 7


def test_numbers_are_of_any_size_and_of_both_orders() -> None:
    found = {1: struct.pack("=B", 7), 2: struct.pack("=H", 258), 3: struct.pack("=I", 1 << 20), 4: b"\x81\x00"}
    assert [rtnl.number(found, kind) for kind in (1, 2, 3)] == [7, 258, 1 << 20]
    assert rtnl.network_number(found, 4) == 0x8100
    assert (rtnl.number(found, 9), rtnl.number(found, 9, 5), rtnl.network_number({1: b""}, 1, 3)) == (0, 5, 3)


def test_addresses_are_canonical() -> None:
    assert rtnl.address(bytes([10, 0, 0, 1])) == "10.0.0.1"
    assert rtnl.address(bytes.fromhex("20010db8000000000000000000000001")) == "2001:db8::1"
    assert (rtnl.address(b"abc"), rtnl.address(None), rtnl.mac(b""), rtnl.mac(b"\2\0\0\0\0\1")) == (
        None,
        None,
        None,
        "02:00:00:00:00:01",
    )


def test_a_tap_and_a_veth_of_another_namespace_are_guests() -> None:
    def link(kind: str, data: bytes, *more: bytes) -> bytes:
        info = rtnl.attribute(1, kind.encode() + b"\0") + rtnl.attribute(2, data)
        parts = [rtnl.attribute(3, b"x0\0"), rtnl.attribute(18, info), *more]
        return rtnl.LINK_HEADER.pack(0, 1, 7, 1, 0) + b"".join(parts)

    tap, tun = (link_of(link("tun", rtnl.attribute(3, bytes([kind])))) for kind in (2, 1))
    assert (tap.info, tap.is_guests, tun.is_guests) == (TunInfo(is_tap=True), True, False)
    elsewhere = link_of(link("veth", b"", rtnl.attribute(5, b"\5\0\0\0"), rtnl.attribute(37, b"\0\0\0\0")))
    assert (elsewhere.parent, elsewhere.parent_elsewhere, elsewhere.is_guests) == (5, True, True)
    assert not link_of(link("veth", b"", rtnl.attribute(5, b"\5\0\0\0"))).is_guests
