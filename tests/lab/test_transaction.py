"""The network transaction on whole hosts: with systemd, VLANs and bonds, and over a power cut."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.lab.cluster import Cluster
from tests.lab.host import Host
from tests.patience import patient

CALL = str(Path(sys.executable).with_name("saltern-call").absolute())
FOLDER = "/var/lib/saltern/minion/network"
LIMIT_S = 20
KEPT = "/etc/saltern/network.d"


@pytest.fixture(scope="module")
def host(cluster: Cluster) -> Iterator[Host]:
    """on-node1, whose transactions are taken back after LIMIT_S."""
    node = cluster.lab["on-node1"]
    node.write("/etc/saltern/minion.d/transaction.conf", f"network_confirm_s: {LIMIT_S}\n")
    node.run(["systemctl", "restart", "saltern-minion"])
    cluster.wait_up("on-node1")
    yield node
    node.run(["rm", "-f", "/etc/saltern/minion.d/transaction.conf"])
    node.run(["systemctl", "restart", "saltern-minion"])
    cluster.wait_up("on-node1")


def apply(cluster: Cluster, states: Mapping[str, Any], *words: str) -> dict[str, dict[str, Any]]:
    """Run STATES on on-node1: the results by id."""
    cluster.write_sls("transaction", json.dumps(states))
    found = cluster.returns(["saltern", "on-node1", "state.apply", "transaction", *words])["on-node1"]
    assert isinstance(found, dict), found
    return {result["__id__"]: dict(result) for result in found.values()}


def call(cluster: Cluster, function: str) -> Any:
    """What FUNCTION returns on on-node1."""
    found = cluster.returns(["saltern", "on-node1", function])["on-node1"]
    assert isinstance(found, dict), found
    return found


def until(what: str, true: Callable[[], bool], timeout_s: float = 60.0) -> None:
    """Wait until TRUE holds."""
    deadline = time.monotonic() + patient(timeout_s)
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


def journal(host: Host) -> list[dict[str, Any]]:
    """The events of the last transaction."""
    return [json.loads(line) for line in host.read(f"{FOLDER}/journal").splitlines()]


def kept(host: Host) -> set[str]:
    """The names of what the host keeps for its next boot."""
    return set(host.run(["ls", KEPT], check=False).stdout.split())


def shape(host: Host) -> list[tuple[str, ...]]:
    """The host's links, addresses and routes, without counters and indexes, and without the taps of guests, which may
    be starting."""
    shown: list[tuple[str, ...]] = []
    for entry in json.loads(host.run(["ip", "-d", "-j", "link"]).stdout):
        info = entry.get("linkinfo", {})
        data = {key: info.get("info_data", {}).get(key) for key in ("id", "protocol", "mode", "miimon", "stp_state")}
        master = entry.get("master")
        shown.append(
            (entry["ifname"], str(master), str(entry["mtu"]), entry["address"], str(data), str("UP" in entry["flags"]))
        )
    for entry in json.loads(host.run(["ip", "-j", "addr"]).stdout):
        shown += [
            (entry["ifname"], f"{one['local']}/{one['prefixlen']}")
            for one in entry["addr_info"]
            if one["scope"] != "link"
        ]
    shown += [tuple(line.split()) for line in host.run(["ip", "route"]).stdout.splitlines()]
    for entry in json.loads(host.run(["bridge", "-j", "vlan"]).stdout):
        shown += [(entry["ifname"], str(one)) for one in entry["vlans"]]
    return sorted(one for one in shown if not one[0].startswith(("vnet", "veth")))


VLAN = {
    "eno1.77": {
        "vlan.present": [{"parent": "eno1"}, {"id": 77}, {"addresses": ["10.77.0.1/24"]}, {"persist": "saltern"}]
    }
}


def test_a_vlan_on_the_management_link_is_kept_and_its_guard_is_a_unit_of_its_own(cluster: Cluster, host: Host) -> None:
    before = kept(host)
    preview = apply(cluster, VLAN, "test=True")["eno1.77"]
    assert "Touches the management path (eno1)" in preview["comment"]
    result = apply(cluster, VLAN)["eno1.77"]
    assert "Committed: the master confirmed it" in result["comment"], result
    (guarded,) = [event for event in journal(host) if event["event"] == "guarded"]
    assert guarded["how"] == "saltern-guard.service"
    assert host.run(["systemctl", "is-enabled", "saltern-guard"]).stdout == "enabled\n"
    assert host.run(["systemctl", "show", "-P", "Result", "saltern-guard"]).stdout == "success\n"
    again = apply(cluster, VLAN)["eno1.77"]
    assert (again["result"], again["changes"]) == (True, {})
    apply(cluster, {"eno1.77": {"vlan.absent": []}})
    assert kept(host) == before


def test_a_host_that_would_be_cut_off_answers_again_in_time(cluster: Cluster, host: Host) -> None:
    before, files = shape(host), kept(host)
    (address,) = [words[1] for words in before if words[0] == "eno1" and len(words) == 2 and words[1].count(".") == 3]
    began = time.monotonic()
    wrong = {"addresses": [address], "parent": "eno1", "id": 78, "persist": "saltern"}  # the switch knows no VLAN 78
    result = apply(cluster, {"eno1.78": {"vlan.present": [{key: value} for key, value in wrong.items()]}})["eno1.78"]
    assert time.monotonic() - began < patient(60)
    assert result["result"] is False
    assert "Rolled back" in result["comment"]
    assert (shape(host), kept(host)) == (before, files)


def test_a_guard_outlives_the_whole_service_of_the_minion(cluster: Cluster, host: Host) -> None:
    before = shape(host)
    apply(cluster, VLAN, "confirm=12")
    host.run(["systemctl", "kill", "--signal=KILL", "saltern-minion"])
    host.run(["systemctl", "kill", "--signal=KILL", "saltern-guard"])
    until("the change is taken back", lambda: host.run(["ls", f"{FOLDER}/pending"], check=False).returncode != 0)
    assert shape(host) == before
    cluster.wait_up("on-node1")
    assert call(cluster, "network.last")["why"] == "nobody confirmed it (network.confirm) within 12 s"


def test_after_a_power_cut_the_files_are_back_before_networking(cluster: Cluster, host: Host) -> None:
    before = kept(host)
    apply(cluster, VLAN, "confirm=300")
    assert kept(host) > before
    host.kill()
    host.start()
    host.wait_booted()
    cluster.wait_up("on-node1")
    assert kept(host) == before
    assert host.run(["ip", "link", "show", "eno1.77"], check=False).returncode != 0
    last = call(cluster, "network.last")
    assert (last["outcome"], last["by"], last["remains"]) == ("rolled back", "boot", [])


def test_bonds_vlans_and_vlan_filters_come_back_as_they_were(host: Host) -> None:
    setup = """
