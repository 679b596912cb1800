"""The guests of the platform: reached with the declared key across their VLANs, which stay apart."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.lab import article
from tests.lab.article import CONTAINER_ADDRESS, GUEST, GUEST_ADDRESS, GUEST_MAC, KEY
from tests.lab.conftest import Platform
from tests.lab.host import Host


@pytest.fixture(scope="module")
def workstation(platform: Platform) -> Iterator[Host]:
    """on-master1 as a workstation in VLAN 46, with the key."""
    assert platform.cluster.key is not None
    platform.cluster.lab["on-filer1"].put(platform.cluster.key, KEY, mode=0o600)
    with article.workstation(platform.cluster.lab["on-master1"], platform.cluster.key) as host:
        yield host


def test_the_virtual_machine_has_an_address_of_the_range_and_lets_the_key_in(workstation: Host) -> None:
    assert article.log_in(workstation, GUEST_ADDRESS, "hostname").strip() == GUEST
    assert workstation.run(["ping", "-c", "1", "-W", "5", GUEST_ADDRESS]).returncode == 0
    seen = article.log_in(workstation, GUEST_ADDRESS, "ip -o address show dev eth0; ip route; cat /etc/resolv.conf")
    assert f"inet {GUEST_ADDRESS}/20 " in seen
    assert f"default via {article.GATEWAY}" in seen


def test_the_lease_is_listed_on_the_master(platform: Platform) -> None:
    done = platform.cluster.command(["saltern-run", "vnet.leases", "NetPrivVMs", "--out", "json"])
    assert done.returncode == 0, done.stderr
    assert GUEST_ADDRESS in done.stdout
    assert GUEST in done.stdout


def test_the_container_is_reached_across_the_administration_network_and_has_the_images(platform: Platform) -> None:
    filer = platform.cluster.lab["on-filer1"]
    assert article.log_in(filer, CONTAINER_ADDRESS, f"hostname; ls {article.STORE}/100").split() == [
        article.CONTAINER,
        "debian-11.qcow2",
    ]


def test_frames_of_the_guests_network_never_appear_in_the_other_vlan(platform: Platform, workstation: Host) -> None:
    """What the guest broadcasts is seen on VLAN 46 and, at the same time, not on VLAN 43, where the hosts listen."""
    filer = platform.cluster.lab["on-filer1"]
    listeners = {(workstation, "eno1.46"): True, (filer, "eno1.43"): False, (filer, "eno1"): True}
    for host, link in listeners:
        argv = [
            "systemd-run",
            "--quiet",
            f"--unit=listen-{link}",
            "tcpdump",
            "-nne",
            "-i",
            link,
            "-w",
            f"/run/{link}.pcap",
        ]
        host.run([*argv, "--immediate-mode", "-U", "ether", "src", GUEST_MAC] if link != "eno1" else [*argv, "-U"])
    time.sleep(2)
    article.log_in(workstation, GUEST_ADDRESS, "arping -c 3 -w 5 -U -I eth0 10.1.16.10; ping -c 2 -b 10.1.31.255; true")
    time.sleep(1)
    seen: dict[str, list[str]] = {}
    for host, link in listeners:
        host.run(["systemctl", "stop", f"listen-{link}"])
        seen[link] = host.run(["tcpdump", "-nne", "-r", f"/run/{link}.pcap"]).stdout.splitlines()
    assert seen["eno1.46"], "the guest was not heard in its own VLAN"
    assert seen["eno1.43"] == []
    trunk = [line for line in seen["eno1"] if GUEST_MAC in line.split(">")[0]]
    assert [line for line in trunk if "vlan 46" not in line] == []
