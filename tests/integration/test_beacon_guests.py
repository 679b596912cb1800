"""Beacons on real guests: of KVM by libvirt's events, of LXC by looking, and drift of a real minion."""

from __future__ import annotations

import json
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from minion.beacons.item import parse
from minion.beacons.process import _made
from modules import lxc
from modules._beacon import kinds as beacon_kinds
from modules._beacon.away import StillAway
from modules._virt import hypervisor
from saltern.marks import permit_acting
from tests.integration import test_lxc
from tests.integration.libvirt_daemon import Libvirtd, available, libvirtd
from tests.integration.system import BIN, System, wait_for
from tests.integration.test_lxc import Lxc, node  # noqa: F401 - a fixture
from tests.patience import WAIT_S

DOMAIN = """\
<domain type='qemu'>
  <name>{name}</name><memory unit='MiB'>32</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
</domain>
"""


def told(beacon: Any, wanted: Callable[[list[Any]], bool], timeout_s: float = WAIT_S) -> list[Any]:
    """What BEACON tells until that is all that is WANTED, by its descriptor alone."""
    seen: list[Any] = []
    deadline = time.monotonic() + timeout_s
    while not wanted(seen):
        assert select.select([beacon], [], [], max(0.0, deadline - time.monotonic()))[0], seen
        seen += beacon.look()
    return seen


@pytest.mark.root
@pytest.mark.skipif(not available, reason="needs root, libvirtd and qemu")
def test_what_becomes_of_a_kvm_guest_is_told(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, qemu_cache: Path
) -> None:
    with libvirtd(tmp_path_factory.mktemp("v"), qemu_cache) as daemon:
        (tmp_path / "etc/saltern").mkdir(parents=True)
        (tmp_path / "etc/saltern/minion").write_text(f"libvirt_uri: {daemon.uri}\n")
        beacon = _made(parse("libvirt", [{"domains": ["web*"]}]), tmp_path, "n1")
        _of_one_guest(daemon, beacon)
        with daemon.open() as connection:
            uuid = connection.defineXML(DOMAIN.format(name="web2")).UUIDString()
        daemon.stop()
        with pytest.raises(StillAway, match="ended the connection; can't reach libvirt"):
            told(beacon, lambda seen: False)
        with pytest.raises(StillAway, match="ended the connection; can't reach libvirt"):
            list(beacon.look())
        with pytest.raises(hypervisor.LibvirtUnavailable, match="can't reach libvirt"):
            beacon_kinds.make("libvirt", {"uri": daemon.uri})
        (daemon.folder / "etc/libvirt/qemu/web2.xml").unlink()  # as good as undefined meanwhile
        daemon.start()
        gone = {"name": "web2", "uuid": uuid, "event": "undefined", "detail": "while libvirt was away"}
        assert list(beacon.look()) == [gone]
        with daemon.open() as connection:
            connection.defineXML(DOMAIN.format(name="web3"))
        assert [one["event"] for one in told(beacon, bool)] == ["defined"]
        beacon.close()


def _of_one_guest(daemon: Libvirtd, beacon: Any) -> None:
    with daemon.open() as connection:
        connection.defineXML(DOMAIN.format(name="other")).undefine()
        domain = connection.defineXML(DOMAIN.format(name="web1"))
        uuid = domain.UUIDString()
        domain.create()
        domain.suspend()
        daemon._kill("qemu/web1.pid")
        wait_for("libvirt sees it", lambda: not domain.isActive())
        domain.undefine()
    seen = told(beacon, lambda seen: any(one["event"] == "undefined" for one in seen))
    assert {(one["name"], one["uuid"]) for one in seen} == {("web1", uuid)}
    events = [(one["event"], one["detail"]) for one in seen if one["event"] not in ("resumed", "shutdown")]
    assert events == [
        ("defined", "added"),
        ("started", "booted"),
        ("suspended", "paused"),
        ("stopped", "failed"),
        ("undefined", "removed"),
    ]


