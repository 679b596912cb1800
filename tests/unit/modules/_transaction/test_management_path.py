"""Which interfaces carry the connection to the master, and which steps touch them."""

from __future__ import annotations

from typing import Any

import pytest

from modules import bond, bridge, link, macvlan, route, sysctl, veth, vlan
from modules._network.linkinfo import TunInfo
from modules._network.netview import Link, View
from modules._persist import keepers
from modules._transaction import management_path as management
from saltern.converge.plan import Call, call

_INDEX = {name: number for number, name in enumerate(("lo", "eno1", "eno2", "eno3", "bond0", "bond0.43", "br43"), 1)}


def made(name: str, kind: str | None = None, **more: Any) -> Link:
    index = _INDEX.get(name) or 50 + sum(name.encode()) % 40
    fields: dict[str, Any] = {k: _INDEX.get(v, v) if isinstance(v, str) else v for k, v in more.items()}
    return Link(index=index, name=name, kind=kind, is_up=True, mtu=1500, hwaddr=None, **fields)


VIEW = View(
    (
        made("lo", is_loopback=True),
        made("eno1", master="bond0"),
        made("eno2", master="bond0"),
        made("eno3"),
        made("bond0", "bond"),
        made("bond0.43", "vlan", parent="bond0", master="br43"),
        made("br43", "bridge"),
        made("vnet0", "tun", master="br43", info=TunInfo(is_tap=True)),
    )
)
PATH = management.path(VIEW, _INDEX["br43"], ["10.43.0.1"])


def test_the_path_is_the_whole_stack() -> None:
    assert PATH is not None
    assert PATH.names == {"br43", "bond0.43", "bond0", "eno1", "eno2", "vnet0"}
    assert PATH.words == "eno1,eno2 > bond0 > bond0.43 > br43"


def test_a_master_on_this_node_has_no_path() -> None:
    assert management.path(VIEW, 1, ["127.0.0.1"]) is None
    assert management.path(VIEW, 999, ["10.43.0.1"]) is None


def test_a_veth_leads_on_to_what_its_other_end_is_a_port_of() -> None:
    view = View(
        (
            made("eno1", master="br43"),
            made("br43", "bridge"),
            made("va", "veth", parent=60),
            Link(index=60, name="vb", kind="veth", is_up=True, mtu=1, hwaddr=None, parent=VA, master=_INDEX["br43"]),
        )
    )
    found = management.path(view, VA, ["10.0.0.1"])
    assert found is not None
    assert found.names == {"va", "vb", "br43", "eno1"}


VA = made("va").index

TOUCHES = [
    call(bridge.remove_port, "br43", "bond0.43"),
    call(bridge.add_port, "brx", "eno1"),
    call(link.down, "br43"),
    call(link.set_mtu, "eno2", 9000),
    call(bond.add_member, "bond9", "eno2"),
    call(vlan.add, "eno1.99", "eno1", 99),
    call(macvlan.add, "mv0", parent="bond0", mode="bridge"),
    call(link.add_address, "eno3", "10.43.0.9/24"),  # the master's network, on another interface
    call(link.set_default_route, "eno3", "10.9.0.1"),
    call(route.replace, "0.0.0.0/0", "10.9.0.1", "eno3"),
    call(route.replace, "10.43.0.0/16", "10.9.0.1", "eno3"),
    call(route.delete, "10.43.0.1/32", "via 10.9.0.1 dev eno3", 0),
    call(sysctl.assign, "net.ipv4.conf.all.rp_filter", "1"),
    call(sysctl.assign, "net.ipv4.conf.bond0/43.rp_filter", "1"),
    call(sysctl.assign, "net.ipv4.ip_forward", "1"),
    call(keepers.save, "", {"etc/systemd/network/50-saltern-br43.network": "[Match]\nName=br43\n"}),
]
PASSES = [
    call(link.down, "eno3"),
    call(bridge.add, "br44", stp=False),
    call(bridge.add_port, "br44", "eno3"),
    call(vlan.add, "eno3.44", "eno3", 44),
    call(link.add_address, "eno3", "10.44.0.9/24"),
    call(route.replace, "10.44.0.0/16", "10.9.0.1", "eno3"),
    call(sysctl.assign, "net.ipv4.conf.eno3.rp_filter", "1"),
    call(sysctl.assign, "net.core.rmem_max", "1000"),
    call(keepers.save, "", {"etc/systemd/network/50-saltern-eno3.network": "[Match]\nName=eno3\n"}),
]


@pytest.mark.parametrize("do", TOUCHES, ids=str)
def test_steps_that_touch_the_path(do: Call) -> None:
    assert PATH is not None
    assert management.touches(PATH, do)


@pytest.mark.parametrize("do", PASSES, ids=str)
def test_steps_beside_the_path(do: Call) -> None:
    assert PATH is not None
    assert not management.touches(PATH, do)


@pytest.mark.parametrize(
    ("do", "names"),
    [
        (call(bridge.add, "br44", stp=False), {"br44"}),
        (call(veth.add, "va", "vb"), {"va", "vb"}),
        (call(bridge.add_port, "br44", "eno3"), set()),
        (call(link.add_address, "eno3", "10.44.0.9/24"), set()),
        (call(route.replace, "default", "10.9.0.1", "eno3"), set()),
    ],
    ids=str,
)
def test_what_a_step_makes(do: Call, names: set[str]) -> None:
    assert set(management.makes(do)) == names


def test_the_files_that_a_step_writes() -> None:
    do = call(keepers.save, "", {"etc/systemd/system/x.service": "[Unit]\n", "etc/network/interfaces.d/y": None})
    assert set(management.writes(do)) == {"/etc/systemd/system/x.service", "/etc/network/interfaces.d/y"}
    assert list(management.writes(call(link.add_address, "eno3", "10.44.0.9/24"))) == []
    assert list(management.writes(call(sysctl.persist, "net.ipv4.ip_forward", "1", "/etc/x.conf"))) == ["/etc/x.conf"]
