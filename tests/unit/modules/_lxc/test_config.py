"""The file of a container: what is read from it, what is put into it, and what is refused."""

from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._lxc import network as net
from modules._lxc import tools
from modules._lxc import wish as wished
from modules._lxc.config import (
    MOUNT_KEY,
    LxcError,
    Section,
    config_sections,
    config_value,
    container_name,
    difference,
    pairs,
    put,
    read,
    values,
)
from modules._network.netvalues import BadValue
from tests.integration.system import wait_for

TEMPLATE = """\
# Template used to create this container: /usr/share/lxc/templates/lxc-busybox

lxc.net.0.type = veth
lxc.net.0.link = lxcbr0
lxc.uts.name = "c1"
#lxc.apparmor.profile = unconfined
lxc.cap.drop = sys_module mac_admin
lxc.mount.entry = /lib lib none ro,bind 0 0
"""
HOST: dict[str, Any] = {"unified": False, "host_kib": 4 << 20, "host_cpus": 4}
ETH = {"bridge": "br43"}


def key(name: str, *given: str) -> Section:
    return Section("key", name, tuple((name, value) for value in given))


def test_comments_blank_lines_and_quotes_are_not_values() -> None:
    assert dict(pairs(TEMPLATE))["lxc.uts.name"] == "c1"
    assert values(TEMPLATE, "lxc.apparmor.profile") == ()


def test_an_empty_value_clears_those_before_it() -> None:
    assert values("lxc.cap.drop = a\nlxc.cap.drop =\nlxc.cap.drop = b\n", "lxc.cap.drop") == ("b",)


def test_changed_lines_take_the_place_of_the_old_ones_and_all_others_stay() -> None:
    network = Section("tree", "lxc.net", (("lxc.net.0.type", "veth"), ("lxc.net.0.link", "br43")))
    assert put(TEMPLATE, [network]) == TEMPLATE.replace("lxcbr0", "br43")


def test_the_values_of_a_key_are_in_the_wished_order() -> None:
    text = put("lxc.environment = B=2\n# mine\nlxc.environment = A=1\n", [key("lxc.environment", "A=1", "B=2")])
    assert text == "lxc.environment = A=1\nlxc.environment = B=2\n# mine\n"


def test_no_values_means_no_such_key() -> None:
    assert "lxc.cap.drop" not in put(TEMPLATE, [key("lxc.cap.drop")])


def test_a_tree_does_not_own_keys_that_only_begin_alike() -> None:
    text = "lxc.network.type = veth\nlxc.net.0.type = veth\nlxc.net\n"
    assert read(text, Section("tree", "lxc.net", ())) == (("lxc.net.0.type", "veth"),)


def test_mounts_of_a_template_stay_and_own_ones_are_replaced_and_removed() -> None:
    one, two = (wished.mounts_section([{"source": "/srv", "target": target}]) for target in ("a", "b"))
    first = put(TEMPLATE, [one])
    assert values(first, MOUNT_KEY) == ("/lib lib none ro,bind 0 0", "/srv a none bind,create=dir 0 0")
    assert values(put(first, [two]), MOUNT_KEY)[1:] == ("/srv b none bind,create=dir 0 0",)
    assert put(first, [wished.mounts_section([])]) == TEMPLATE


_values = (
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1)
    .map(str.strip)
    .filter(lambda text: text and not (len(text) > 1 and text[0] == text[-1] and text[0] in "'\""))
)
_sections = st.dictionaries(
    st.sampled_from(["lxc.a", "lxc.a.b", "lxc.cap.drop", "lxc.environment"]), st.lists(_values, max_size=3)
)
_texts = st.lists(
    st.sampled_from(
        ["", "# mine", "lxc.a = 1", " lxc.a=2 ", "lxc.a.b = x", "lxc.other = y", "nonsense", "lxc.cap.drop ="]
    )
).map(lambda lines: "".join(line + "\n" for line in lines))


