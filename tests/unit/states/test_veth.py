"""The steps of `veth.present` as a table, and what it refuses before the kernel is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from modules import link, veth
from modules._network.netvalues import BadValue
from modules.veth import Veth
from saltern.converge.plan import Call, call
from states import veth as states
from tests.plans import context

THERE = Veth(peer="vb", mtu=1500, peer_mtu=1500, addresses=frozenset(), addresses_elsewhere=frozenset())


@pytest.mark.parametrize(
    ("current", "wish", "expected"),
    [
        (None, Veth(peer="vb"), [call(veth.add, "va", "vb")]),
        (
            None,
            Veth(peer="vb", mtu=1400, peer_mtu=1400, addresses=frozenset({"10.0.0.1/24"}), gateway="10.0.0.254"),
            [
                call(veth.add, "va", "vb"),
                call(link.set_mtu, "vb", 1400),
                call(link.set_mtu, "va", 1400),
                call(link.add_address, "va", "10.0.0.1/24"),
                call(link.set_default_route, "va", "10.0.0.254"),
            ],
        ),
        (THERE, Veth(peer="vb"), []),
        (THERE, Veth(peer="vc"), [call(veth.rename_peer, "va", "vc")]),
        (Veth(peer="vb", up=False, peer_up=False), Veth(peer="vb"), [call(link.up, "va"), call(link.up, "vb")]),
        (
            Veth(peer="vb", peer_up=False, mtu=1500, peer_mtu=1400),
            Veth(peer="vc", mtu=1400, peer_mtu=1400),
            [call(veth.rename_peer, "va", "vc"), call(link.up, "vc"), call(link.set_mtu, "va", 1400)],
        ),
    ],
)
def test_only_what_differs_is_changed(current: Veth | None, wish: Veth, expected: list[Call]) -> None:
    assert [step.do for step in states.steps("va", current, wish)] == expected


@pytest.mark.parametrize(
    "arguments",
    [{"peer": "va"}, {"peer": "a/b"}, {"peer": "x" * 16}, {"peer": "vb", "mtu": 9}, {"peer": "vb", "addresses": ["x"]}],
)
def test_what_can_be_no_veth_is_refused_before_the_kernel_is_asked(
    arguments: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("states._network.interface.look", None)
    with pytest.raises(BadValue):
        states.present(context(tmp_path), "va", **arguments)  # type: ignore[arg-type]
