"""The steps of `macvlan.present` as a table, and what it refuses before the kernel is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modules import link, macvlan
from modules._network.netvalues import BadValue
from modules.macvlan import Macvlan
from saltern.converge.plan import Call, call
from states import macvlan as states
from tests.plans import context

THERE = Macvlan(parent="eno1", mode="bridge", mtu=1500, addresses=frozenset(), addresses_elsewhere=frozenset())


@pytest.mark.parametrize(
    ("current", "wish", "parent_is_up", "expected"),
    [
        (None, Macvlan(parent="eno1", mode="vepa"), True, [call(macvlan.add, "mv0", "eno1", "vepa")]),
        (
            None,
            Macvlan(parent="eno1", mode="bridge"),
            False,
            [call(link.up, "eno1"), call(macvlan.add, "mv0", "eno1", "bridge")],
        ),
        (THERE, Macvlan(parent="eno1", mode="bridge"), True, []),
        (THERE, Macvlan(parent="eno1", mode="private"), True, [call(macvlan.set_mode, "mv0", "private")]),
        (THERE, Macvlan(parent="eno1", mode="passthru"), True, [call(macvlan.replace, "mv0", "eno1", "passthru")]),
        (THERE, Macvlan(parent="eno2", mode="bridge"), True, [call(macvlan.replace, "mv0", "eno2", "bridge")]),
        (
            THERE,
            Macvlan(parent="eno2", mode="bridge", mtu=1500),
            True,
            [call(macvlan.replace, "mv0", "eno2", "bridge"), call(link.set_mtu, "mv0", 1500)],
        ),
        (
            Macvlan(parent="eno1", mode="bridge", up=False, mtu=1500),
            Macvlan(parent="eno1", mode="bridge", mtu=1400, addresses=frozenset({"10.0.0.1/24"})),
            True,
            [call(link.up, "mv0"), call(link.set_mtu, "mv0", 1400), call(link.add_address, "mv0", "10.0.0.1/24")],
        ),
    ],
)
def test_only_what_differs_is_changed(
    current: Macvlan | None, wish: Macvlan, parent_is_up: bool, expected: list[Call]
) -> None:
    assert [step.do for step in states.steps("mv0", current, wish, parent_is_up)] == expected


@pytest.mark.parametrize("arguments", [{"parent": "mv0"}, {"parent": ""}, {"parent": "eno1", "mode": "source"}])
def test_what_can_be_no_macvlan_is_refused_before_the_kernel_is_asked(
    arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("states._network.interface.look", None)
    with pytest.raises(BadValue):
        states.present(context(tmp_path), "mv0", **arguments)
