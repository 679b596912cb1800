"""The steps of `bridge.present`, as tables."""

from __future__ import annotations

import pytest

from modules import bridge, link
from modules._network.bridgevlans import Vlans
from modules.bridge import Bridge
from saltern.converge.plan import UNSET, Call, call
from states._network.addressing import Around
from states._network.bridge_ports import Ports
from states.bridge import steps


def done(current: Bridge | None, wish: Bridge, ports: Ports = Ports(), around: Around = Around()) -> list[Call]:
    return [step.do for step in steps("br0", current, wish, ports, around)]


HAVE = Bridge(
    ports=frozenset({"eth0", "eth2"}),
    ports_down=frozenset(),
    stp=False,
    forward_delay=15,
    vlan_filtering=False,
    mtu=1500,
    addresses=frozenset({"10.0.0.1/24"}),
    addresses_elsewhere=frozenset(),
    gateway="10.0.0.254",
)


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        (Bridge(), []),
        (HAVE, []),
        (
            Bridge(ports=frozenset({"eth0", "eth1"})),
            [call(bridge.remove_port, "br0", "eth2"), call(bridge.add_port, "br0", "eth1")],
        ),
        (Bridge(ports=frozenset()), [call(bridge.remove_port, "br0", p) for p in ("eth0", "eth2")]),
        (Bridge(stp=True), [call(bridge.change, "br0", stp=True)]),
        (
            Bridge(stp=True, forward_delay=4),
            [call(bridge.change, "br0", forward_delay=4), call(bridge.change, "br0", stp=True)],
        ),
        (Bridge(vlan_filtering=True), [call(bridge.change, "br0", vlan_filtering=True)]),
        (Bridge(mtu=9000), [call(link.set_mtu, "br0", 9000)]),
        (
            Bridge(addresses=frozenset({"10.0.0.2/24"})),
            [call(link.add_address, "br0", "10.0.0.2/24"), call(link.remove_address, "br0", "10.0.0.1/24")],
        ),
        (Bridge(gateway="10.0.0.253"), [call(link.set_default_route, "br0", "10.0.0.253")]),
    ],
)
def test_only_what_differs_is_changed(wish: Bridge, expected: list[Call]) -> None:
    assert done(HAVE, wish) == expected


def test_stp_goes_off_before_the_delay_that_it_forbids() -> None:
    current = Bridge(stp=True, forward_delay=15)
    assert done(current, Bridge(stp=False, forward_delay=0)) == [
        call(bridge.change, "br0", stp=False),
        call(bridge.change, "br0", forward_delay=0),
    ]


def test_a_new_bridge_is_made_with_its_options_at_once() -> None:
    wish = Bridge(stp=True, forward_delay=2, vlan_filtering=True)
    assert done(None, wish) == [call(bridge.add, "br0", stp=True, forward_delay=2, vlan_filtering=True)]


def test_what_is_off_anyway_is_not_sent_to_a_kernel_that_may_lack_it() -> None:
    wish = Bridge(stp=False, forward_delay=0, vlan_filtering=False)
    assert done(None, wish) == [call(bridge.add, "br0", forward_delay=0)]


def test_a_bridge_that_is_down_is_brought_up() -> None:
    assert done(Bridge(up=False), Bridge()) == [call(link.up, "br0")]


def test_the_step_for_a_port_of_another_bridge_says_from_where() -> None:
    step = next(iter(steps("br0", Bridge(ports=frozenset()), Bridge(ports=frozenset({"e"})), Ports({"e": "br9"}))))
    assert (step.sentence, step.before, step.after) == ("move port e from br9 to br0", "e in br9", "e")


def test_only_wished_ports_are_brought_up() -> None:
    ports = Ports(down=frozenset({"eth0", "eth9"}))
    assert done(HAVE, Bridge(ports=frozenset({"eth0", "eth2"})), ports) == [call(link.up, "eth0")]