@given(_texts, _sections)
def test_what_is_put_is_read_again_and_a_second_time_changes_nothing(text: str, given: dict[str, list[str]]) -> None:
    sections = [key(name, *listed) for name, listed in given.items()]
    done = put(text, sections)
    assert [read(done, section) for section in sections] == [section.pairs for section in sections]
    assert put(done, sections) == done
    mine = {name for name, _ in pairs(text)} & set(given)
    others = [line for line in text.splitlines() if line.partition("=")[0].strip() not in mine]
    assert [line for line in done.splitlines() if line.partition("=")[0].strip() not in given] == [
        line for line in others if line.partition("=")[0].strip() not in given
    ]


@given(st.text())
def test_a_value_is_one_line_or_refused(text: str) -> None:
    try:
        value = config_value("lxc.uts.name", text)
    except LxcError:
        return
    assert pairs(f"lxc.uts.name = {value}\n") == [("lxc.uts.name", value)]


@pytest.mark.parametrize(
    "value", ["a\nlxc.hook.start = /bin/evil", "a\rb", "a\0", "a\u2028b", "", " ", '"x"', [1], None]
)
def test_a_value_that_would_be_read_otherwise_is_refused(value: object) -> None:
    with pytest.raises(LxcError, match=r"the value of lxc\.uts\.name"):
        config_value("lxc.uts.name", value)


@pytest.mark.parametrize("name", ["lxc", "uts.name", "lxc.a b", "lxc.a\nlxc.b", "lxc.a = b\nlxc.c", 5])
def test_a_key_that_is_none_is_refused(name: object) -> None:
    with pytest.raises(LxcError, match="not a key"):
        config_sections({name: "x"})  # type: ignore[dict-item]


def test_a_list_may_name_a_key_several_times() -> None:
    assert config_sections([{"lxc.b": 1}, {"lxc.a": True}, {"lxc.b": ["2", "3"]}]) == (
        key("lxc.b", "1", "2", "3"),
        key("lxc.a", "1"),
    )


@pytest.mark.parametrize("name", ["", "-c", ".", "..", "a/b", "a b", "<&;", "a\n", "x" * 64, "ä", 7])
def test_a_name_that_no_container_can_have_is_refused(name: object) -> None:
    with pytest.raises(LxcError, match="not a container's name"):
        container_name(name)


def test_an_interface_is_lines_in_order_with_a_mac_address_that_stays() -> None:
    asked = {**ETH, "vlan": 43, "name": "eth0", "mtu": 1400, "pair": "buster0"}
    asked |= {"address": ["192.168.43.250/24", "2001:DB8::5/64"], "gateway": ["192.168.43.254", "fe80::1"]}
    assert net.network_section([asked], [], "node/c1").pairs == (
        ("lxc.net.0.type", "veth"),
        ("lxc.net.0.link", "br43"),
        ("lxc.net.0.flags", "up"),
        ("lxc.net.0.name", "eth0"),
        ("lxc.net.0.hwaddr", net.made_hwaddr("node/c1/0")),
        ("lxc.net.0.mtu", "1400"),
        ("lxc.net.0.veth.pair", "buster0"),
        ("lxc.net.0.veth.vlan.id", "43"),
        ("lxc.net.0.ipv4.address", "192.168.43.250/24"),
        ("lxc.net.0.ipv6.address", "2001:db8::5/64"),
        ("lxc.net.0.ipv4.gateway", "192.168.43.254"),
        ("lxc.net.0.ipv6.gateway", "fe80::1"),
    )


def test_mac_addresses_of_two_nodes_and_two_interfaces_differ() -> None:
    assert len({net.made_hwaddr(seed) for seed in ("n1/c/0", "n1/c/1", "n2/c/0")}) == 3


