"""What becomes of jobs and of presence when a minion or a whole host goes away and comes back."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from tests.lab.cluster import Cluster
from tests.lab.lab import HOSTS
from tests.patience import patient


def test_answers_come_from_the_hosts_that_the_target_names(cluster: Cluster) -> None:
    assert cluster.returns(["saltern", "-G", "virtual:uml", "test.ping"]) == dict.fromkeys(HOSTS, True)
    found = cluster.returns(["saltern", "-C", "on-node* or G@role:filer", "grains.item", "os", "role"])
    assert {minion: grains["role"] for minion, grains in found.items()} == {"on-node1": "node", "on-filer1": "filer"}
    assert all(set(grains) == {"os", "role"} for grains in found.values())
    release = cluster.lab["on-node1"].read("/proc/sys/kernel/osrelease").strip()
    found = cluster.returns(["saltern", "-P", "os:(Debian|Ubuntu)", "cmd.run", "uname -r"])
    assert found == dict.fromkeys(HOSTS, release)


def test_a_minion_that_is_killed_comes_back_and_tells_what_became_of_its_job(cluster: Cluster) -> None:
    host = cluster.lab["on-node1"]
    found: dict[str, object] = {}

    def sleep() -> None:
        found.update(vars(cluster.command(["saltern", "on-node1", "test.sleep", "600"], timeout_s=120)))

    job = threading.Thread(target=sleep)
    start = time.monotonic()
    job.start()
    while not cluster.returns(["saltern", "on-node1", "saltutil.running"])["on-node1"]:
        assert time.monotonic() < start + patient(30)
    host.run(["systemctl", "kill", "--kill-whom=main", "--signal=KILL", "saltern-minion"])
    job.join()
    assert found["returncode"] == 1
    assert "was ended while it ran this job; it is not run again" in str(found["stdout"])
    assert time.monotonic() < start + patient(80)  # neither by a timeout nor after the 600 s
    cluster.wait_up("on-node1")
    assert host.run(["systemctl", "show", "-p", "NRestarts", "--value", "saltern-minion"]).stdout.strip() == "1"
    assert cluster.returns(["saltern", "on-node1", "test.ping"]) == {"on-node1": True}


def test_a_return_that_found_no_master_is_handed_over_later(cluster: Cluster) -> None:
    started = cluster.command(["saltern", "--async", "on-node1", "test.sleep", "2"])
    jid = started.stdout.split()[-1]
    deadline = time.monotonic() + patient(60)
    while not cluster.returns(["saltern", "on-node1", "saltutil.running"])["on-node1"]:
        assert time.monotonic() < deadline
    cluster.stop()
    time.sleep(2.5)  # the job ends without a master
    cluster.start()
    cluster.wait_up(*HOSTS)
    deadline = time.monotonic() + patient(60)
    while (found := _ends(cluster, jid)).get("on-node1", {}).get("outcome") != "done":
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    assert found["on-node1"]["return"] is True


def _ends(cluster: Cluster, jid: str) -> Any:
    """How the job JID ended, by minion."""
    return json.loads(cluster.command(["saltern-run", "--out", "json", "jobs.lookup_jid", jid]).stdout)["Result"]
