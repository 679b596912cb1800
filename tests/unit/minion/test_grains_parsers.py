"""What the grains make of the texts of the kernel and the distribution."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minion.grains import addresses, hardware, identity, network, provision, read, system, virtualisation
from minion.grains.addresses import Address, Link
from minion.grains.virtualisation import Signs, classify

DEBIAN = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
"""
UBUNTU = (
    'NAME="Ubuntu"\nVERSION_ID="22.04"\nVERSION="22.04.4 LTS (Jammy Jellyfish)"\nVERSION_CODENAME=jammy\nID=ubuntu\n'
)
CENTOS = 'NAME="CentOS Stream"\nVERSION="9"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="9"\n'
UNKNOWN = 'NAME="Proxmox {{7*7}}"\nID=pve\nID_LIKE="debian"\nVERSION_ID=8.1-rc\nVERSION="8 (odd)"\n'


@pytest.mark.parametrize(
    ("release", "machine", "wanted"),
    [
        (
            DEBIAN,
            "x86_64",
            {
                "os": "Debian", "os_family": "Debian", "osfullname": "Debian GNU/Linux", "osrelease": "12",
                "osrelease_info": [12], "osmajorrelease": 12, "oscodename": "bookworm", "osfinger": "Debian-12",
                "osarch": "amd64", "cpuarch": "x86_64", "lsb_distrib_codename": "bookworm",
            },
        ),
        (
            UBUNTU,
            "aarch64",
            {
                "os": "Ubuntu", "os_family": "Debian", "osrelease": "22.04", "osrelease_info": [22, 4],
                "osmajorrelease": 22, "osfinger": "Ubuntu-22.04", "osarch": "arm64", "oscodename": "jammy",
            },
        ),
        (
            CENTOS,
            "x86_64",
            {"os": "CentOS Stream", "os_family": "RedHat", "osfinger": "CentOS Stream-9", "osarch": "x86_64"},
        ),
        (
            UNKNOWN,
            "riscv64",
            {
                "os": "Proxmox {{7*7}}", "os_family": "Debian", "osrelease_info": [8, "1-rc"], "osmajorrelease": 8,
                "oscodename": "odd", "osarch": "riscv64",
            },
        ),
        ("ID=arch\nNAME='Arch Linux'\n", "x86_64", {"os": "Arch", "osrelease": "", "osfinger": "Arch Linux"}),
        ("", "x86_64", {"os": "Linux", "os_family": "Linux", "osfinger": "Linux", "osrelease_info": []}),
    ],
)  # fmt: skip
def test_the_distribution_has_the_names_of_salt(release: str, machine: str, wanted: dict[str, Any]) -> None:
    found = system.distribution_of(read.pairs(release), machine)
    assert {name: found.get(name) for name in wanted} == wanted


def test_a_release_without_a_version_has_no_major_one() -> None:
    assert "osmajorrelease" not in system.distribution_of({}, "x86_64")


def test_os_release_is_read_with_quotes_and_escapes() -> None:
    source = '# c\nA=plain\nB="a \\"b\\" \\$x \\\\"\nC=\'single\'\nnonsense\n=x\nD=\nA=last\nE=a=b\n'
    assert read.pairs(source) == {"A": "last", "B": 'a "b" $x \\', "C": "single", "D": "", "E": "a=b"}


HOSTS = """\
127.0.0.1 localhost.localdomain localhost
127.0.1.1\tweb1.example.org web1   # me
fd00::1 web1.example.org
fd00::1 web1
broken
"""


@pytest.mark.parametrize(
    ("nodename", "wanted"),
    [
        ("web1", ("web1.example.org", "web1", "example.org", ["127.0.1.1"], ["fd00::1"])),
        ("web2.lan", ("web2.lan", "web2", "lan", [], [])),
        ("web3", ("web3", "web3", "", [], [])),
        ("localhost", ("localhost", "localhost", "", ["127.0.0.1"], [])),
    ],
)
def test_the_domain_comes_from_the_host_name_or_the_hosts_file(nodename: str, wanted: tuple[Any, ...]) -> None:
    found = identity.host_names(nodename, HOSTS)
    assert tuple(found[name] for name in ("fqdn", "host", "domain", "fqdn_ip4", "fqdn_ip6")) == wanted
    assert found["nodename"] == found["localhost"] == nodename