@pytest.mark.parametrize(
    ("interfaces", "words"),
    [
        ([{}], "needs its bridge"),
        ([{**ETH, "adress": "10.0.0.1/8"}], "Did you mean 'address'"),
        ([{**ETH, "vlan": 4095}], "VLAN 4095"),
        ([{**ETH, "vlan": 0}], "VLAN 0"),
        ([{"bridge": "a-name-over-fifteen"}], "1 to 15"),
        ([{**ETH, "name": "a\nlxc.hook.start=x"}], "can't be the name"),
        ([{**ETH, "address": "10.0.0.1"}], "prefix length"),
        ([{**ETH, "address": "10.0.0.5/24", "gateway": "10.9.0.1"}], "lies in no network"),
        ([{**ETH, "address": "10.0.0.5/24", "gateway": ["10.0.0.1", "10.0.0.2"]}], "one IPv4 gateway"),
        ([{**ETH, "hwaddr": "01:00:5e:00:00:01"}], "not the MAC address"),
        ([{**ETH, "hwaddr": 12345}], "not the MAC address"),
        ([{**ETH, "address": "10.0.0.5/24"}, {**ETH, "address": "10.0.0.5/24"}], "the same ipv4.address"),
        ([{**ETH, "name": "eth0"}, {**ETH, "name": "eth0"}], "the same name"),
        (["br43"], "must be a mapping"),
    ],
)
def test_an_interface_that_can_not_be_is_refused(interfaces: list[Any], words: str) -> None:
    with pytest.raises((LxcError, BadValue), match=words):
        net.network_section(interfaces, [], "seed")


@pytest.mark.parametrize(
    ("mount", "entry"),
    [
        ({"source": "/srv/a b", "target": "/data"}, r"/srv/a\040b data none bind,create=dir 0 0"),
        ({"source": "/x", "target": "y", "options": ["ro", "create=file"]}, "/x y none bind,ro,create=file 0 0"),
        ({"source": "tmpfs", "target": "/tmp", "fstype": "tmpfs"}, "tmpfs tmp tmpfs defaults 0 0"),
    ],
)
def test_a_mount_is_one_entry(mount: dict[str, Any], entry: str) -> None:
    assert wished.mounts_section([mount]).pairs == ((MOUNT_KEY, entry),)


@pytest.mark.parametrize(
    "mount",
    [
        {"source": "/x"},
        {"source": "x", "target": "y"},
        {"source": "/x", "target": "../etc"},
        {"source": "/x", "target": "/"},
        {"source": "/x", "target": "y", "options": ["ro 0 0\nlxc.x"]},
        {"source": "/x", "target": "y", "opts": []},
    ],
)
def test_a_mount_that_leads_elsewhere_is_refused(mount: dict[str, Any]) -> None:
    with pytest.raises(LxcError):
        wished.mounts_section([mount])


def test_limits_are_written_for_the_cgroup_version_of_the_node_and_lifted_by_null() -> None:
    limits = {"memory": "512M", "cpus": 1.5, "pids": None}
    lines = [pair for section in wished.limit_sections(limits, **HOST) for pair in section.pairs]
    assert lines == [
        ("lxc.cgroup.memory.limit_in_bytes", "536870912"),
        ("lxc.cgroup.cpu.cfs_period_us", "100000"),
        ("lxc.cgroup.cpu.cfs_quota_us", "150000"),
    ]
    unified = wished.limit_sections(limits, **{**HOST, "unified": True})
    assert [pair for section in unified for pair in section.pairs] == [
        ("lxc.cgroup2.memory.max", "536870912"),
        ("lxc.cgroup2.cpu.max", "150000 100000"),
    ]
    assert {section.name for section in unified} >= {"lxc.cgroup.memory.limit_in_bytes", "lxc.cgroup2.pids.max"}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"memory": "5G"}, r"more than this node has \(4096 MiB\)"),
        ({"memory": "much"}, "not an amount"),
        ({"memory": True}, "not an amount"),
        ({"memory": 0}, "can't run with"),
        ({"cpus": 5}, "more than this node has"),
        ({"cpus": "nan"}, "not a number of CPUs"),
        ({"cpuset": "0-4"}, "no CPU 4"),
        ({"cpuset": "0\nlxc.x"}, "not a set"),
        ({"memroy": "1G"}, "Did you mean 'memory'"),
    ],
)
def test_a_limit_that_can_not_be_is_refused(limits: dict[str, Any], words: str) -> None:
    with pytest.raises(LxcError, match=words):
        wished.limit_sections(limits, **HOST)