def test_an_address_that_another_link_has_is_moved_and_not_added_again() -> None:
    around = Around(holders=(("10.0.0.2/24", "eth0"),))
    wish = Bridge(addresses=frozenset({"10.0.0.1/24", "10.0.0.2/24"}))
    assert done(HAVE, wish, around=around) == [call(link.move_address, "br0", "10.0.0.2/24", "eth0")]


def test_an_address_with_another_prefix_length_elsewhere_is_moved_as_wished() -> None:
    around = Around(holders=(("10.0.0.2/16", "eth0"),))
    wish = Bridge(addresses=frozenset({"10.0.0.1/24", "10.0.0.2/24"}))
    assert done(HAVE, wish, around=around) == [call(link.move_address, "br0", "10.0.0.2/16", "eth0", "10.0.0.2/24")]


@pytest.mark.parametrize(
    ("have", "displaced", "sentence"),
    [
        (None, None, "lead the default route via 10.0.0.254 dev br0"),
        ("10.0.0.9", None, "lead the default route via 10.0.0.254 dev br0 instead of via 10.0.0.9"),
        (
            None,
            "via 10.7.0.1 dev eth0",
            "lead the default route via 10.0.0.254 dev br0 instead of via 10.7.0.1 dev eth0",
        ),
        (UNSET, None, "lead the default route via 10.0.0.254 dev br0"),
    ],
)
def test_the_step_for_the_default_route_names_what_it_replaces(
    have: str | None, displaced: str | None, sentence: str
) -> None:
    current, wish = Bridge(gateway=have), Bridge(gateway="10.0.0.254")
    plan = list(steps("br0", current, wish, around=Around(displaced=displaced)))
    assert [step.sentence for step in plan] == [sentence]


VLANS = {"eth0": Vlans(43, frozenset({43}), frozenset({10, 11})), "br0": Vlans(None, frozenset(), frozenset({43}))}


def test_vlans_come_before_filtering_and_before_a_port_is_up() -> None:
    wish = Bridge(
        ports=frozenset({"eth0"}),
        vlan_filtering=True,
        vlan_default_pvid=0,
        port_options={"eth0": {"isolated": 1}},
        vlans={name: str(vlans) for name, vlans in VLANS.items()},
    )
    assert done(None, wish, Ports(down=frozenset({"eth0"}), vlans=VLANS)) == [
        call(bridge.add, "br0", vlan_default_pvid=0),
        call(bridge.add_port, "br0", "eth0"),
        call(bridge.change_port, "br0", "eth0", isolated=1),
        call(bridge.set_vlans, "br0", "br0", tagged="43"),
        call(bridge.set_vlans, "br0", "eth0", pvid=43, untagged="43", tagged="10-11"),
        call(link.up, "eth0"),
        call(bridge.change, "br0", vlan_filtering=True),
    ]


def test_only_the_port_whose_vlans_differ_is_set() -> None:
    wish = Bridge(vlans={name: str(vlans) for name, vlans in VLANS.items()})
    current = Bridge(vlans={"eth0": "PVID 1, untagged 1", "br0": str(VLANS["br0"])})
    assert done(current, wish, Ports(vlans=VLANS)) == [
        call(bridge.set_vlans, "br0", "eth0", pvid=43, untagged="43", tagged="10-11")
    ]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("priority", 4096),
        ("hello_time", 1),
        ("max_age", 6),
        ("ageing_time", 0),
        ("multicast_snooping", False),
        ("group_fwd_mask", 0x4000),
        ("vlan_default_pvid", 0),
    ],
)
def test_each_option_is_set_at_first_and_when_it_drifts(option: str, value: float) -> None:
    wish = Bridge(**{option: value})  # type: ignore[arg-type]
    assert done(None, wish) == [call(bridge.add, "br0", **{option: value})]
    assert done(Bridge(**{option: 77}), wish) == [call(bridge.change, "br0", **{option: value})]  # type: ignore[arg-type]
    assert done(wish, wish) == []