UML_CPU = """\
processor\t: 0
vendor_id\t: User Mode Linux
model name\t: UML
mode\t\t: skas
host\t\t: Linux vm 6.18 x86_64
bogomips\t: 5000.00
"""
X86_CPU = (
    "processor\t: 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu svm\n\nprocessor\t: 1\nmodel name\t: other\nflags\t: x\n"
)
ARM_CPU = "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\n"


@pytest.mark.parametrize(
    ("source", "model", "flags"),
    [(X86_CPU, "AMD EPYC", ["fpu", "svm"]), (UML_CPU, "UML", []), (ARM_CPU, "", ["fp", "asimd"]), ("", "", [])],
)
def test_the_first_processor_speaks_for_all(source: str, model: str, flags: list[str]) -> None:
    assert hardware.parse_cpuinfo(source) == {"cpu_model": model, "cpu_flags": flags}


def test_memory_is_counted_in_mebibytes() -> None:
    source = "MemTotal:       24684092 kB\nMemFree: 1 kB\nSwapTotal:        2047 kB\nHugePages_Total:   0\nbroken\n"
    assert hardware.parse_meminfo(source) == {"mem_total": 24105, "swap_total": 1}


KVM_GUEST: dict[str, Any] = {"cpuinfo": "flags\t: fpu hypervisor\n", "clocksources": "kvm-clock tsc"}


@pytest.mark.parametrize(
    ("signs", "wanted"),
    [
        (Signs(cpuinfo=UML_CPU, files=frozenset({"/.dockerenv"}), initial_pid_namespace=False), ("uml", "")),
        (Signs(cpuinfo=X86_CPU, clocksources="tsc hpet"), ("physical", "")),
        (Signs(), ("physical", "")),
        (Signs(vendor="QEMU", product="Standard PC (Q35 + ICH9, 2009)", **KVM_GUEST), ("kvm", "")),
        (Signs(vendor="QEMU", cpuinfo="flags\t: fpu hypervisor\n", clocksources="tsc"), ("qemu", "")),
        (Signs(**KVM_GUEST), ("kvm", "")),
        (Signs(files=frozenset({"/.dockerenv"}), **KVM_GUEST), ("kvm", "")),
        (Signs(files=frozenset({"/.dockerenv"}), initial_pid_namespace=False, **KVM_GUEST), ("container", "Docker")),
        (Signs(container="lxc", initial_pid_namespace=False), ("container", "LXC")),
        (Signs(container="newone", initial_pid_namespace=False), ("container", "newone")),
        (Signs(cgroup="4:memory:/lxc/x\n", initial_pid_namespace=False), ("container", "LXC")),
        (Signs(files=frozenset({"/run/.containerenv"}), initial_pid_namespace=False), ("container", "Podman")),
        (Signs(initial_pid_namespace=False, cpuinfo=X86_CPU), ("physical", "")),
        (Signs(vendor="VMware, Inc.", product="VMware7,1"), ("VMware", "")),
        (Signs(vendor="innotek GmbH", product="VirtualBox"), ("VirtualBox", "")),
        (Signs(vendor="Microsoft Corporation", product="Virtual Machine"), ("HyperV", "")),
        (Signs(vendor="Microsoft Corporation", product="Surface"), ("physical", "")),
        (Signs(hypervisor="xen"), ("xen", "Xen DomU")),
        (Signs(hypervisor="xen", xen_capabilities="control_d"), ("xen", "Xen Dom0")),
        (Signs(cpuinfo="flags\t: fpu hypervisor\n"), ("unknown", "")),
    ],
)
def test_where_the_node_runs(signs: Signs, wanted: tuple[str, str]) -> None:
    assert classify(signs) == wanted


def test_the_container_manager_is_found_in_an_environment() -> None:
    assert virtualisation._environment("A=b\0container=lxc\0C=d\0") == "lxc"
    assert virtualisation._environment("A=container=lxc\0") == ""


@pytest.mark.parametrize(
    ("files", "version"),
    [
        (["libsystemd-core-252.so", "libsystemd-shared-252.so"], "252"),
        (["libsystemd-shared-255.4-1.fc40.so"], "255"),
        (["libsystemd-shared-.so", "libsystemd-shared-252.so.bak\n"], ""),
        ([], ""),
    ],
)
def test_the_version_of_systemd_is_in_the_name_of_its_library(files: list[str], version: str) -> None:
    assert system.systemd_version(files) == version


