"""What the network states converge survives a reboot without the minion, by each way in which a node may keep it.

Four hosts, one for each: systemd-networkd, ifupdown, NetworkManager, and Saltern itself. There is no udev in the lab,
so networkd sees /sys read-only, as in a container: then it takes the links as they are. NetworkManager brings its udev.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab import network_manager
from tests.lab.channel import LabError
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.patience import patient

CALL = Path(sys.executable).with_name("saltern-call").absolute()
UNITS = {"networkd": "systemd-networkd", "ifupdown": "networking", "nm": "NetworkManager", "saltern": "saltern-network"}
NAMES = {"networkd": "systemd-networkd", "ifupdown": "ifupdown", "nm": "NetworkManager", "saltern": "saltern"}
PROFILES = "/etc/NetworkManager/system-connections"
PORTS = "ports: [trunk.9, {wa: {cost: 7}}]"
BOND8 = "bond.present: [{mode: active-backup}, {miimon: 100}, {updelay: 200}, {members: [xa]}, {primary: xa}]"
SETTLED_S = 30.0  # until carriers and addresses are as before, on a busy machine
SLS = """\
eno1:
  link.managed: [{mtu: 1480}, {up: true}, {mac: '02:00:00:00:43:01'}]
eno1.43:
  vlan.present: [{parent: eno1}, {id: 43}]
trunk.9:                                   # an id that its name does not tell
  vlan.present: [{parent: eno1}, {id: 46}, {mtu: 1400}]
xa:
  veth.present: [{peer: xb}]
va:
  veth.present: [{peer: vb}]
wa:
  veth.present: [{peer: wb}]
br43:
  bridge.present:
    - ports: [eno1.43]
    - stp: false
    - forward_delay: 0
    - addresses: [192.168.43.21/24, '2001:db8:43::21/64']
    - gateway: 192.168.43.254
br46:
  bridge.present:
    - ports: [trunk.9, {wa: {cost: 7, isolated: true}}]
    - stp: false
    - forward_delay: 0
    - hello_time: 3
    - max_age: 9
    - ageing_time: 100
    - priority: 4096
    - group_fwd_mask: '0x4000'
    - multicast_snooping: false
br50:                                      # networkd and NetworkManager have no word for a port without VLAN 1
  bridge.present:
    - ports: [{wb: {pvid: 5, tagged: '10-12,20'}}]
    - vlan_filtering: true
    - vlans: {tagged: '7'}
lab0:
  macvlan.present: [{parent: br43}, {mode: private}]
bond7:
  bond.present: [{mode: 802.3ad}, {miimon: 100}, {lacp_rate: fast}, {xmit_hash_policy: layer3+4}, {members: [va]}]
bond8:
  bond.present: [{mode: active-backup}, {miimon: 100}, {updelay: 200}, {members: [xa]}, {primary: xa}]
bond7.44:
  vlan.present: [{parent: bond7}, {id: 44}, {protocol: 802.1ad}, {addresses: [10.44.0.1/24]}]
vx42:
  vxlan.present:
    - id: 42
    - remote: 192.168.43.9
    - local: 192.168.43.21
    - parent: br43
    - mtu: 1400
    - learning: false
    - ttl: 9
192.168.44.22/24:
  address.present: [{interface: lab0}]
10.5.0.0/16:
  route.present: [{gateway: 192.168.43.9}]
far:
  route.present: [{destination: 10.6.0.0/16}, {gateway: 192.168.43.9}, {metric: 50}, {table: 100}]
