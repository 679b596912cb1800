"""The steps of `bond.present` as tables, and what it refuses by looking alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules import bond, link
from modules._network.linkinfo import BondInfo
from modules._network.netlink import Link, NetworkError, View
from modules._network.netvalues import BadValue
from modules.bond import NO_BONDING, Bond
from saltern.converge.compare import same
from saltern.converge.plan import Call, call
from states import bond as states
from states._network.addressing import Around
from states.bond import Members
from tests.plans import context

THERE = Bond(
    mode="active-backup",
    miimon=100,
    lacp_rate="slow",
    xmit_hash_policy="layer2",
    members=frozenset({"eno1", "eno2"}),
    members_down=frozenset(),
    mtu=1500,
    addresses=frozenset(),
    addresses_elsewhere=frozenset(),
)


@pytest.mark.parametrize(
    ("current", "wish", "members", "expected"),
    [
        (None, Bond(), Members(), [call(bond.add, "bond0")]),
        (
            None,
            Bond(mode="802.3ad", miimon=100, lacp_rate="fast", members=frozenset({"eno2", "eno1"}), mtu=9000),
            Members({"eno2": "br0"}),
            [
                call(bond.add, "bond0", mode="802.3ad", miimon=100, lacp_rate="fast"),
                call(bond.add_member, "bond0", "eno1"),
                call(bond.add_member, "bond0", "eno2"),
                call(link.set_mtu, "bond0", 9000),
            ],
        ),
        (THERE, Bond(), Members(), []),
        (THERE, Bond(mode="active-backup", members=frozenset({"eno1", "eno2"})), Members(), []),
        (
            THERE,
            Bond(mode="802.3ad", lacp_rate="fast", miimon=100),
            Members(),
            [call(bond.change, "bond0", mode="802.3ad", lacp_rate="fast")],
        ),
        (
            THERE,
            Bond(miimon=50, xmit_hash_policy="layer3+4"),
            Members(),
            [call(bond.change, "bond0", miimon=50, xmit_hash_policy="layer3+4")],
        ),
        (
            THERE,
            Bond(members=frozenset({"eno2", "eno3"})),
            Members(down=frozenset({"eno2", "eno3"})),
            [
                call(bond.remove_member, "bond0", "eno1"),
                call(bond.add_member, "bond0", "eno3"),
                call(link.up, "eno2"),
            ],
        ),
        (THERE, Bond(members=frozenset({"eno1"})), Members(), [call(bond.remove_member, "bond0", "eno2")]),
        (replace(THERE, up=False), Bond(), Members(), [call(link.up, "bond0")]),
    ],
)
def test_only_what_differs_is_changed(current: Bond | None, wish: Bond, members: Members, expected: list[Call]) -> None:
    assert [step.do for step in states.steps("bond0", current, wish, members)] == expected


def test_an_address_moves_before_its_interface_joins_and_the_route_comes_last() -> None:
    wish = Bond(members=frozenset({"eno1"}), addresses=frozenset({"10.0.0.1/24"}), gateway="10.0.0.254")
    steps = states.steps("bond0", None, wish, Members(), Around((("10.0.0.1/24", "eno1"),)))
    assert [step.do for step in steps] == [
        call(bond.add, "bond0"),
        call(link.move_address, "bond0", "10.0.0.1/24", "eno1"),
        call(bond.add_member, "bond0", "eno1"),
        call(link.set_default_route, "bond0", "10.0.0.254"),
    ]


def test_steps_say_what_they_do() -> None:
    said = [step.sentence for step in states.steps("bond0", THERE, Bond(mode="802.3ad", lacp_rate="fast"))]
    assert said == ["set on bond0: mode 802.3ad, LACP rate fast"]
    moved = states.steps("bond0", THERE, Bond(members=frozenset({"eno1", "eno2", "eno3"})), Members({"eno3": "br0"}))
    assert [step.sentence for step in moved] == ["move member eno3 from br0 to bond0"]


INFO = BondInfo(mode="active-backup", miimon=100, lacp_rate="slow", xmit_hash_policy="layer2")
BOND = Link(index=2, name="bond0", kind="bond", is_up=True, mtu=1500, hwaddr="02:00:00:00:00:01", info=INFO)


def nic(index: int, name: str, **more: Any) -> Link:
    return replace(Link(index=index, name=name, kind=None, is_up=True, mtu=1500, hwaddr=None), **more)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Link]:
    """The links of the node that `look` sees."""
    links = [BOND, nic(3, "eno1", master=2, altnames=("enp1s0",)), nic(4, "eno2", master=2), nic(5, "eno3")]
    monkeypatch.setattr("states._network.interface.look", lambda **_: View(tuple(links)))
    monkeypatch.setattr(states, "look", lambda **_: View(tuple(links)))
    monkeypatch.setattr(bond, "lacking", lambda: None)
    return links


def test_a_bond_is_read_with_its_members(seen: list[Link]) -> None:
    assert same(bond.read(View(tuple(seen)), "bond0"), THERE)
    assert bond.read(View(tuple(seen)), "bond1") is None
    with pytest.raises(NetworkError, match="not a bond"):
        bond.read(View(tuple(seen)), "eno3")


def test_members_may_be_given_by_other_names(seen: list[Link], tmp_path: Path) -> None:
    plan = states.present(context(tmp_path), "bond0", members=["enp1s0", "eno2"])
    assert plan.steps == ()
    assert plan.wish.members == frozenset({"eno1", "eno2"})


def test_a_missing_member_is_unknown_and_the_nearest_is_named(seen: list[Link], tmp_path: Path) -> None:
    plan = states.present(context(tmp_path), "bond0", members=["eon3"])
    assert plan.unknown == "there is no interface 'eon3' on this node. Did you mean 'eno3'?"


def test_a_kernel_without_bonds_is_said_to_lack_them(
    seen: list[Link], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bond, "lacking", lambda: NO_BONDING)
    assert states.present(context(tmp_path), "bond1").unknown == NO_BONDING
    assert states.present(context(tmp_path), "bond0").unknown is None


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (nic(6, "x0", kind="bond"), "it is a bond itself"),
        (nic(6, "x0", kind="vlan", parent=2), "it lies on bond0 itself"),
        (nic(6, "x0", master=7), "it belongs to the vrf red"),
    ],
)
def test_what_the_kernel_would_refuse_is_refused_while_planning(
    seen: list[Link], tmp_path: Path, other: Link, words: str
) -> None:
    seen += [other, nic(7, "red", kind="vrf")]
    with pytest.raises(NetworkError, match=words):
        states.present(context(tmp_path), "bond0", members=["x0"])


def test_an_option_that_the_bonds_own_mode_forbids_is_refused(seen: list[Link], tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"needs the mode 802\.3ad"):
        states.present(context(tmp_path), "bond0", lacp_rate="fast")
    seen[0] = replace(BOND, info=replace(INFO, mode="802.3ad"))
    assert len(states.present(context(tmp_path), "bond0", lacp_rate="fast").steps) == 1
    with pytest.raises(BadValue, match="can't be 0"):
        states.present(context(tmp_path), "bond0", miimon=0)


def test_absent_deletes_the_bond_unless_something_lies_on_it(seen: list[Link], tmp_path: Path) -> None:
    plan = states.absent(context(tmp_path), "bond0")
    assert [(step.do, step.before) for step in plan.steps] == [(call(bond.delete, "bond0"), "members: eno1, eno2")]
    assert states.absent(context(tmp_path), "bond9").steps == ()
    seen.append(nic(9, "bond0.43", kind="vlan", parent=2))
    with pytest.raises(NetworkError, match=r"can't go while bond0\.43 lies on it"):
        states.absent(context(tmp_path), "bond0")


@pytest.mark.parametrize(
    "arguments",
    [
        {"mode": "lacp"},
        {"miimon": -1},
        {"miimon": 0, "mode": "802.3ad"},
        {"lacp_rate": "fast", "mode": "active-backup"},
        {"lacp_rate": "quick"},
        {"xmit_hash_policy": "layer4"},
        {"members": ["bond0"]},
        {"members": ["lo"]},
        {"members": ["a/b"]},
        {"mtu": 0},
    ],
)
def test_what_can_be_no_bond_is_refused_before_the_kernel_is_asked(
    arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("states._network.interface.look", None)
    with pytest.raises(BadValue):
        states.present(context(tmp_path), "bond0", **arguments)
