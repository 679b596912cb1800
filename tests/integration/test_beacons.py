"""Beacons of a real minion: what happens on the node is an event on the master, and a broken one stops no other."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from modules._beacon import kinds as beacon_kinds
from tests.integration.kernel import ip, network_namespace
from tests.integration.system import BIN, System, wait_for
from tests.patience import WAIT_S


def test_what_a_beacon_sees_is_an_event_and_a_broken_one_is_named(master: System, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.write_text("")
    (master.pillar / "top.sls").write_text("base: {'*': [beacons]}")
    (master.pillar / "beacons.sls").write_text(
        f"beacons:\n  broken: []\n  diskusage: [{{/no/such/mount: 1%}}]\n"
        f"  inotify:\n    - files: {{{watched}: {{mask: [modify]}}}}\n    - interval: 1\n"
    )
    minion = master.minion("n1")

    def listed() -> dict[str, Any]:
        found: dict[str, Any] = master.publish("n1", "beacons.list")["n1"]["return"]["beacons"]
        return found

    wait_for("the pillar is known and the broken ones are named", lambda: "problem" in str(listed().get("broken")))
    wait_for("what throws is named", lambda: "No such file" in str(listed()["diskusage"]))
    assert "there is no beacon 'broken'" in str(listed()["broken"])
    command = [
        str(BIN / "saltern-run"),
        "--root",
        str(master.master.root),
        "state.event",
        "minion/n1/beacon/*",
        "count=1",
    ]
    follower = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    wait_for("somebody follows", lambda: master.runner("event.followers"))
    wait_for("it is told", lambda: (watched.write_text("x"), follower.poll() is not None)[1])
    tag, _, data = follower.communicate(timeout=WAIT_S)[0].partition("\t")
    assert (tag, json.loads(data)["data"]) == ("minion/n1/beacon/inotify", {"path": str(watched), "change": "modify"})

    assert master.publish("n1", "beacons.delete", "inotify")["n1"]["return"]["result"]
    refused = master.publish("n1", "beacons.add", "lode")["n1"]
    assert (refused["success"], "Did you mean 'load'?" in refused["return"]) == (False, True)
    assert master.publish("n1", "beacons.add", "memusage", [{"percent": 0}])["n1"]["success"]
    assert sorted(listed()) == ["broken", "diskusage", "memusage"]
    wait_for("one process has them", lambda: len(helpers(minion.process.pid if minion.process else 0)) == 1)
    [child] = helpers(minion.process.pid if minion.process else 0)
    os.kill(child, signal.SIGKILL)
    wait_for("the agent sees it", lambda: "ended by itself" in minion.log)
    assert master.publish("n1", "test.ping")["n1"]["return"] is True
    assert master.publish("n1", "beacons.disable")["n1"]["return"]["result"]
    wait_for("there is no process any more", lambda: not helpers(minion.process.pid if minion.process else 0))


def beacon_speaks(beacon: Any) -> bool:
    """Whether BEACON has something to tell, in good time."""
    return bool(select.select([beacon.fileno()], [], [], WAIT_S)[0])


def test_a_link_that_comes_and_goes_wakes_the_beacon() -> None:
    with network_namespace(f"saltern-beacon-{os.getpid()}"):
        beacon = beacon_kinds.make("link", {"interfaces": ["br7"]})
        seen = []
        for words in (["add", "br7", "type", "bridge"], ["set", "br7", "up"], ["del", "br7"]):
            ip("link", *words)
            assert beacon_speaks(beacon)
            seen += [(one["old"], one["new"]) for one in beacon.look()]
        beacon.close()
    assert (seen[0], seen[1][0], seen[-1][1]) == ((None, "down"), "down", None)
    assert {new for _, new in seen[1:-1]} <= {"up", "no carrier"}  # a bridge without ports loses its carrier some time


def test_addresses_and_ports_that_change_wake_the_beacon() -> None:
    with network_namespace(f"saltern-beacon-{os.getpid()}"):
        ip("link", "add", "br7", "type", "bridge")
        ip("link", "add", "port7", "type", "veth", "peer", "name", "far7")
        beacon = beacon_kinds.make("network_settings", {"interfaces": {"br7": ["ipaddr"], "port*": ["master", "mtu"]}})
        seen: list[Any] = []
        for words in (
            ["addr", "add", "10.7.0.1/24", "dev", "br7"],
            ["link", "set", "br7", "mtu", "1400"],
            ["link", "set", "port7", "master", "br7"],
            ["link", "del", "port7"],
        ):
            ip(*words)
            assert beacon_speaks(beacon)
            seen += beacon.look()
        beacon.close()
    changes = [
        (one["interface"], name, change["old"], change["new"]) for one in seen for name, change in one["change"].items()
    ]
    assert changes == [
        ("br7", "ipaddr", [], ["10.7.0.1/24"]),
        ("port7", "master", None, "br7"),
        ("port7", "master", "br7", None),
        ("port7", "mtu", 1500, None),
    ]


def helpers(parent: int) -> list[int]:
    found = []
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        with suppress(FileNotFoundError, ProcessLookupError):
            if b"minion.beacons.process" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(int(child))
    return found
