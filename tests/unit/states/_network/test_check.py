"""What is wrong with a declared network is refused before anything runs, with its line in the SLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from saltern.errors import SourceError
from saltern.sls.state_tree import StateTree
from tests.plans import context


def refused(folder: Path, sls: str) -> str:
    with pytest.raises(SourceError) as error:
        StateTree(context(folder)).text(sls, file="net.sls")
    return str(error.value)


@pytest.mark.parametrize(
    ("sls", "line", "words"),
    [
        ("eth0.0:\n  vlan.present:\n    - parent: eth0\n    - id: 0\n", 4, "VLAN 0 is not possible: 1 to 4094 are"),
        ("v:\n  vlan.present:\n    - parent: eth0\n    - id: 4095\n", 4, "VLAN 4095 is not possible"),
        ("v:\n  vlan.present:\n    - parent: v\n    - id: 4\n", 3, "v can't be its own parent"),
        ("a-bridge-named-so-long:\n  bridge.present\n", 1, "it has 22 bytes, and 1 to 15 are possible"),
        ("br/0:\n  bridge.present\n", 1, "it contains '/'"),
        ("br 0:\n  bridge.present\n", 1, "it contains ' '"),
        ("-br0:\n  bridge.present\n", 1, "begins with"),
        ("br0:\n  bridge.present:\n    - ports: [eth0, br0]\n", 3, "br0 can't be a port of itself"),
        ("br0:\n  bridge.present:\n    - ports:\n      - eth0: {pvid: 4095}\n", 3, "VLAN 4095 is not possible"),
        ("br0:\n  bridge.present:\n    - stp: true\n    - forward_delay: 1\n", 4, "2 to 30 s, since it runs STP"),
        ("br0:\n  bridge.present:\n    - addresses: [10.0.0.0/24]\n", 3, "is the network of"),
        ("b:\n  bond.present:\n    - mode: 1\n    - lacp_rate: fast\n", 2, "that needs the mode 802.3ad"),
        ("b:\n  bond.present:\n    - members: [b]\n", 3, "b can't be a member of itself"),
        ("mv:\n  macvlan.present:\n    - parent: eth0\n    - mode: brigde\n", 4, "Did you mean 'bridge'"),
        ("vx:\n  vxlan.present:\n    - id: 0\n", 3, "VXLAN 0 is not possible"),
        ("va:\n  veth.present:\n    - peer: va\n", 3, "va can't be its own peer"),
        ("10.0.0.1:\n  address.present:\n    - interface: eth0\n", 2, "with its prefix length"),
        ("eth0.0:\n  network.managed:\n    - type: vlan\n    - phys_dev: eth0\n    - vlan_id: 0\n", 5, "VLAN 0 is"),
    ],
)
def test_a_value_that_can_not_be_is_refused_at_its_line(tmp_path: Path, sls: str, line: int, words: str) -> None:
    said = refused(tmp_path, sls)
    assert said.startswith(f"net.sls:{line}:"), said
    assert words in said


BR0 = "br0:\n  bridge.present:\n    - ports: [eth0]\n    - addresses: [10.0.0.1/24]\n"


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (
            "br1:\n  bridge.present:\n    - addresses: [10.0.0.1/16]\n",
            "the address 10.0.0.1 can't be on br1: br0 has it (bridge.present br0 at net.sls:1",
        ),
        (
            "x:\n  address.present:\n    - interface: eth1\n    - addresses: 10.0.0.1/24\n",
            "can't be on eth1: br0 has it",
        ),
        ("eth1:\n  network.managed:\n    - ipaddr: 10.0.0.1\n    - netmask: 255.255.255.0\n", "can't be on eth1"),
        ("br1:\n  bridge.present:\n    - ports: [{eth0: {pvid: 4}}]\n", "eth0 can't be in br1: br0 has it"),
        ("b:\n  bond.present:\n    - members: [eth0]\n", "eth0 can't be in b: br0 has it"),
        ("n:\n  macvlan.present:\n    - name: br0\n    - parent: eth1\n", "br0 can't be a macvlan: it is a bridge"),
    ],
)
def test_states_that_contradict_each_other_are_refused_with_both_places(tmp_path: Path, other: str, words: str) -> None:
    said = refused(tmp_path, BR0 + other)
    assert words in said
    assert "net.sls:5:" in said or "net.sls:7:" in said or "net.sls:8:" in said or "net.sls:6:" in said


def test_a_vlan_twice_on_one_parent_is_refused(tmp_path: Path) -> None:
    one = "{}:\n  vlan.present:\n    - parent: {}\n    - id: 43\n"
    assert "b can't carry VLAN 43 of eth0: a does" in refused(
        tmp_path, one.format("a", "eth0") + one.format("b", "eth0")
    )
    lows = StateTree(context(tmp_path)).text(one.format("a", "eth0") + one.format("b", "eth1"))
    assert len(lows) == 2


@pytest.mark.parametrize(
    "other",
    [
        "br0b:\n  bridge.present:\n    - name: br0\n    - ports: [eth0]\n    - addresses: [10.0.0.1/24]\n",
        "br1:\n  bridge.present:\n    - ports: [eth0]\n    - onlyif: test -e /x\n",
        "br1:\n  bridge.absent\n",
        "x:\n  address.present:\n    - interface: br0\n    - addresses: 10.0.0.1/24\n",
    ],
)
def test_what_may_be_is_not_refused(tmp_path: Path, other: str) -> None:
    assert len(StateTree(context(tmp_path)).text(BR0 + other)) == 2