@pytest.mark.parametrize(
    ("command", "wanted"), [("init", "sysvinit"), ("systemd", "systemd"), ("busybox", "busybox"), ("", "unknown")]
)
def test_process_one_names_the_init(command: str, wanted: str) -> None:
    assert system.init_of(command) == wanted


def test_the_time_zone_is_where_localtime_leads() -> None:
    assert system.time_zone("/usr/share/zoneinfo/Europe/Prague", "Etc/UTC") == "Europe/Prague"
    assert system.time_zone("", "Etc/UTC") == "Etc/UTC"


# Provision


@pytest.mark.parametrize(
    ("library", "version"),
    [
        ("libvirt.so.0.9000.0", "9.0.0"),
        ("libvirt.so.0.11004.2", "11.4.2"),
        ("/usr/lib/libvirt.so.0.9000.0", "9.0.0"),
        ("libvirt.so.0", ""),
        ("", ""),
    ],
)
def test_the_version_of_libvirt_is_in_the_name_of_its_library(library: str, version: str) -> None:
    assert provision.libvirt_version(library) == version


@pytest.mark.parametrize(
    ("cpuinfo", "machine", "wanted"),
    [
        (X86_CPU, "x86_64", True),
        ("flags\t: fpu vmx\n", "x86_64", True),
        ("flags\t: fpu vmxx\nbugs\t: svm\n", "x86_64", False),
        (UML_CPU, "x86_64", False),
        (ARM_CPU, "aarch64", True),
    ],
)
def test_the_processor_must_have_the_extension(cpuinfo: str, machine: str, wanted: bool) -> None:
    assert provision.cpu_virtualises(cpuinfo, machine) is wanted


def test_module_names_are_those_of_modprobe() -> None:
    dep = "kernel/net/8021q/8021q.ko.xz: kernel/net/802/garp.ko.xz\nkernel/fs/nfs/nfsv4.ko:\nkernel/x/a-b.ko.zst:\n\n"
    assert provision.module_names(dep) == {"8021q", "nfsv4", "a_b"}


@pytest.mark.parametrize(
    ("capabilities", "disabled", "wanted"),
    [
        ("000001ffffffffff", "0", True),
        ("000001fffffeffff", "0", False),
        ("000001ffffffffff", "1", False),
        ("000001ffffffffff", "", False),
        ("xyz", "0", False),
    ],
)
def test_a_module_counts_only_where_it_may_be_loaded(capabilities: str, disabled: str, wanted: bool) -> None:
    assert provision.may_load_modules(f"Name:\tx\nCapEff:\t{capabilities}\n", disabled) is wanted


# Network

ROUTES4 = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth1\t00000000\t0202A8C0\t0003\t0\t0\t200\t00000000\t0\t0\t0
eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000080\t0\t0\t0
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""
ZERO = "0" * 32
ROUTES6 = f"""\
{ZERO} 00 {ZERO} 00 {ZERO} ffffffff 00000001 00000000 00200200       lo
{ZERO} 00 {ZERO} 00 fd000000000000000000000000000001 00000400 00000004 00000000 00000003     eth0
fd{ZERO[2:]} 08 {ZERO} 00 {ZERO} 00000100 00000001 00000000 00000001     eth0
"""


@pytest.mark.skipif(struct.pack("=H", 1) != b"\1\0", reason="the recorded text is of a little-endian machine")
def test_the_default_route_with_the_least_metric_is_the_gateway() -> None:
    assert network.default_gateway4(ROUTES4) == "192.0.2.1"
    assert network.default_gateway4(ROUTES4.replace("\t0003", "\t0001")) is True
    assert network.default_gateway4(ROUTES4.replace("\t0003", "\t0203")) is False
    assert network.default_gateway4("") is False


def test_the_ipv6_gateway_is_not_the_route_that_refuses() -> None:
    assert network.default_gateway6(ROUTES6) == "fd00::1"
    assert network.default_gateway6(ROUTES6.split("\n")[0]) is False
    assert network.default_gateway6("") is False


