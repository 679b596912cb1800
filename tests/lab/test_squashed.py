"""Images and disks on a filer that squashes root (exports(5), the default), in directories that are oneadmin's."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.lab.cluster import Cluster
from tests.lab.conftest import Platform
from tests.lab.report import failures, runs, steps
from tests.patience import patient

STORES = "/var/lib/one/datastores"
IMAGE, DISK = f"{STORES}/100/squashed.qcow2", f"{STORES}/101/squashed.qcow2"
M = 1 << 20
CLOSED = ["0600", "oneadmin", "oneadmin"]
MADE = """\
squashed.qcow2:
  image.present:
    - datastore: {stores}/100
    - source: salt://squashed.raw
    - format: raw
    - convert_to: qcow2
    - user: oneadmin
    - group: oneadmin
    - mode: '0600'

disk:
  disk.present:
    - name: squashed.qcow2
    - datastore: {stores}/101
    - image: squashed.qcow2
    - image_datastore: {stores}/100
    - size: {size}M
    - user: oneadmin
    - group: oneadmin
"""
GONE = """\
squashed.qcow2:
  disk.absent:
    - datastore: {stores}/101
image:
  image.absent:
    - name: squashed.qcow2
    - datastore: {stores}/100
"""


@pytest.fixture(name="stores")
def _stores(platform: Platform) -> Iterator[Cluster]:
    """The platform; the disk and the image are taken away afterwards, also where a test stopped half way."""
    made = platform.cluster
    (made.root / "srv/saltern/states/squashed.raw").write_bytes(b"the system" + bytes(2 * M - 10))
    yield made
    made.lab["on-node1"].run(["systemctl", "stop", "holder"], check=False)
    assert failures(apply(made, GONE)) == []


def apply(cluster: Cluster, sls: str, *words: str, size: int = 4) -> Any:
    """What the node returns to SLS."""
    cluster.write_sls("squashed", sls.format(stores=STORES, size=size))
    return cluster.returns(["saltern", "on-node1", "state.apply", "squashed", *words])


def done(found: Any) -> list[str]:
    """The steps of a run in which nothing failed."""
    assert failures(found) == []
    assert [run.failed for run in runs(found)] == [0]
    return steps(found)["on-node1"]


def ask(cluster: Cluster, function: str, path: str) -> Any:
    """What FUNCTION says of PATH on the node."""
    return cluster.returns(["saltern", "on-node1", function, path])["on-node1"]


def test_images_and_disks_are_made_read_and_deleted_as_their_owner(stores: Cluster) -> None:
    node, filer = stores.lab["on-node1"], stores.lab["on-filer1"]
    refused = node.run(["touch", f"{STORES}/101/x"], check=False)
    assert "Permission denied" in refused.stderr  # this is what the test is about

    before = stored(stores)
    assert len(done(apply(stores, MADE))) == 2
    for path in ("/store/one/images/squashed.qcow2", "/store/one/system/squashed.qcow2"):
        assert filer.run(["stat", "-c0%a %U %G", path]).stdout.split() == CLOSED
    assert "Permission denied" in node.run(["cat", DISK], check=False).stderr
    seen = node.run(["runuser", "-u", "oneadmin", "--", "qemu-img", "info", "--output=json", DISK]).stdout
    assert (json.loads(seen)["virtual-size"], json.loads(seen)["backing-filename"]) == (4 * M, IMAGE)
    assert done(apply(stores, MADE)) == []

    hold(stores)
    assert ask(stores, "disk.in_use", DISK) is True
    said = failures(apply(stores, GONE))
    assert f"{DISK} is not deleted: it is in use" in "\n".join(said)
    assert f"disks stand on it: {DISK}" in "\n".join(said)
    node.run(["systemctl", "stop", "holder"])
    assert ask(stores, "disk.in_use", DISK) is False

    grown = apply(stores, MADE, size=8)
    assert done(grown) == [f"grow disk {DISK} from 4 MiB to 8 MiB"]
    assert done(apply(stores, MADE, size=8)) == []
    node.run(["runuser", "-u", "oneadmin", "--", "chmod", "0640", DISK])
    assert done(apply(stores, MADE, size=8)) == [f"set mode 0600 of {DISK}"]

    assert done(apply(stores, GONE)) == [f"delete disk {DISK}", f"delete image {IMAGE}"]
    assert stored(stores) == before


def stored(cluster: Cluster) -> set[str]:
    """The names of all that the filer has in its datastores of images and disks."""
    return set(cluster.lab["on-filer1"].run(["ls", "-A", "/store/one/images", "/store/one/system"]).stdout.split())


def hold(cluster: Cluster) -> None:
    """Let a program of QEMU's have the disk open, as oneadmin, as a guest has it."""
    node = cluster.lab["on-node1"]
    program = ["qemu-io", "-f", "qcow2", "-c", "sleep 600000", DISK]
    node.run(["systemd-run", "--collect", "--unit=holder", "--uid=oneadmin", "--gid=oneadmin", *program])
    deadline = time.monotonic() + patient(30)
    while not ask(cluster, "disk.in_use", DISK):
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_what_is_made_there_can_be_nobody_elses(stores: Cluster) -> None:
    before = stored(stores)
    found = apply(stores, MADE.replace("user: oneadmin", "user: root"))
    said = "\n".join(failures(found))
    assert "can't be given to root:oneadmin: its server lets only oneadmin write there" in said
    assert stored(stores) == before
