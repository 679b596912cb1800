"""What a user says of a container's interfaces, start, limits and files, as values."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._lxc import live
from modules._lxc import network as net
from modules._lxc import root as inner
from modules._lxc import wish as wished
from modules._lxc.config import LxcError, Section
from modules._network.netvalues import BadValue

MAC = "00:16:3e:00:00:01"


def lines(*interfaces: dict[str, Any]) -> list[str]:
    return [f"{key.removeprefix('lxc.net.')}={value}" for key, value in net.network_section(interfaces, [], "s").pairs]


@pytest.mark.parametrize(
    ("interface", "wanted"),
    [
        (
            {"type": "macvlan", "parent": "eno1", "mac": MAC},
            ["0.type=macvlan", "0.link=eno1", "0.macvlan.mode=bridge", "0.flags=up", f"0.hwaddr={MAC}"],
        ),
        ({"type": "phys", "parent": "eno2"}, ["0.type=phys", "0.link=eno2", "0.flags=up"]),
        ({"type": "empty"}, ["0.type=empty"]),
        (
            {"bridge": "br0", "hwaddr": MAC.upper(), "vlan": 43, "tagged": [46, 45]},
            [
                *("0.type=veth", "0.link=br0", "0.flags=up", f"0.hwaddr={MAC}"),
                *("0.veth.vlan.id=43", "0.veth.vlan.tagged.id=45", "0.veth.vlan.tagged.id=46"),
            ],
        ),
    ],
)
def test_an_interface_of_each_type_is_lines_of_its_own(interface: dict[str, Any], wanted: list[str]) -> None:
    assert lines(interface) == wanted


@pytest.mark.parametrize(
    ("interface", "words"),
    [
        ({"type": "none"}, "the node's own network"),
        ({"type": "macvlen", "parent": "eno1"}, "Did you mean 'macvlan'"),
        ({"type": "macvlan", "bridge": "br0"}, "has no bridge"),
        ({"type": "macvlan"}, "needs its parent"),
        ({"type": "macvlan", "parent": "eno1", "mode": "vepo"}, "Did you mean 'vepa'"),
        ({"type": "phys", "parent": "eno1", "vlan": 4}, "has no vlan"),
        ({"bridge": "br0", "parent": "eno1"}, "has no parent"),
        ({"bridge": "br0", "mac": MAC, "hwaddr": MAC}, "are the same"),
        ({"bridge": "br0", "vlan": 4, "tagged": [4]}, "once"),
        ({"bridge": "br0", "tagged": [4, 4]}, "once"),
        ({"bridge": "br0", "tagged": 4095}, "VLAN 4095"),
    ],
)
def test_an_interface_of_no_sense_is_refused(interface: dict[str, Any], words: str) -> None:
    with pytest.raises((LxcError, BadValue), match=words):
        lines(interface)


def test_an_address_is_taken_on_its_own_link_only() -> None:
    section = net.network_section([{"bridge": "br43", "address": "10.0.0.5/24"}], [], "s")
    other = "lxc.net.3.type = veth\nlxc.net.3.link = {}\nlxc.net.3.ipv4.address = 10.0.0.5/8 10.255.255.255\n"
    assert net.taken(section, {"c2": other.format("br46")}) is None
    assert net.taken(section, {"c2": other.format("br43").replace("0.5/8", "0.6/8")}) is None
    assert net.taken(section, {"c2": other.format("br43")}) == (
        "the address 10.0.0.5 on br43 is that of the container c2 already"
    )


def test_only_bridges_of_interfaces_in_a_vlan_must_filter() -> None:
    section = net.network_section([{"bridge": "a"}, {"bridge": "b", "vlan": 4}, {"bridge": "c", "tagged": 5}], [], "s")
    assert net.links(section) == ["a", "b", "c"]
    assert net.filtered(section) == ["b", "c"]


@pytest.mark.parametrize(
    ("autostart", "wanted"),
    [
        (True, {"auto": "1"}),
        (False, {"auto": "0"}),
        ({}, {"auto": "1"}),
        ({"order": 9, "delay": 0}, {"auto": "1", "order": "9", "delay": "0"}),
    ],
)
def test_a_start_with_the_node_may_have_an_order_and_a_delay(autostart: Any, wanted: dict[str, str]) -> None:
    found = wished.start_sections(autostart)
    assert found == tuple(Section("key", f"lxc.start.{k}", ((f"lxc.start.{k}", value),)) for k, value in wanted.items())


@pytest.mark.parametrize("autostart", ["yes", 1, {"ordre": 1}, {"order": -1}, {"delay": "soon"}])
def test_a_start_of_no_sense_is_refused(autostart: Any) -> None:
    with pytest.raises((LxcError, BadValue)):
        wished.start_sections(autostart)


def test_a_running_container_gets_the_limits_of_its_file_and_a_lifted_one_is_none() -> None:
    limits = {"memory": "64M", "cpus": 0.5, "pids": None, "cpuset": "0,1"}
    new = wished.limit_sections(limits, unified=True, host_kib=1 << 20, host_cpus=4)
    assert live.wanted(new, True) == {
        "memory.max": str(64 << 20),
        "cpu.max": "50000 100000",
        "pids.max": "max",
        "cpuset.cpus": "0-1",
    }
    old = wished.limit_sections({"memory": None, "cpuset": None}, unified=False, host_kib=1 << 20, host_cpus=4)
    assert live.wanted(old, False) == {"memory.limit_in_bytes": "-1"}
    assert live.canonical("memory.limit_in_bytes", "9223372036854771712") == "-1"


@given(st.sets(st.integers(0, 200), min_size=1))
def test_a_set_of_numbers_has_one_spelling_that_says_the_same(numbers: set[int]) -> None:
    spelled = live.ranges(",".join(map(str, numbers)))
    parts = [part.split("-") for part in spelled.split(",")]
    assert {n for part in parts for n in range(int(part[0]), int(part[-1]) + 1)} == numbers
    assert live.ranges(spelled) == spelled
    assert all(int(b[0]) > int(a[-1]) + 1 for a, b in pairwise(parts))


@pytest.mark.parametrize("path", ["etc/motd", "/", "/a/../b", "/a//b", "/a\nb", "/a/", "", 5, None])
def test_a_path_that_leads_out_of_a_container_is_refused(path: object) -> None:
    with pytest.raises(LxcError, match="not the path of a file in a container"):
        inner.inner_path(path)


def test_files_are_texts_with_a_mode_and_those_for_name_and_name_servers_are_made() -> None:
    given = {"/a": "x", "/b": {"contents": "y\n", "mode": "0700"}}
    assert inner.wanted_files(given, ["192.0.2.1", "2001:db8::1"], "c1") == {
        "/etc/resolv.conf": ("nameserver 192.0.2.1\nnameserver 2001:db8::1\n", 0o644),
        "/etc/hostname": ("c1\n", 0o644),
        "/a": ("x\n", 0o644),
        "/b": ("y\n", 0o700),
    }


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"/a": 5}, "must be a text"),
        ({"/a": {"content": "x"}}, "must be a text"),
        ({"/a": {"contents": "x", "mode": "u+x"}}, "octal"),
        ({"/a": {"contents": "x", "mode": "77777"}}, "octal"),
        ({"/etc/hostname": "x"}, "by dns or hostname too"),
    ],
)
def test_a_file_of_no_sense_is_refused(files: dict[str, object], words: str) -> None:
    with pytest.raises(LxcError, match=words):
        inner.wanted_files(files, None, "c1")


def test_the_root_is_a_folder_or_not_known() -> None:
    assert inner.root_of("lxc.rootfs.path = dir:/l/c1/rootfs\n") == "/l/c1/rootfs"
    assert inner.root_of("lxc.rootfs.path = /l/c1/rootfs\n") == "/l/c1/rootfs"
    assert inner.root_of("lxc.rootfs.path = zfs:pool/c1\n") is None
    assert inner.root_of("") is None
