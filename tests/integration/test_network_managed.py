"""`network.managed` and `network.routes` on this kernel: applied, left alone, repaired."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules import bridge
from saltern.converge.engine import run
from saltern.sls.state_tree import StateTree
from states import network
from tests.integration.kernel import Node, configured, ip, needs_root, network_namespace

pytestmark = [pytest.mark.root, pytest.mark.skipif(needs_root, reason="needs root")]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    with network_namespace(f"saltern-t-managed-{os.getpid()}"):
        ip("link", "add", "eth0", "type", "veth", "peer", "name", "far0")
        ip("link", "set", "far0", "up")
        yield Node(tmp_path)


ETH0: dict[str, Any] = {"proto": "static", "ipaddr": "10.0.0.1", "netmask": "255.255.255.0", "mtu": 1400}


def test_a_plain_interface_is_set_left_alone_and_repaired(node: Node) -> None:
    before = configured()
    node.plan(network.managed, "eth0", **ETH0)
    assert configured() == before
    assert node.apply(network.managed, "eth0", **ETH0) == [
        "set MTU of eth0 to 1400",
        "bring up eth0",
        "add address 10.0.0.1/24 to eth0",
    ]
    ip("link", "set", "eth0", "mtu", "1500")
    assert node.apply(network.managed, "eth0", **ETH0) == ["set MTU of eth0 to 1400"]
    assert node.apply(network.managed, "eth0", enabled=False) == ["take down eth0"]


def test_a_bridge_with_salts_arguments(node: Node) -> None:
    wish = {
        "type": "bridge",
        "ports": "eth0",
        "stp": True,
        "delay": 2,
        "ipaddr": "10.0.0.1/24",
        "gateway": "10.0.0.254",
    }
    node.apply(network.managed, "br0", **wish)
    shown = bridge.show("br0")["br0"]
    assert (shown["interfaces"], shown["stp"], shown["forward_delay"]) == (["eth0"], True, 2)
    routes = [{"ipaddr": "10.5.0.0", "netmask": "255.255.0.0", "gateway": "10.0.0.9"}, {"ipaddr": "10.6.0.0/16"}]
    assert node.apply(network.routes, "br0", routes=routes) == [
        "lead 10.5.0.0/16 via 10.0.0.9 dev br0",
        "lead 10.6.0.0/16 dev br0",
    ]
    ip("route", "delete", "10.6.0.0/16")
    assert node.apply(network.routes, "br0", routes=routes) == ["lead 10.6.0.0/16 dev br0"]
    assert node.apply(network.system, "system", gateway="10.0.0.253") == [
        "lead default via 10.0.0.253 instead of via 10.0.0.254 dev br0"
    ]
    assert node.apply(network.managed, "br0", type="bridge", enabled=False) == ["delete bridge br0"]


def test_a_preview_from_bare_shows_the_steps_of_interfaces_that_stand_on_each_other(node: Node) -> None:
    data = {
        "br5": {"bridge.present": [{"ports": ["va"]}, {"require": [{"veth": "va"}]}]},
        "va": {"veth.present": [{"peer": "vb"}]},
    }

    def steps(*, test: bool) -> list[str]:
        found = run(StateTree(node.ctx).data(data), node.ctx, test=test)
        assert found.ok
        comments = "\n".join(one.verdict.comment for one in found.results)
        return [line for line in comments.splitlines() if line.startswith("- ")]

    shown = steps(test=True)
    assert "- add port va to br5" in shown
    assert steps(test=False) == shown
    assert steps(test=True) == []
