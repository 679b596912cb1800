"""States of services on a host whose first process is systemd, with units that a state made itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.lab.cluster import Cluster
from tests.lab.host import Host

UNIT = "/etc/systemd/system/demo.service"
SLS = """\
{unit}:
  file.managed:
    - contents: |
        [Service]
        ExecStart={command}
        [Install]
        WantedBy=multi-user.target

demo:
  service.{state}:
    - enable: {enable}
    - {requisite}:
      - file: {unit}
"""


@pytest.fixture
def host(cluster: Cluster) -> Iterator[Host]:
    """A host without the unit demo.service."""
    node = cluster.lab["on-node1"]
    yield node
    node.run(["systemctl", "disable", "--now", "demo"], check=False)
    node.run(["systemctl", "reset-failed", "demo"], check=False)
    node.run(["rm", "-f", UNIT])
    node.run(["systemctl", "daemon-reload"])


def apply(
    cluster: Cluster,
    command: str = "/bin/sleep infinity",
    *,
    state: str = "running",
    enable: bool = True,
    requisite: str = "watch",
    test: bool = False,
) -> Mapping[str, Any]:
    """The result of the service state, with a unit that runs COMMAND."""
    text = SLS.format(unit=UNIT, command=command, state=state, enable=enable, requisite=requisite)
    cluster.write_sls("demo", text)
    words = ["test=True"] if test else []
    found = cluster.returns(["saltern", "on-node1", "state.apply", "demo", *words])["on-node1"]
    result: Mapping[str, Any] = found[f"service_|-demo_|-demo_|-{state}"]
    return result


def prop(host: Host, name: str) -> str:
    """The property NAME of the unit."""
    return host.run(["systemctl", "show", "--property", name, "--value", "demo"]).stdout.strip()


def test_a_unit_made_in_the_same_run_is_started_and_enabled_and_then_left_alone(cluster: Cluster, host: Host) -> None:
    preview = apply(cluster, test=True)
    assert preview["result"] is None
    assert "unknown" in preview["comment"].lower()  # never guessed: the unit is not there yet
    assert prop(host, "LoadState") == "not-found"

    first = apply(cluster)
    assert first["result"] is True
    assert (prop(host, "ActiveState"), prop(host, "UnitFileState")) == ("active", "enabled")

    pid = prop(host, "MainPID")
    again = apply(cluster)
    assert (again["result"], again["changes"]) == (True, {})
    assert prop(host, "MainPID") == pid


def test_a_changed_unit_file_restarts_the_service_with_the_new_command(cluster: Cluster, host: Host) -> None:
    apply(cluster)
    pid = prop(host, "MainPID")
    preview = apply(cluster, "/bin/sleep 4242", test=True)
    assert preview["result"] is None
    assert "restart demo.service" in preview["comment"]
    assert prop(host, "MainPID") == pid

    result = apply(cluster, "/bin/sleep 4242")
    assert result["result"] is True
    assert "restart demo.service" in result["comment"]
    new = prop(host, "MainPID")
    assert new != pid
    assert host.read(f"/proc/{new}/cmdline") == "/bin/sleep\x004242\x00"


def test_a_service_that_was_stopped_or_disabled_by_hand_is_mended(cluster: Cluster, host: Host) -> None:
    apply(cluster)
    host.run(["systemctl", "stop", "demo"])
    assert apply(cluster)["changes"] == {"running": {"old": False, "new": True}}
    host.run(["systemctl", "disable", "demo"])
    assert apply(cluster)["changes"] == {"enabled": {"old": False, "new": True}}
    assert prop(host, "UnitFileState") == "enabled"


def test_a_service_that_is_to_be_dead_is_stopped_and_disabled(cluster: Cluster, host: Host) -> None:
    apply(cluster)
    result = apply(cluster, state="dead", enable=False)
    assert result["changes"] == {"running": {"old": True, "new": False}, "enabled": {"old": True, "new": False}}
    assert (prop(host, "ActiveState"), prop(host, "UnitFileState")) == ("inactive", "disabled")
    assert apply(cluster, state="dead", enable=False)["changes"] == {}


def test_a_service_that_does_not_stay_up_is_a_failure_with_its_journal(cluster: Cluster, host: Host) -> None:
    result = apply(cluster, "/bin/sh -c 'sleep 0.2; echo the cupboard is bare; exit 3'")
    assert result["result"] is False
    assert "the cupboard is bare" in result["comment"]
    assert "status=3" in result["comment"]


def test_a_restart_that_failed_is_due_again_on_the_next_run(cluster: Cluster, host: Host) -> None:
    apply(cluster)
    broken = apply(cluster, "/bin/false")
    assert broken["result"] is False
    assert "due again" in broken["comment"]
    host.run(["systemctl", "reset-failed", "demo"], check=False)
    assert apply(cluster, "/bin/false")["result"] is False  # nothing changed now, and yet it is not well
    assert apply(cluster)["result"] is True
    assert prop(host, "ActiveState") == "active"


def test_a_unit_file_that_systemd_refused_is_read_anew_once_it_is_mended(cluster: Cluster, host: Host) -> None:
    result = apply(cluster, "bin/sleep infinity")
    assert result["result"] is False
    assert prop(host, "LoadState") == "bad-setting"
    assert apply(cluster)["result"] is True
    assert prop(host, "ActiveState") == "active"
