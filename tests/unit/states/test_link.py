"""The steps of `link.managed` as a table, and what it and `address.present` refuse before the kernel is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modules import link
from modules._network.netvalues import BadValue
from saltern.converge.plan import Call, call
from states import address
from states import link as states
from states.link import Settings
from tests.plans import context

MAC = "02:00:00:00:00:01"
THERE = Settings(up=True, mtu=1500, mac=MAC)


@pytest.mark.parametrize(
    ("current", "wish", "expected"),
    [
        (THERE, THERE, []),
        (THERE, Settings(up=False), [call(link.down, "eth0")]),
        (THERE, Settings(mtu=1400), [call(link.set_mtu, "eth0", 1400)]),
        (
            THERE,
            Settings(up=False, mtu=1400, mac="02:00:00:00:00:02"),
            [
                call(link.down, "eth0"),
                call(link.set_mac, "eth0", "02:00:00:00:00:02"),
                call(link.set_mtu, "eth0", 1400),
            ],
        ),
        (
            Settings(up=False, mtu=1500, mac=MAC),
            Settings(up=True, mtu=1400),
            [call(link.set_mtu, "eth0", 1400), call(link.up, "eth0")],
        ),
    ],
)
def test_only_what_differs_is_changed(current: Settings, wish: Settings, expected: list[Call]) -> None:
    assert [step.do for step in states.steps("eth0", current, wish)] == expected


@pytest.mark.parametrize(
    "arguments", [{}, {"mtu": 67}, {"mac": "01:00:00:00:00:01"}, {"mac": "eth0"}, {"up": True, "mtu": "1500"}]
)
def test_what_no_link_can_be_is_refused_before_the_kernel_is_asked(
    arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "look", None)
    with pytest.raises(BadValue):
        states.managed(context(tmp_path), "eth0", **arguments)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("10.0.0.1", {"interface": "eth0"}),
        ("10.0.0.0/24", {"interface": "eth0"}),
        ("10.0.0.1/24", {"interface": "a/b"}),
        ("x", {"interface": "eth0", "addresses": ["10.0.0.1/24", "10.0.0.1/16"]}),
    ],
)
def test_what_can_be_no_address_is_refused_before_the_kernel_is_asked(
    name: str, arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "look", None)
    with pytest.raises(BadValue):
        address.present(context(tmp_path), name, **arguments)