"""


@dataclass(frozen=True, slots=True)
class Rebooted:
    """A host after its reboot, with what it said and was before."""

    manager: str
    host: Host
    first: dict[str, Any]
    again: dict[str, Any]
    graph: dict[str, Any]


@pytest.fixture(scope="module")
def rebooted() -> Iterator[dict[str, Rebooted]]:
    """The hosts, converged and then rebooted, by manager."""
    try:
        lab = Lab([f"on-{manager}" for manager in UNITS])
        try:
            network_manager.install(lab["on-nm"])
        except BaseException:
            lab.remove()
            raise
        with lab:
            with ThreadPoolExecutor(2) as pool:  # hosts that follow one another have different processors
                converging = {one: pool.submit(_converged, lab[f"on-{one}"], one) for one in UNITS}
                before = {manager: one.result() for manager, one in converging.items()}
            for host in lab.hosts.values():
                host.stop()
            for host in lab.hosts.values():
                host.start()
            for host in lab.hosts.values():
                host.wait_booted()
            yield before
    except LabError as error:
        pytest.fail(str(error), pytrace=False)


def _converged(host: Host, manager: str) -> Rebooted:
    host.write("/srv/t/net.sls", sls(manager))
    if manager == "networkd":
        host.write("/etc/systemd/system/systemd-networkd.service.d/lab.conf", "[Service]\nReadOnlyPaths=/sys\n")
    if manager not in ("nm", "saltern"):
        host.run(["systemctl", "enable", UNITS[manager]])
    first, again = applied(host), applied(host)
    return Rebooted(manager, host, first, again, graph(host))


def sls(manager: str) -> str:
    """SLS with addresses of its own for each host, as they share a switch; for NetworkManager without what would have
    Saltern keep more than one of its bridges."""
    number = 21 + list(UNITS).index(manager)
    found = SLS.replace("43:01", f"43:{number}").replace("192.168.43.21", f"192.168.43.{number}")
    found = found.replace("2001:db8:43::21", f"2001:db8:43::{number}")
    return (
        found.replace("forward_delay: 0", "forward_delay: 4").replace(", isolated: true", "")
        if manager == "nm"
        else found
    )


def applied(host: Host, *words: str) -> dict[str, Any]:
    """What `state.apply` returns on HOST."""
    argv = [str(CALL), "--local", "--out", "json", "--file-root", "/srv/t", "state.apply", "net", *words]
    found: dict[str, Any] = json.loads(host.run(argv, check=False, timeout_s=60).stdout)["local"]
    return found


def graph(host: Host) -> dict[str, Any]:
    """`network.topology` of HOST with its routes and the VLANs of ports, without what chance decides: the MAC addresses
    of virtual links and the link-local addresses made of them."""
    argv = [str(CALL), "--local", "--out", "json", "network.topology"]
    found: dict[str, Any] = json.loads(host.run(argv).stdout)["local"]
    for name, link in found["links"].items():
        link["addresses"] = [address for address in link["addresses"] if not address.startswith("fe80")]
        if link["kind"] in ("veth", "macvlan", "vxlan", "bond") or name in ("bond7.44", "br50"):
            del link["mac"]
    routes = json.loads(host.run(["ip", "-4", "-j", "route", "show", "table", "all"]).stdout)
    found["routes"] = sorted(
        (str(route.get("table", "main")), route["dst"], route.get("gateway"), route["dev"], route.get("prefsrc"))
        for route in routes
    )
    vlans = json.loads(host.run(["bridge", "-j", "vlan"]).stdout)
    # a bridge's own VLANs mean nothing while it does not filter; NetworkManager takes them away then
    found["vlans"] = {port["ifname"]: port["vlans"] for port in vlans if port["ifname"] not in ("br43", "br46")}
    return found


@pytest.mark.parametrize("manager", UNITS)
def test_the_manager_that_the_node_uses_keeps_all_and_a_second_run_writes_nothing(
    rebooted: dict[str, Rebooted], manager: str
) -> None:
    one = rebooted[manager]
    assert [result["comment"] for result in one.first.values() if result["result"] is not True] == []
    by = {tag.split("_|-")[1]: result["comment"] for tag, result in one.first.items()}
    kept_by = {name: text.partition("have ")[2].partition(" keep")[0] for name, text in by.items()}
    fallback = "saltern" if manager in ("networkd", "nm") else NAMES[manager]
    assert kept_by == {name: fallback if name == "br50" else NAMES[manager] for name in by}
    assert {tag: result["changes"] for tag, result in one.again.items() if result["changes"]} == {}
    assert all(NAMES[manager] in result["comment"] for tag, result in one.again.items() if "br50" not in tag)


@pytest.mark.parametrize("manager", UNITS)
def test_a_node_that_was_rebooted_without_the_minion_has_the_same_network(
    rebooted: dict[str, Rebooted], manager: str
) -> None:
    one = rebooted[manager]
    assert one.host.run(["systemctl", "is-active", "saltern-minion"], check=False).stdout == "inactive\n"
    deadline = time.monotonic() + patient(SETTLED_S)
    while (now := graph(one.host)) != one.graph and time.monotonic() < deadline:
        time.sleep(0.5)
    assert now["links"] == one.graph["links"]
    assert now == one.graph
    preview = applied(one.host, "test=True")
    assert {tag: result["comment"] for tag, result in preview.items() if result["result"] is not True} == {}


def test_every_profile_of_networkmanager_is_in_force_after_the_reboot(rebooted: dict[str, Rebooted]) -> None:
    host = rebooted["nm"].host
    files = host.run(["find", PROFILES, "-type", "f", "-perm", "0600", "-printf", "%f\n"]).stdout.splitlines()
    wished = {file.removesuffix(".nmconnection") for file in files}
    assert {"saltern-eno1", "saltern-br43", "saltern-xb", "saltern-vx42"} <= wished
    deadline = time.monotonic() + patient(SETTLED_S)
    while wished - (active := _active(host)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert wished - active == set()


def _active(host: Host) -> set[str]:
    said = host.run(["nmcli", "-t", "-f", "NAME,STATE", "connection", "show", "--active"]).stdout
    return {line.removesuffix(":activated") for line in said.splitlines() if line.endswith(":activated")}


def test_networkmanager_does_not_put_back_what_a_state_took_away(rebooted: dict[str, Rebooted]) -> None:
    host, text = rebooted["nm"].host, sls("nm")
    assert (PORTS in text, BOND8 in text) == (True, True)
    host.write("/srv/t/net.sls", text.replace(PORTS, "ports: [{wa: {cost: 7}}]").replace(BOND8, "bond.absent: []"))
    before = {name: _activation(host, name) for name in ("trunk.9", "xa")}  # free now, so it has them to itself
    assert {tag: one["comment"] for tag, one in applied(host).items() if one["result"] is not True} == {}
    deadline = time.monotonic() + patient(SETTLED_S)
    while time.monotonic() < deadline:
        if all(_activation(host, name) not in ("", was) for name, was in before.items()):
            break
        time.sleep(0.5)
    preview = applied(host, "test=True")
    assert {tag: one["comment"] for tag, one in preview.items() if one["result"] is not True} == {}


def _activation(host: Host, name: str) -> str:
    """Which time it is that NetworkManager has brought up the interface NAME; nothing while it has not."""
    argv = ["nmcli", "-g", "GENERAL.STATE,GENERAL.CON-PATH", "device", "show", name]
    state, _, path = host.run(argv, check=False).stdout.partition("\n")
    return path.strip() if state.startswith("100 ") else ""
