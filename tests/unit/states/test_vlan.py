"""The steps of `vlan.present` as tables, and what it refuses by looking alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from modules import link, vlan
from modules._network.netlink import Address, Link, NetworkError, View
from modules._network.netvalues import BadValue
from modules.vlan import NO_8021Q, Vlan
from saltern.converge.plan import Call, call
from states import vlan as states
from states._network.addressing import Around
from tests.plans import context

ETH = Link(index=2, name="eno1", kind=None, is_up=True, mtu=1500, hwaddr="02:00:00:00:00:01", altnames=("enp1s0",))
V43 = Link(
    index=3,
    name="eno1.43",
    kind="vlan",
    is_up=True,
    mtu=1500,
    hwaddr="02:00:00:00:00:01",
    parent=2,
    vlan_id=43,
    vlan_protocol="802.1q",
)
BELOW = Vlan(parent="eno1", id=43, mtu=1500, addresses=frozenset())


def done(current: Vlan | None, wish: Vlan, parent_is_up: bool = True, around: Around = Around()) -> list[Call]:
    return [step.do for step in states.steps("eno1.43", current, wish, parent_is_up, around)]


@pytest.mark.parametrize(
    ("current", "wish", "parent_is_up", "expected"),
    [
        (None, Vlan(parent="eno1", id=43), True, [call(vlan.add, "eno1.43", "eno1", 43)]),
        (
            None,
            Vlan(parent="eno1", id=43, protocol="802.1ad"),
            False,
            [call(link.up, "eno1"), call(vlan.add, "eno1.43", "eno1", 43, "802.1ad")],
        ),
        (BELOW, Vlan(parent="eno1", id=43), True, []),
        (BELOW, Vlan(parent="eno1", id=44), True, [call(vlan.replace, "eno1.43", "eno1", 44)]),
        (BELOW, Vlan(parent="eno2", id=43), True, [call(vlan.replace, "eno1.43", "eno2", 43)]),
        (
            BELOW,
            Vlan(parent="eno1", id=43, protocol="802.1ad"),
            True,
            [call(vlan.replace, "eno1.43", "eno1", 43, "802.1ad")],
        ),
        (BELOW, Vlan(parent="eno1", id=43, mtu=1400), True, [call(link.set_mtu, "eno1.43", 1400)]),
        (
            BELOW,
            Vlan(parent="eno1", id=43, addresses=frozenset({"10.0.0.1/24"}), gateway="10.0.0.254"),
            True,
            [
                call(link.add_address, "eno1.43", "10.0.0.1/24"),
                call(link.set_default_route, "eno1.43", "10.0.0.254"),
            ],
        ),
        (
            Vlan(parent="eno1", id=43, up=False, parent_up=False),
            Vlan(parent="eno1", id=43),
            False,
            [call(link.up, "eno1"), call(link.up, "eno1.43")],
        ),
    ],
)
def test_only_what_differs_is_changed(
    current: Vlan | None, wish: Vlan, parent_is_up: bool, expected: list[Call]
) -> None:
    assert done(current, wish, parent_is_up) == expected


def test_a_vlan_is_read_with_its_parent_by_name() -> None:
    view = View((ETH, V43), (_address(3, "10.0.0.1/24"), _address(3, "fe80::1/64")))
    assert vlan.read(view, "eno1.43") == Vlan(
        parent="eno1", id=43, mtu=1500, addresses=frozenset({"10.0.0.1/24"}), addresses_elsewhere=frozenset()
    )
    assert vlan.read(view, "eno1.44") is None
    with pytest.raises(NetworkError, match="not a VLAN"):
        vlan.read(view, "eno1")


def _address(index: int, address: str) -> Address:
    return Address(
        index=index,
        family=10 if ":" in address else 2,
        address=address,
        scope=0,
        label=None,
        broadcast=None,
        permanent=True,
        secondary=False,
    )


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Link]:
    """The links of the node that `look` sees."""
    links = [ETH, V43]
    monkeypatch.setattr(states, "look", lambda **_: View(tuple(links)))
    monkeypatch.setattr(vlan, "lacking", lambda: None)
    return links


def test_the_parent_may_be_given_by_another_name(seen: list[Link], tmp_path: Path) -> None:
    plan = states.present(context(tmp_path), "eno1.43", parent="enp1s0", id=43)
    assert plan.steps == ()
    assert plan.wish.parent == "eno1"


def test_a_missing_parent_is_unknown_and_the_nearest_is_named(seen: list[Link], tmp_path: Path) -> None:
    plan = states.present(context(tmp_path), "eno7.43", parent="eno7", id=43)
    assert plan.unknown == "there is no interface 'eno7' on this node. Did you mean 'eno1'?"


def test_a_kernel_without_8021q_is_said_to_lack_it(
    seen: list[Link], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vlan, "lacking", lambda: NO_8021Q)
    assert states.present(context(tmp_path), "eno1.46", parent="eno1", id=46).unknown == NO_8021Q
    assert states.present(context(tmp_path), "eno1.43", parent="eno1", id=43).unknown is None


def test_an_mtu_above_the_parents_waits_for_the_parent(seen: list[Link], tmp_path: Path) -> None:
    plan = states.present(context(tmp_path), "eno1.43", parent="eno1", id=43, mtu=9000)
    assert plan.unknown is not None
    assert "more than the 1500 of its parent eno1" in plan.unknown


def test_a_tag_that_another_interface_carries_is_refused(seen: list[Link], tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"eno1\.43 does"):
        states.present(context(tmp_path), "admin", parent="eno1", id=43)


def test_what_carries_others_is_neither_made_anew_nor_deleted(seen: list[Link], tmp_path: Path) -> None:
    seen.append(Link(index=4, name="inner", kind="vlan", is_up=True, mtu=1500, hwaddr=None, parent=3, vlan_id=7))
    with pytest.raises(NetworkError, match=r"can't be made anew while inner lies on it"):
        states.present(context(tmp_path), "eno1.43", parent="eno1", id=44)
    with pytest.raises(NetworkError, match=r"can't go while inner lies on it"):
        states.absent(context(tmp_path), "eno1.43")


def test_absent_deletes_the_interface_only_where_it_is(seen: list[Link], tmp_path: Path) -> None:
    plan = states.absent(context(tmp_path), "eno1.43")
    assert [step.do for step in plan.steps] == [call(vlan.delete, "eno1.43")]
    assert states.absent(context(tmp_path), "eno1.99").steps == ()


@pytest.mark.parametrize(
    "arguments",
    [
        {"parent": "eno1", "id": 0},
        {"parent": "eno1", "id": 4095},
        {"parent": "eno1.43", "id": 43},
        {"parent": "eno1", "id": 43, "protocol": "isl"},
        {"parent": "a/b", "id": 43},
    ],
)
def test_what_can_be_no_vlan_is_refused_before_the_kernel_is_asked(
    arguments: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "look", None)
    with pytest.raises(BadValue):
        states.present(context(tmp_path), "eno1.43", **arguments)  # type: ignore[arg-type]