def test_resolv_conf_is_read_as_its_manual_says() -> None:
    source = (
        "; c\n# c\nnameserver 10.0.0.1\nnameserver ::1\nsearch a b\nsearch c d\noptions ndots:2\noptions edns0\nx\n"
    )
    assert network.parse_resolv(source) == {
        "nameservers": ["10.0.0.1", "::1"],
        "ip4_nameservers": ["10.0.0.1"],
        "ip6_nameservers": ["::1"],
        "domain": "",
        "search": ["c", "d"],
        "sortlist": [],
        "options": ["ndots:2", "edns0"],
    }


def test_addresses_are_told_by_link_and_sorted_by_number() -> None:
    links = [
        Link(1, "lo", "00:00:00:00:00:00", ""),
        Link(7, "br43", "02:00:00:00:00:01", "bridge"),
        Link(9, "tun0", "", "tun"),
    ]
    found = [
        Address(7, "192.168.43.10"),
        Address(7, "192.168.43.9"),
        Address(1, "127.0.0.1"),
        Address(7, "fe80::1"),
        Address(8, "10.0.0.1"),
    ]
    assert network.interfaces_of(links, found) == {
        "ip_interfaces": {"lo": ["127.0.0.1"], "br43": ["192.168.43.10", "192.168.43.9", "fe80::1"], "tun0": []},
        "ip4_interfaces": {"lo": ["127.0.0.1"], "br43": ["192.168.43.10", "192.168.43.9"], "tun0": []},
        "ip6_interfaces": {"lo": [], "br43": ["fe80::1"], "tun0": []},
        "ipv4": ["127.0.0.1", "192.168.43.9", "192.168.43.10"],
        "ipv6": ["fe80::1"],
        "hwaddr_interfaces": {"lo": "00:00:00:00:00:00", "br43": "02:00:00:00:00:01"},
        "bridges": ["br43"],
    }


# Netlink


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", len(value) + 4, kind) + value + bytes(-len(value) % 4)


def test_a_link_message_is_read() -> None:
    head = struct.pack("=BxHiII", 0, 1, 7, 0x1003, 0)
    info = attribute(1, b"bridge\0") + attribute(2, b"...")
    body = head + attribute(3, b"br43\0") + attribute(1, bytes([2, 0, 0, 0, 0, 0xAB])) + attribute(18 | 0x8000, info)
    assert addresses.parse_link(body) == Link(7, "br43", "02:00:00:00:00:ab", "bridge")
    assert addresses.parse_link(head) is None
    assert addresses.parse_link(b"") is None


def test_the_local_end_of_a_point_to_point_link_is_the_address() -> None:
    head = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, 7)
    peer, local = attribute(1, bytes([10, 0, 0, 2])), attribute(2, bytes([10, 0, 0, 1]))
    assert addresses.parse_address(head + peer + local) == Address(7, "10.0.0.1")
    assert addresses.parse_address(head + peer) == Address(7, "10.0.0.2")
    assert addresses.parse_address(head + attribute(1, bytes(16))) is None
    assert addresses.parse_address(head) is None
    assert addresses.parse_address(b"\2") is None


@given(st.binary(max_size=200))
def test_no_bytes_make_the_netlink_parsers_fail(data: bytes) -> None:
    addresses.parse_link(data)
    addresses.parse_address(data)
    assert sum(len(body) for _, _, body in addresses.parse_messages(data)) <= len(data)
    assert sum(len(value) for _, value in addresses.parse_attributes(data)) <= len(data)


_line = st.text(alphabet="abc :=\t\"'\\#/.\n0123456789", max_size=80)


@given(_line)
def test_no_text_makes_the_parsers_of_files_fail(text: str) -> None:
    system.distribution_of(read.pairs(text), text)
    identity.host_names(text, text)
    hardware.parse_cpuinfo(text)
    hardware.parse_meminfo(text)
    network.parse_resolv(text)
    provision.module_names(text)
    provision.may_load_modules(text, "0")
    assert classify(Signs(cpuinfo=text, vendor=text, clocksources=text))[0]


def test_bytes_that_are_no_text_become_replacement_characters(tmp_path: Any) -> None:
    (tmp_path / "f").write_bytes(b"a\xff\nb")
    assert read.text(str(tmp_path / "f")) == "a\ufffd\nb"
    assert read.line(str(tmp_path / "f")) == "a\ufffd"
    assert read.text(str(tmp_path / "missing")) == ""
    assert read.listing(str(tmp_path / "missing")) == []
    assert read.link(str(tmp_path / "f")) == ""
    assert read.plain("a\udcff") == "a\ufffd"