def test_sizes_are_binary_and_a_mere_number_is_mib() -> None:
    assert [wished.memory_bytes(size, 4 << 20) for size in ("1.5 GiB", "1536MB", 1536, "1536")] == [1536 << 20] * 4


def test_the_options_of_a_template_are_arguments_and_never_other_options() -> None:
    assert wished.template_arguments("buster", {"arch": "amd64", "keep": True, "no": False}) == (
        "--release", "buster", "--arch", "amd64", "--keep",
    )  # fmt: skip
    for options in ({"arch": "--exec=x"}, {"-x": "y"}, {"arch": "a\nb"}):
        with pytest.raises(LxcError):
            wished.template_arguments(None, options)


@pytest.mark.parametrize("template", ["", "-x", "../evil", "a/b", "/tmp/../x", "a b"])
def test_a_template_that_is_none_is_refused(template: str) -> None:
    with pytest.raises(LxcError, match="not an LXC template"):
        wished.template_name(template)


def test_a_mere_change_of_order_is_shown_whole() -> None:
    a, b = ("lxc.a", "1"), ("lxc.a", "2")
    assert difference([a, b], [b, a]) == (["lxc.a = 1", "lxc.a = 2"], ["lxc.a = 2", "lxc.a = 1"])
    assert difference([a], [a, b]) == ([], ["lxc.a = 2"])


def test_what_lxc_info_prints_is_read() -> None:
    said = (
        "Name:           c1\nState:          RUNNING\nPID:            1421\nIP:             10.0.0.5\n"
        "IP:             fe80::1\nLink:           veth1\n TX bytes:      1048\n RX bytes:      516\n"
        "CPU use:        5502991\n"
    )
    assert tools.parse_info(said) == {
        "Name": "c1",
        "State": "RUNNING",
        "PID": 1421,
        "IP": ["10.0.0.5", "fe80::1"],
        "links": [{"name": "veth1", "TX bytes": 1048, "RX bytes": 516}],
        "CPU use": 5502991,
    }


def test_what_lxc_ls_prints_is_read_by_its_columns() -> None:
    said = (
        "NAME STATE   PID  IPV4               IPV6 \n"
        "c1   RUNNING 1421 10.0.0.5, 10.0.0.6 -    \n"
        "c2   STOPPED -    -                  -    \n"
    )
    assert [row["IPV4"] for row in tools.parse_table(said)] == ["10.0.0.5, 10.0.0.6", ""]
    assert tools.parse_table("") == []


def test_a_process_started_after_the_past_and_not_after_a_file_that_is_newer() -> None:
    earliest = time.time()
    with subprocess.Popen(["sleep", "3600"]) as process:
        latest = time.time()
        assert 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - tools.started_s(process.pid) < 3600
        assert tools.started_after(process.pid, earliest - 1)
        wait_for("it is older than that", lambda: not tools.started_after(process.pid, latest + 0.1))
        assert tools.started_after(process.pid, time.time() + 3600), "a clock set back is no reason to act"
        process.kill()


def test_the_reasons_of_a_log_are_its_errors_without_the_advice() -> None:
    log = (
        "lxc-start c1 20261121061752.933 INFO     start - ../src/lxc/start.c:f:1 - fine\n"
        "lxc-start c1 20261121061752.948 ERROR    network - ../src/lxc/network.c:f:2 - no bridge\n"
        "lxc-start c1 20261121061752.948 ERROR    network - ../src/lxc/network.c:f:2 - no bridge\n"
        "lxc-start c1 20261121061752.949 ERROR    lxc_start - ../src/x.c:main:3 - To get more details, run it\n"
    )
    assert tools.reasons(log, "") == ["no bridge"]
    said = "lxc-create: q: ../src/lxc/tools/lxc_create.c: main: 264 Container already exists\n"
    assert tools.reasons("", said) == ["Container already exists"]
