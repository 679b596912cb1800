"""The XML of pools, networks and volumes: written and read back, what is not declared kept, what is wrong refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._virt import network_xml as net
from modules._virt import pool_xml as pool
from modules._virt import xml as virt_xml
from modules._virt.network_xml import NetworkError, Portgroup, Subnet
from modules._virt.pool_xml import Definition, PoolError
from modules._virt.volume import xml_of
from saltern.errors import SalternError

NFS = Definition("netfs", "/ds/101", ("a.example.org", "2001:db8::1"), "/srv/101", (), None, "nfs", "4.2")
NAT = net.Definition(
    "nat",
    subnets=(Subnet("10.0.0.1/24", (("10.0.0.2", "10.0.0.9"),), (("52:54:00:00:00:01", "10.0.0.10", "web"),)),),
    domain="example.org",
    mtu=1400,
)
BRIDGE = net.Definition("bridge", "br43", "openvswitch", (43, 46), True, (Portgroup("a", True, (43,), False),))


def network(**arguments: Any) -> net.Definition:
    words: dict[str, Any] = dict.fromkeys(("bridge", "vport", "tag", "ipv4_config", "ipv6_config", "domain", "mtu"))
    return net.definition(**{**words, "forward": "nat", "portgroups": (), **arguments})


@pytest.mark.parametrize(
    "wish",
    [
        NFS,
        Definition("dir", "/a <&;> b"),
        Definition("fs", "/mnt", devices=("/dev/sdb1",)),
        Definition("logical", "/dev/vg0", source_name="vg0"),
    ],
)
def test_a_pool_is_read_as_it_was_written(wish: Definition) -> None:
    assert pool.read(pool.write("p", wish)) == wish


@pytest.mark.parametrize("wish", [NAT, BRIDGE, net.Definition("isolated"), net.Definition("open", "virbr9")])
def test_a_network_is_read_as_it_was_written(wish: net.Definition) -> None:
    assert net.read(net.write("n", wish)) == wish


def test_what_a_pool_has_besides_stays_when_it_is_defined_anew() -> None:
    old = "<pool type='dir'><name>p</name><uuid>u</uuid><capacity>1</capacity><source/>"
    old += "<target><path>/old</path><permissions><mode>0711</mode></permissions></target></pool>"
    root = virt_xml.parse(pool.write("p", Definition("dir", "/new"), old))
    assert virt_xml.at(root, "uuid") == "u"
    assert virt_xml.at(root, "target/permissions/mode") == "0711"
    assert virt_xml.at(root, "target/path") == "/new"
    assert root.find("capacity") is None


def test_what_a_network_has_besides_stays_but_not_what_another_kind_had() -> None:
    old = (
        "<network connections='1'><name>n</name><uuid>u</uuid><forward mode='nat'><nat><port start='1' end='9'/></nat>"
    )
    old += "</forward><bridge name='virbr0' stp='on' delay='0'/><mac address='52:54:00:00:00:09'/>"
    old += "<dns><host ip='10.0.0.1'/></dns></network>"
    same = net.write("n", NAT, old)
    for part in ("<uuid>u</uuid>", '<port start="1" end="9"', 'name="virbr0" stp="on"', "52:54:00:00:00:09", "<dns>"):
        assert part in same
    assert "connections" not in same
    other = net.write("n", net.Definition("bridge", "br43"), old)
    assert net.read(other) == net.Definition("bridge", "br43")
    assert "52:54:00:00:00:09" not in other
    assert "<uuid>u</uuid>" in other


def test_what_is_left_to_libvirt_is_not_compared() -> None:
    made = replace(NAT, bridge="virbr0")
    assert net.same(made, NAT) == NAT
    assert net.same(made, replace(NAT, bridge="virbr1")) != replace(NAT, bridge="virbr1")
    assert pool.same(NFS, replace(NFS, version=None)) == replace(NFS, version=None)
    assert pool.same(NFS, replace(NFS, version="3")) != replace(NFS, version="3")


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Cn", "Co"]), min_size=1, max_size=40))
def test_no_text_becomes_anything_but_that_text_in_xml(text: str) -> None:
    root = virt_xml.parse(xml_of(text, 1 << 20, "qcow2", (f"/{text}", "raw")))
    assert root.findtext("name") == text
    assert root.findtext("backingStore/path") == f"/{text}"
    assert len(root.findall("*")) == 5


def test_a_control_character_has_no_form_in_xml() -> None:
    with pytest.raises(ValueError, match="control character"):
        xml_of("a\x01", 1 << 20, None, None)


@pytest.mark.parametrize("name", ["", "<&;", "a/b", "../x", ".hidden", "-f", "a\n", "a ", "x" * 81, "ü"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(PoolError, match="not the name"):
        pool.name_of(name)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dri", "/x", {}), "Did you mean 'dir'"),
        (("dir", None, {}), "needs a `target`"),
        (("dir", "x", {}), "not an absolute path"),
        (("dir", "/x", {"dir": "/y"}), "has no source"),
        (("fs", "/x", {}), "needs source: devices"),
        (("netfs", "/x", {"hosts": "a"}), "needs source: dir"),
        (("netfs", "/x", {"hosts": "a,b", "dir": "/y"}), "hosts: 'a,b' is none"),
        (("netfs", "/x", {"hosts": "a", "dir": "/y", "vers": "4"}), "Did you mean 'version'"),
        (("logical", "/dev/a&b", {}), "name: 'a&b' is none"),
    ],
)
def test_what_a_pool_cannot_be_is_refused(arguments: tuple[str, str | None, dict[str, Any]], said: str) -> None:
    with pytest.raises(SalternError, match=said):
        pool.definition(*arguments)


def test_a_volume_group_is_found_by_its_target_or_its_name() -> None:
    assert pool.definition("logical", None, {"name": "vg0"}) == pool.definition("logical", "/dev/vg0", {})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"forward": "brigde"}, "Did you mean 'bridge'"),
        ({"forward": "bridge"}, "needs the `bridge`"),
        ({"forward": "bridge", "bridge": "x" * 16}, "name of a bridge"),
        ({"forward": "bridge", "bridge": "b", "ipv4_config": {"cidr": "10.0.0.1/24"}}, "of its own"),
        ({"forward": "bridge", "bridge": "b", "mtu": 1400}, "set it there"),
        ({"forward": "bridge", "bridge": "b", "tag": 43}, "Open vSwitch"),
        ({"forward": "bridge", "bridge": "b", "vport": "openvswitch", "tag": 0}, "no VLAN"),
        ({"forward": "bridge", "bridge": "b", "vport": "openvswitch", "tag": [1, 4095]}, "no VLAN"),
        ({"vport": "openvswitch"}, "go with forward: bridge"),
        ({"portgroups": [{"tag": 1}]}, "with a `name`"),
        ({"portgroups": [{"name": "a", "tags": 1}]}, "Did you mean 'tag'"),
        ({"portgroups": [{"name": "a", "default": True}, {"name": "b", "default": True}]}, "only one"),
        ({"ipv4_config": {"cidr": "10.0.0.1"}}, "prefix length"),
        ({"ipv4_config": {"cidr": "10.0.0.0/24"}}, "prefix length"),
        ({"ipv4_config": {"cidr": "fd00::1/64"}}, "IPv4 address"),
        ({"ipv4_config": {"cdir": "10.0.0.1/24"}}, "Did you mean 'cidr'"),
        (
            {"ipv4_config": {"cidr": "10.0.0.1/24", "dhcp_ranges": [{"start": "10.0.0.9", "end": "10.0.0.2"}]}},
            "ends before",
        ),
        (
            {"ipv4_config": {"cidr": "10.0.0.1/24", "dhcp_ranges": [{"start": "10.0.1.2", "end": "10.0.1.3"}]}},
            "not a guest's",
        ),
        ({"ipv4_config": {"cidr": "10.0.0.1/24", "hosts": [{"mac": "x", "ip": "10.0.0.2"}]}}, "MAC"),
        ({"ipv4_config": {"cidr": "10.0.0.1/24", "hosts": [{"ip": "10.0.0.2"}]}}, "`mac` and `ip`"),
        ({"ipv6_config": {"cidr": "fd00::1/64", "hosts": [{"mac": "52:54:00:00:00:01", "ip": "fd00::2"}]}}, "DUID"),
        ({"domain": "a b"}, "host name"),
        ({"mtu": 10}, "mtu"),
    ],
)
def test_what_a_network_cannot_be_is_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(NetworkError, match=said):
        network(**arguments)
