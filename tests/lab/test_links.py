"""What this machine's own kernel lacks: bonds, and 802.1Q on them, on a host of the lab."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.lab.host import Host
from tests.lab.lab import Lab

CALL = Path(sys.executable).with_name("saltern-call").absolute()
BOND: dict[str, Any] = {
    "mode": "802.3ad",
    "miimon": 100,
    "lacp_rate": "fast",
    "xmit_hash_policy": "layer3+4",
    "members": ["m0", "m1"],
    "addresses": ["10.8.0.1/24"],
    "mtu": 1400,
}


@pytest.fixture
def host(lab: Lab) -> Iterator[Host]:
    """A host with two pairs m0-far0 and m1-far1, far ends up, and without a bond."""
    node = lab["on-node1"]
    for number in (0, 1):
        node.run(["ip", "link", "add", f"m{number}", "type", "veth", "peer", "name", f"far{number}"])
        node.run(["ip", "link", "set", f"far{number}", "up"])
    try:
        yield node
    finally:
        for name in ("bond7", "br7", "m0", "m1"):
            node.run(["ip", "link", "delete", name], check=False)


def single(host: Host, state: str, name: str, arguments: dict[str, Any], *more: str) -> dict[str, Any]:
    """What the state returns on HOST."""
    words = [f"{key}={json.dumps(value)}" for key, value in arguments.items()]
    ran = host.run([str(CALL), "--local", "--out", "json", "state.single", state, f"name={name}", *words, *more])
    (result,) = json.loads(ran.stdout)["local"].values()
    assert isinstance(result, dict)
    return result


def converged(host: Host, state: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Apply the state, then again: it changes something, then nothing. The first result."""
    first = single(host, state, name, arguments)
    assert first["result"] is True, first
    assert first["changes"], first
    again = single(host, state, name, arguments)
    assert (again["result"], again["changes"]) == (True, {}), again
    return first


def shown(host: Host, name: str) -> dict[str, Any]:
    entry: dict[str, Any] = json.loads(host.run(["ip", "-j", "-d", "addr", "show", "dev", name]).stdout)[0]
    return entry


def bond(host: Host) -> tuple[str, int, str, str]:
    data = shown(host, "bond7")["linkinfo"]["info_data"]
    return data["mode"], data["miimon"], data["ad_lacp_rate"], data["xmit_hash_policy"]


def members(host: Host) -> set[str]:
    entries = json.loads(host.run(["ip", "-j", "link", "show", "master", "bond7"]).stdout)
    return {entry["ifname"] for entry in entries if "UP" in entry["flags"]}


def links(host: Host) -> list[tuple[str, int, bool]]:
    """Name, MTU and whether it is up, of each link."""
    entries = json.loads(host.run(["ip", "-j", "link"]).stdout)
    return [(entry["ifname"], entry["mtu"], "UP" in entry["flags"]) for entry in entries]


def test_a_bond_converges_and_test_mode_touches_nothing(host: Host) -> None:
    before = links(host)
    assert single(host, "bond.present", "bond7", BOND, "test=True")["result"] is None
    assert links(host) == before
    converged(host, "bond.present", "bond7", BOND)
    assert bond(host) == ("802.3ad", 100, "fast", "layer3+4")
    assert members(host) == {"m0", "m1"}
    assert shown(host, "bond7")["mtu"] == shown(host, "m0")["mtu"] == 1400
    assert host.run(["ip", "-br", "link", "show", "type", "bond"]).stdout.count("\n") == 1, (
        "no bond0 of the driver's own"
    )


def test_each_drift_of_a_bond_is_repaired(host: Host) -> None:
    converged(host, "bond.present", "bond7", BOND)
    drifts: Sequence[Sequence[str]] = [
        ["ip", "link", "set", "m1", "nomaster"],
        ["ip", "link", "set", "m0", "down"],
        ["ip", "link", "set", "bond7", "type", "bond", "miimon", "50"],
        ["ip", "link", "set", "bond7", "type", "bond", "xmit_hash_policy", "layer2"],
        ["ip", "addr", "flush", "dev", "bond7"],
        ["ip", "link", "set", "bond7", "mtu", "1300"],
        ["ip", "link", "set", "bond7", "down"],
        ["ip", "link", "delete", "bond7"],
    ]
    for drift in drifts:
        host.run(list(drift))
        converged(host, "bond.present", "bond7", BOND)
        assert (bond(host), members(host)) == (("802.3ad", 100, "fast", "layer3+4"), {"m0", "m1"}), drift