link add m0 type veth peer name far0
link add m1 type veth peer name far1
link set far0 up
link set far1 up
link add bond7 type bond mode active-backup miimon 100
link set m0 master bond7
link set m1 master bond7
link set bond7 type bond primary m1
link set bond7 up
link add bond7.9 link bond7 type vlan id 9
link add br7 type bridge stp_state 0 forward_delay 0 vlan_filtering 1
link set bond7.9 master br7
link set bond7.9 up
link set br7 up
addr add 10.70.0.1/24 dev br7
route add 10.71.0.0/16 via 10.70.0.2
"""
    host.run(["ip", "-batch", "-"], stdin=setup)
    host.run(["bridge", "vlan", "add", "vid", "20-22", "dev", "bond7.9"])
    host.run(["bridge", "vlan", "add", "vid", "20", "dev", "br7", "self"])
    before = shape(host)
    states = {
        "br7": {"bridge.absent": []},
        "bond7.9": {"vlan.absent": [{"require": [{"bridge": "br7"}]}]},
        "bond7": {"bond.absent": [{"require": [{"vlan": "bond7.9"}]}]},
    }
    host.write("/srv/saltern/states/gone.sls", json.dumps(states))
    try:
        said = host.run([CALL, "--local", "--out", "json", "state.apply", "gone", "confirm=5"], timeout_s=60).stdout
        assert "Not committed yet" in said
        assert "bond7" not in host.run(["ip", "link"]).stdout
        until("the change is taken back", lambda: host.run(["ls", f"{FOLDER}/pending"], check=False).returncode != 0)
        assert shape(host) == before, journal(host)
        assert host.read("/sys/class/net/bond7/bonding/primary") == "m1\n"
    finally:
        for name in ("br7", "bond7", "m0", "m1"):
            host.run(["ip", "link", "delete", name], check=False)
