"""The steps of `vxlan.present` as a table, and what it refuses before the kernel is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from modules import link, vxlan
from modules._network.netvalues import BadValue
from modules.vxlan import Vxlan
from saltern.converge.plan import Call, call
from states import vxlan as states
from tests.plans import context

THERE = Vxlan(id=42, remote="192.0.2.9", mtu=1450, addresses=frozenset(), addresses_elsewhere=frozenset())


@pytest.mark.parametrize(
    ("current", "wish", "parent_is_up", "expected"),
    [
        (None, Vxlan(id=42), True, [call(vxlan.add, "vx0", 42)]),
        (
            None,
            Vxlan(id=42, remote="239.1.1.1", parent="eno1", local="192.0.2.1", port=8472),
            False,
            [
                call(link.up, "eno1"),
                call(vxlan.add, "vx0", 42, remote="239.1.1.1", parent="eno1", local="192.0.2.1", port=8472),
            ],
        ),
        (THERE, Vxlan(id=42, remote="192.0.2.9"), True, []),
        (THERE, Vxlan(id=42), True, [call(vxlan.replace, "vx0", 42)]),
        (THERE, Vxlan(id=43, remote="192.0.2.9"), True, [call(vxlan.replace, "vx0", 43, remote="192.0.2.9")]),
        (
            THERE,
            Vxlan(id=42, remote="192.0.2.9", port=8472),
            True,
            [call(vxlan.replace, "vx0", 42, remote="192.0.2.9", port=8472)],
        ),
        (
            Vxlan(id=42, up=False, mtu=1450),
            Vxlan(id=42, mtu=1400),
            True,
            [call(link.up, "vx0"), call(link.set_mtu, "vx0", 1400)],
        ),
    ],
)
def test_only_what_differs_is_changed(
    current: Vxlan | None, wish: Vxlan, parent_is_up: bool, expected: list[Call]
) -> None:
    assert [step.do for step in states.steps("vx0", current, wish, parent_is_up)] == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"id": 0}, "1 to 16777215"),
        ({"id": 1 << 24}, "1 to 16777215"),
        ({"id": 7, "port": 0}, "port 0"),
        ({"id": 7, "remote": "192.0.2.9", "group": "239.1.1.1"}, "both a remote and a group"),
        ({"id": 7, "group": "239.1.1.1"}, "needs a parent"),
        ({"id": 7, "group": "192.0.2.9", "parent": "eno1"}, "must be a multicast address"),
        ({"id": 7, "remote": "239.1.1.1"}, "no address of a host"),
        ({"id": 7, "remote": "on-node2"}, "must be an IP address"),
        ({"id": 7, "remote": "192.0.2.9", "local": "2001:db8::1"}, "both be IPv4 or both IPv6"),
        ({"id": 7, "parent": "vx0"}, "its own parent"),
    ],
)
def test_what_can_be_no_vxlan_is_refused_before_the_kernel_is_asked(
    arguments: dict[str, object], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("states._network.interface.look", None)
    with pytest.raises(BadValue, match=words):
        states.present(context(tmp_path), "vx0", **arguments)  # type: ignore[arg-type]
