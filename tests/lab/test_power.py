"""What is known and said of a host whose power is cut, and how the others live with it."""

from __future__ import annotations

import time

from tests.lab.conftest import Platform
from tests.lab.report import changed, failures, runs
from tests.patience import patient

NOTICED_WITHIN_S = 45.0  # three heartbeats of 10 s, and as much again as half of that for a busy machine
AT_ONCE_S = 10.0  # far from the time after which a minion counts as silent
BACK_WITHIN_S = 150.0  # the grace time of an NFS server is 90 s
NO_ANSWER_S = 75.0  # 10 s for a server, 3 s for each other mount of it, and much for a busy machine


def test_a_host_without_power_is_offline_and_the_others_neither_hang_nor_change(platform: Platform) -> None:
    """The host is the filer: the other two have its datastores mounted, and must not wait for them."""
    cluster, filer = platform.cluster, platform.cluster.lab["on-filer1"]
    start = time.monotonic()
    filer.kill()
    sent = cluster.command(["saltern", "*", "test.ping"], timeout_s=NOTICED_WITHIN_S + 5)  # before anyone knows
    assert time.monotonic() < start + patient(NOTICED_WITHIN_S)
    assert sent.returncode == 1
    assert "The connection was lost." in sent.stdout
    assert cluster.up() == {"on-master1", "on-node1"}

    start = time.monotonic()
    told = cluster.command(["saltern", "*", "test.ping"])
    assert told.returncode == 1
    assert "Minion is offline" in told.stdout
    assert time.monotonic() < start + patient(AT_ONCE_S)

    start = time.monotonic()
    found = cluster.returns(["saltern", "on-master1,on-node1", "-L", "state.apply", "test=True"])
    waits = {"disk.present", "virt.running", "datastore.present"}  # nothing can be said of them without the filer
    assert {function for _, function, _ in changed(found)} <= waits
    said = [
        line for line in failures(found) if "is its server away?" in line
    ]  # four mounts; what needs them goes with them
    others = [line for line in failures(found) if line not in said]
    assert len(said) == 4, said
    assert [line for line in others if "answer" not in line and "requisite failed" not in line] == []
    assert time.monotonic() < start + patient(NO_ANSWER_S)

    filer.start()
    filer.wait_booted()
    cluster.wait_up("on-filer1")
    deadline = time.monotonic() + patient(BACK_WITHIN_S)
    while failures(found := cluster.returns(["saltern", "*", "state.apply"])) and time.monotonic() < deadline:
        time.sleep(2)  # clients of NFS come back to their server by and by
    assert [run.failed for run in runs(found)] == [0, 0, 0], failures(found)
    assert {minion for minion, _, _ in changed(found)} <= {"on-filer1"}  # what of its network is not kept on its disk
    node = cluster.lab["on-node1"]
    assert node.run(["stat", "--format=%u", "/var/lib/one/datastores/100"], timeout_s=60).stdout == "9869\n"
