"""Datastores on a real filer: guarded, mounted on use, and told to be away when the filer is."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.lab.cluster import Cluster
from tests.lab.conftest import Platform
from tests.lab.host import Host
from tests.lab.report import changed, failures, mounts, runs, steps
from tests.patience import patient

STORE = "/var/lib/one/datastores/102"
OWN = "/srv/mine"
AWAY_S = 60.0  # for a run whose filer is away: one question of 10 s, and much for a busy machine
SLS = """\
{own}:
  mount.mounted:
    - device: on-filer1:/files
    - fstype: nfs4
    - automount: {automount}
    - idle_timeout: 300

'102':
  datastore.present:
    - kind: file
    - path: {store}
    - mount: on-filer1:/files
    - user: oneadmin

/srv/after:
  file.managed:
    - contents: the run goes on
"""


@pytest.fixture(name="stores")
def _stores(platform: Platform) -> Iterator[Cluster]:
    """The platform; what the tests declare beside it is taken away afterwards."""
    made = platform.cluster
    yield made
    made.write_sls(
        "stores",
        f"{OWN}:\n  mount.unmounted:\n    - persist: True\n'102':\n  datastore.absent: []\n"
        "/srv/after:\n  file.absent: []\n",
    )
    assert failures(made.returns(["saltern", "on-node1", "state.apply", "stores"])) == []
    assert failures(made.returns(["saltern", "on-node1", "state.apply"])) == []  # 102 is the platform's datastore too


def apply(cluster: Cluster, *words: str, automount: bool = True) -> Mapping[str, Any]:
    """What the node returns to the states of this file."""
    cluster.write_sls("stores", SLS.format(own=OWN, store=STORE, automount=automount))
    return cluster.returns(["saltern", "on-node1", "state.apply", "stores", *words])


def shown(node: Host) -> dict[str, tuple[str, str]]:
    """What is mounted of the filer, by mount point."""
    return {target: (device, kind) for target, device, kind in mounts(node.read("/proc/self/mountinfo"))}


def test_the_disk_below_a_datastore_that_is_away_takes_no_file(platform: Platform) -> None:
    node = platform.cluster.lab["on-node1"]
    node.run(["umount", STORE])
    assert "Operation not permitted" in node.run(["touch", f"{STORE}/x"], check=False).stderr
    found = platform.cluster.returns(["saltern", "on-node1", "state.apply"])
    assert changed(found) == {("on-node1", "mount.mounted", STORE)}


def test_a_mount_on_use_is_one_and_stays_one(stores: Cluster) -> None:
    node = stores.lab["on-node1"]
    assert failures(apply(stores)) == []
    assert shown(node)[OWN] == ("on-filer1:/files", "NFS 4.2")
    again = apply(stores)
    assert (steps(again)["on-node1"], failures(again)) == ([], [])
    node.run(["umount", OWN])
    assert OWN not in shown(node)
    assert changed(apply(stores)) == set()  # to look at it mounts it
    node.run(["umount", OWN])
    node.run(["ls", OWN])
    assert OWN in shown(node)
    node.run(["systemctl", "stop", "srv-mine.automount"])
    assert changed(apply(stores)) == {("on-node1", "mount.mounted", OWN)}
    assert node.run(["systemctl", "is-active", "srv-mine.automount"]).stdout == "active\n"
    assert changed(apply(stores, automount=False)) == {("on-node1", "mount.mounted", OWN)}
    assert node.run(["systemctl", "is-active", "srv-mine.automount"], check=False).stdout == "inactive\n"
    assert changed(apply(stores, automount=False)) == set()


def test_a_filer_that_is_switched_off_is_told_in_bounded_time_and_the_run_goes_on(stores: Cluster) -> None:
    node, filer = stores.lab["on-node1"], stores.lab["on-filer1"]
    assert failures(apply(stores, automount=False)) == []
    deadline = time.monotonic() + patient(AWAY_S)
    while "size" not in (capacity := stores.returns(["saltern", "on-node1", "datastore.list"])["on-node1"]["102"]):
        assert time.monotonic() < deadline, capacity
    assert capacity["kind"] == "file"
    assert capacity["size"] > capacity["free"] > 0
    filer.write("/etc/nfs.conf.d/lab.conf", "[nfsd]\ngrace-time=10\nlease-time=10\n")
    filer.run(["sync"])
    filer.kill()
    node.run(["rm", "/srv/after"])
    start = time.monotonic()
    found = apply(stores, automount=False)
    assert time.monotonic() - start < patient(AWAY_S)
    assert changed(found) == {("on-node1", "file.managed", "/srv/after")}
    said = failures(found)
    assert len(said) == 2
    assert f"on-filer1:/files is mounted at {OWN}, but it did not answer" in said[0]
    assert f"{STORE}: it did not answer" in said[1]
    capacity = stores.returns(["saltern", "on-node1", "datastore.list"])["on-node1"]["102"]
    assert "did not answer" in capacity["error"]

    filer.start()
    filer.wait_booted()
    stores.wait_up("on-filer1")
    back = stores.returns(["saltern", "on-filer1", "state.apply"])
    assert [run.failed for run in runs(back)] == [0], failures(back)
    owner = ["runuser", "-u", "oneadmin", "--"]
    node.run([*owner, "touch", f"{STORE}/back"], timeout_s=60)  # the grace period is over
    node.run([*owner, "rm", f"{STORE}/back"])
    found = apply(stores, automount=False)
    assert (changed(found), failures(found)) == (set(), [])