def test_another_mode_keeps_members_addresses_and_routes(host: Host) -> None:
    converged(host, "bond.present", "bond7", BOND)
    host.run(["ip", "route", "add", "10.9.0.0/16", "via", "10.8.0.9"])
    other = BOND | {"mode": "active-backup"}
    del other["lacp_rate"]
    converged(host, "bond.present", "bond7", other)
    assert bond(host)[0] == "active-backup"
    assert members(host) == {"m0", "m1"}
    assert "via 10.8.0.9 dev bond7" in host.run(["ip", "route", "show", "10.9.0.0/16"]).stdout
    converged(host, "bond.present", "bond7", BOND)
    assert bond(host) == ("802.3ad", 100, "fast", "layer3+4")
    assert "via 10.8.0.9 dev bond7" in host.run(["ip", "route", "show", "10.9.0.0/16"]).stdout


def test_the_address_and_routes_of_a_link_move_into_its_bond(host: Host) -> None:
    for words in (["addr", "add", "10.8.0.1/24", "dev", "m0"], ["link", "set", "m0", "up"]):
        host.run(["ip", *words])
    host.run(["ip", "route", "add", "10.9.0.0/16", "via", "10.8.0.9"])
    converged(host, "bond.present", "bond7", {"mode": "active-backup", "members": ["m0"], "addresses": ["10.8.0.1/24"]})
    assert "via 10.8.0.9 dev bond7" in host.run(["ip", "route", "show", "10.9.0.0/16"]).stdout
    assert [entry for entry in shown(host, "m0")["addr_info"] if entry["family"] == "inet"] == []


def test_a_vlan_stands_on_a_bond_and_holds_it(host: Host) -> None:
    converged(host, "bond.present", "bond7", BOND | {"mtu": 1500})
    converged(host, "vlan.present", "bond7.43", {"parent": "bond7", "id": 43})
    graph = json.loads(host.run([str(CALL), "--local", "--out", "json", "network.topology"]).stdout)["local"]["links"]
    assert (graph["bond7"]["kind"], graph["bond7"]["ports"], graph["bond7"]["mode"]) == (
        "bond",
        ["m0", "m1"],
        "802.3ad",
    )
    assert (graph["bond7.43"]["vlan_id"], graph["bond7.43"]["parent"]) == (43, "bond7")
    ran = single_failing(host, "bond.absent", "bond7")
    assert "bond7 can't go while bond7.43 lies on it" in ran["comment"]
    converged(host, "vlan.absent", "bond7.43", {})
    converged(host, "bond.absent", "bond7", {})
    assert host.run(["ip", "link", "show", "bond7"], check=False).returncode == 1


def test_the_topology_tells_the_vlans_of_a_filtering_bridge_and_its_ports(host: Host) -> None:
    ports = [{"m0": {"pvid": 43, "tagged": "10-12"}}]
    converged(host, "bridge.present", "br7", {"vlan_filtering": True, "vlan_default_pvid": 0, "ports": ports})
    graph = json.loads(host.run([str(CALL), "--local", "--out", "json", "network.topology"]).stdout)["local"]["links"]
    assert graph["m0"]["vlans"] == {"pvid": 43, "untagged": "43", "tagged": "10-12"}
    assert "vlans" not in graph["m1"]
    converged(host, "bridge.absent", "br7", {})


def single_failing(host: Host, state: str, name: str) -> dict[str, Any]:
    """What the state returns on HOST, which must have failed."""
    argv = [str(CALL), "--local", "--out", "json", "state.single", state, f"name={name}"]
    ran = host.run(argv, check=False)
    assert ran.returncode == 1
    (result,) = json.loads(ran.stdout)["local"].values()
    assert result["result"] is False
    assert isinstance(result, dict)
    return result
