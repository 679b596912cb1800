"""The way back to a checkpoint, as values: what is done, in which order, and what is left alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._checkpoint.checkpoint import (
    BadCheckpoint,
    Hop,
    Kernel,
    SavedAddress,
    SavedFile,
    SavedLink,
    SavedRoute,
    Touched,
    decoded,
    encoded,
)
from modules._checkpoint.diff import way_back


def link(name: str, kind: str | None = None, index: int = 0, **more: Any) -> SavedLink:
    fields: dict[str, Any] = {
        "index": index or sum(name.encode()),
        "is_up": True,
        "mtu": 1500,
        "mac": "02:00:00:00:00:01",
    }
    return SavedLink(name=name, kind=kind, **{**fields, **more})


def address(text: str, name: str = "br0", **more: Any) -> SavedAddress:
    return SavedAddress(link=name, family=10 if ":" in text else 2, address=text, **more)


def route(destination: str, gateway: str | None, name: str = "br0", **more: Any) -> SavedRoute:
    fields = {"table": 254, "protocol": 3, "scope": 0, "type": 1, **more}
    family = 10 if ":" in destination else 2
    return SavedRoute(family=family, destination=destination, hops=(Hop(link=name, gateway=gateway),), **fields)


ENO1, BR0 = link("eno1", master="br0"), link("br0", "bridge", options={"br_stp_state": 0, "br_priority": 9})
VLAN = link("eno1.43", "vlan", parent="eno1", options={"vlan_id": 43, "vlan_protocol": 0x8100})
NODE = Kernel(
    links=(ENO1, BR0, VLAN),
    addresses=(address("10.0.0.2/24"), address("10.0.0.3/24")),
    routes=(route("0.0.0.0/0", "10.0.0.1"), route("10.0.0.0/24", None, protocol=2, scope=253)),
)


def back(now: Kernel, *, then: Kernel = NODE, made: set[str] | None = None, named: set[str] | None = None) -> list[str]:
    touched = Touched(made=frozenset(made or ()), named=frozenset(named or ()))
    return [action.words for action in way_back(now, then, touched)]


def with_links(*links: SavedLink, **more: Any) -> Kernel:
    return replace(NODE, links=links, **more)


CASES: dict[str, tuple[Kernel, list[str]]] = {
    "nothing": (NODE, []),
    "a port taken out": (with_links(replace(ENO1, master=None), BR0, VLAN), ["make eno1 a port of br0 again"]),
    "a port moved": (
        with_links(replace(ENO1, master="br9"), BR0, VLAN, link("br9", "bridge")),
        ["make eno1 a port of br0 again"],
    ),
    "an option": (
        with_links(ENO1, replace(BR0, options={"br_stp_state": 1, "br_priority": 9}), VLAN),
        ["set br_stp_state of br0 to 0"],
    ),
    "down": (with_links(ENO1, replace(BR0, is_up=False), VLAN), ["bring br0 up"]),
    "mtu": (with_links(replace(ENO1, mtu=9000), BR0, VLAN), ["set the MTU of eno1 to 1500"]),
    "mac": (
        with_links(replace(ENO1, mac="02:00:00:00:00:99"), BR0, VLAN),
        ["set the MAC address of eno1 to 02:00:00:00:00:01"],
    ),
    "another VLAN": (
        with_links(ENO1, BR0, replace(VLAN, options={"vlan_id": 44, "vlan_protocol": 0x8100})),
        ["delete the vlan eno1.43"],
    ),
    "a VLAN on another parent": (with_links(ENO1, BR0, replace(VLAN, parent="br0")), ["delete the vlan eno1.43"]),
    "a VLAN deleted": (with_links(ENO1, BR0), ["make the vlan eno1.43 again"]),
    "renamed": (with_links(replace(ENO1, name="lan"), BR0, VLAN), ["rename lan to eno1"]),
    "the NIC is gone": (with_links(BR0, VLAN), ["make the interface eno1 again"]),
    "an address more": (
        replace(NODE, addresses=(*NODE.addresses, address("10.9.0.1/24"))),
        ["take 10.9.0.1/24 from br0"],
    ),
    "an address less": (replace(NODE, addresses=NODE.addresses[:1]), ["give 10.0.0.3/24 to br0 again"]),
    "addresses in another order": (
        replace(NODE, addresses=NODE.addresses[::-1]),
        [
            "take 10.0.0.3/24 from br0",
            "take 10.0.0.2/24 from br0",
            "give 10.0.0.2/24 to br0 again",
            "give 10.0.0.3/24 to br0 again",
        ],
    ),
    "another gateway": (  # the kernel replaces it, so there is no moment without one
        replace(NODE, routes=(route("0.0.0.0/0", "10.0.0.77"), NODE.routes[1])),
        ["set the route default via 10.0.0.1 dev br0 again"],
    ),
    "a route more": (
        replace(NODE, routes=(*NODE.routes, route("10.5.0.0/16", "10.0.0.9"))),
        ["take away the route 10.5.0.0/16 via 10.0.0.9 dev br0"],
    ),
    "the kernel's own route is missing": (
        replace(NODE, routes=NODE.routes[:1]),
        ["set the route 10.0.0.0/24 dev br0 again"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_changed_is_taken_back_and_nothing_else(name: str) -> None:
    now, wanted = CASES[name]
    assert back(now) == wanted


def test_what_a_run_made_goes_and_what_others_made_stays() -> None:
    new, tap = link("br7", "bridge"), link("vnet0", "tun", master="br0")
    assert back(with_links(*NODE.links, new, tap), made={"br7"}) == ["delete the bridge br7"]
    more = (*NODE.addresses, address("10.7.0.1/24", "br7"))
    assert back(with_links(*NODE.links, new, addresses=more)) == []


def test_guests_ends_that_went_away_are_not_made_again() -> None:
    tap, far = link("vnet0", "tun", master="br0"), link("veth9", "veth", parent_elsewhere=True, master="br0")
    then = with_links(*NODE.links, tap, far)
    assert back(NODE, then=then) == []
    assert back(NODE, then=then, named={"vnet0"}) == ["make the tun vnet0 again"]  # it is said that it is missing


def test_a_veth_is_made_with_both_its_ends() -> None:
    a, b = link("va", "veth", parent="vb"), link("vb", "veth", parent="va")
    (action,) = way_back(NODE, with_links(*NODE.links, a, b), Touched(named=frozenset({"va"})))
    assert (action.verb, action.name, action.values) == ("make", "va", {"kind": "veth", "peer": "vb"})


def test_what_lies_on_a_missing_link_waits_for_it() -> None:
    upper = link("up", "macvlan", parent="eno1.43")
    then = with_links(*NODE.links, upper)
    assert back(with_links(ENO1, BR0), then=then) == ["make the vlan eno1.43 again"]
    assert back(NODE, then=then) == ["make the macvlan up again"]


def test_mac_and_mtu_wait_until_ports_are_where_they_were() -> None:
    now = with_links(replace(ENO1, master=None), replace(BR0, mac="02:00:00:00:00:77"), VLAN)
    assert back(now) == ["make eno1 a port of br0 again"]  # a bridge takes its MAC address from a port by itself


def test_the_vlans_of_a_port_come_back() -> None:
    then = with_links(replace(ENO1, vlans=((1, 6), (43, 0))), BR0, VLAN)
    now = with_links(replace(ENO1, vlans=((1, 0), (99, 0))), BR0, VLAN)
    assert back(now, then=then) == [
        "take VLAN 99 from eno1",
        "give VLAN 1 to eno1 again",
        "give VLAN 43 to eno1 again",
    ]


def test_addresses_that_the_kernel_makes_come_and_go() -> None:
    local = address("fe80::1/64", scope=253)
    private = address("2001:db8::77/64", flags=0x01)
    assert back(replace(NODE, addresses=(*NODE.addresses, local, private))) == []
    assert back(NODE, then=replace(NODE, addresses=(*NODE.addresses, private))) == []


def test_routes_of_routing_daemons_are_theirs() -> None:
    bird = route("10.77.0.0/16", "10.0.0.9", protocol=12)
    assert back(replace(NODE, routes=(*NODE.routes, bird))) == []
    assert back(NODE, then=replace(NODE, routes=(*NODE.routes, bird))) == []


def test_routes_by_a_link_that_is_not_back_yet_wait() -> None:
    then = replace(NODE, routes=(*NODE.routes, route("10.43.0.0/16", "10.43.0.1", "eno1.43")))
    assert back(with_links(ENO1, BR0), then=then) == ["make the vlan eno1.43 again"]


def test_settings_of_an_interface_come_last() -> None:
    path = "net/ipv4/conf/br0/forwarding"
    then = with_links(ENO1, replace(BR0, settings={path: "1"}), VLAN)
    now = with_links(ENO1, replace(BR0, settings={path: "0"}), VLAN)
    assert back(now, then=then) == [f"set {path} to 1"]
    assert back(replace(now, addresses=()), then=then)[-1] != f"set {path} to 1"


texts = st.text(st.characters(codec="utf-8"), max_size=20)


@given(st.binary(max_size=200), texts)
def test_a_file_survives_being_written_and_read(data: bytes, path: str) -> None:
    saved = SavedFile(path=path, mode=0o640, uid=0, gid=5, data=data)
    assert decoded(encoded(saved), SavedFile) == saved


def test_a_kernel_survives_being_written_and_read() -> None:
    assert decoded(encoded(NODE), Kernel) == NODE


@given(st.binary(max_size=60))
def test_what_is_no_checkpoint_is_an_error_of_its_own(data: bytes) -> None:
    try:
        decoded(data, Kernel)
    except BadCheckpoint:
        return
    assert data.strip().startswith(b"{")


def test_the_first_value_of_a_setting_and_a_file_counts() -> None:
    first = Touched(made=frozenset({"a"}), settings={"x": "1"}, files={"/f": None})
    later = Touched(made=frozenset({"b"}), settings={"x": "2", "y": "3"})
    both = first.joined(later)
    assert both == Touched(made=frozenset({"a", "b"}), settings={"x": "1", "y": "3"}, files={"/f": None})