@pytest.mark.root
@test_lxc.pytestmark[1]
def test_containers_that_come_start_restart_and_go_are_told(node: Lxc) -> None:  # noqa: F811
    name = test_lxc.NAME
    beacon = beacon_kinds.make("lxc", {"path": node.path, "containers": ["saltern-*"]})
    assert list(beacon.look()) == []
    node.present(network=[])
    assert list(beacon.look()) == [{"name": name, "old": None, "new": "stopped"}]
    with permit_acting():
        lxc.start(name, node.path)
        assert list(beacon.look()) == [{"name": name, "old": "stopped", "new": "running"}]
        assert list(beacon.look()) == []
        lxc.stop(name, node.path, kill=True)
        lxc.start(name, node.path)
        assert list(beacon.look()) == [{"name": name, "old": "running", "new": "running", "restarted": True}]
        lxc.freeze(name, node.path)
        assert list(beacon.look()) == [{"name": name, "old": "running", "new": "frozen"}]
        lxc.unfreeze(name, node.path)
        lxc.stop(name, node.path, kill=True)
        assert [one["new"] for one in beacon.look()] == ["stopped"]
        lxc.destroy(name, node.path)
    assert list(beacon.look()) == [{"name": name, "old": "stopped", "new": None}]


@contextmanager
def next_event(master: System) -> Iterator[Callable[[], dict[str, Any]]]:
    """In the block somebody follows; the function waits for the first event of the minion's beacons."""
    words = ["state.event", "minion/n1/beacon/*", "count=1"]
    command = [str(BIN / "saltern-run"), "--root", str(master.master.root), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as follower:

        def event() -> dict[str, Any]:
            tag, _, data = follower.communicate(timeout=WAIT_S)[0].partition("\t")
            assert tag == "minion/n1/beacon/drift"
            found: dict[str, Any] = json.loads(data)["data"]
            return found

        try:
            wait_for("somebody follows", lambda: master.runner("event.followers"))
            yield event
        finally:
            follower.kill()
    wait_for("nobody follows", lambda: not master.runner("event.followers"))


def test_drift_of_what_was_converged_is_told_once_and_its_end_too(master: System, tmp_path: Path) -> None:
    file = tmp_path / "motd"
    (master.states / "top.sls").write_text("base: {'*': [motd]}")
    text = "as it should be, {{ salt['mine.get']('*', 'no.such') }}"  # the master is asked for a part of it
    (master.states / "motd.sls").write_text(f"{file}:\n  file.managed:\n    - contents: {text}\n")
    (master.pillar / "top.sls").write_text("base: {'*': [beacons]}")
    (master.pillar / "beacons.sls").write_text("beacons:\n  drift:\n    - interval: 2\n")
    minion = master.prepare("n1")
    with (minion.root / "etc/saltern/minion").open("a") as config:
        config.write("master_grace_s: 0.5\n")
    minion.start()
    master.wait_up("n1")
    assert master.publish("n1", "state.apply")["n1"]["success"]
    (master.states / "motd.sls").write_text(f"{file}:\n  file.managed:\n    - contents: not applied yet\n")
    right = file.read_text()
    with next_event(master) as event:
        file.write_text("somebody was here\n")
        found = event()
    assert (found["name"], found["state"], found["sls"], found["differs"]) == (str(file), "file.managed", "motd", True)
    assert file.read_text() == "somebody was here\n", "nothing was changed"
    with next_event(master) as event:
        file.write_text(right)
        found = event()
    assert (found["name"], found["differs"]) == (str(file), False)
    assert master.publish("n1", "beacons.list")["n1"]["return"]["beacons"] == {"drift": [{"interval": 2}]}
    assert minion.process
    master.master.stop(signal.SIGKILL)
    file.write_text("nobody can tell now\n")
    wait_for(
        "why nothing is told is in the log", lambda: "asks the master, and that is away now: mine.get" in minion.log
    )
    master.start()
    master.wait_up("n1")
    wait_for("it is looked at again", lambda: "problem" not in str(master.publish("n1", "beacons.list")))
    assert master.publish("n1", "state.apply")["n1"]["success"]
    assert file.read_text().strip() == "not applied yet"
