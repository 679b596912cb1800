"""The example platform: converged from bare by one command, left alone by the next, and mended after each drift."""

from __future__ import annotations

import json
import re
import threading

from tests.lab.cluster import BIN, Cluster
from tests.lab.conftest import Platform
from tests.lab.lab import HOSTS
from tests.lab.report import changed, exports, failures, links, mounts, steps, unknown
from tests.lab.test_lab import reaches

STORE = "/var/lib/one/datastores"


def apply(cluster: Cluster, target: str = "*", *words: str) -> tuple[set[tuple[str, str, str]], dict[str, list[str]]]:
    """What `saltern TARGET state.apply WORDS` changed or would change, and by which steps. No state may fail. In test
    mode it may be unknown until earlier states have run, as of a mount whose server is away until then."""
    found = cluster.returns(["saltern", target, "state.apply", *words], timeout_s=120)
    assert failures(found) == []
    return changed(found) - unknown(found), {minion: done for minion, done in steps(found).items() if done}


def test_one_command_converges_all_hosts_from_bare(platform: Platform) -> None:
    assert set(platform.first) == set(HOSTS)
    assert failures(platform.first) == []
    lab = platform.cluster.lab
    seen = {name: links(host.run(["ip", "-json", "-details", "address"]).stdout) for name, host in lab.hosts.items()}
    assert seen == {
        "on-filer1": [("eno1.43", "VLAN 43 of eno1", "192.168.43.252/24")],
        "on-master1": [
            ("br43", "bridge of a guest, eno1.43", "192.168.43.253/24"),
            ("eno1.43", "VLAN 43 of eno1", "-"),
        ],
        "on-node1": [
            ("br43", "bridge of eno1.43", "192.168.43.1/24"),
            ("br46", "bridge of a guest, eno1.46", "-"),
            ("eno1.43", "VLAN 43 of eno1", "-"),
            ("eno1.46", "VLAN 46 of eno1", "-"),
        ],
    }
    assert mounts(lab["on-master1"].read("/proc/self/mountinfo")) == [
        (f"{STORE}/100", "on-filer1:/images", "NFS 4.2"),
    ]
    assert mounts(lab["on-node1"].read("/proc/self/mountinfo")) == [
        (f"{STORE}/100", "on-filer1:/images", "NFS 4.2"),
        (f"{STORE}/101", "on-filer1:/system", "NFS 4.2"),
        (f"{STORE}/102", "on-filer1:/files", "NFS 4.2"),
    ]
    client = "exported to 192.168.43.0/24"
    assert exports(lab["on-filer1"].run(["exportfs", "-s"]).stdout) == [
        ("/store/one", client, "sync,fsid=0,rw"),
        ("/store/one/files", client, "sync,rw"),
        ("/store/one/images", client, "sync,rw"),
        ("/store/one/system", client, "sync,rw"),
    ]


def test_what_one_host_writes_as_oneadmin_another_reads(platform: Platform) -> None:
    lab = platform.cluster.lab
    lab["on-node1"].run(["runuser", "-u", "oneadmin", "--", "cp", "/etc/hostname", f"{STORE}/100/from"])
    assert lab["on-master1"].read(f"{STORE}/100/from") == "on-node1\n"
    lab["on-node1"].run(["rm", f"{STORE}/100/from"], check=False)
    lab["on-filer1"].run(["rm", "-f", "/store/one/images/from"])
    assert reaches(lab["on-node1"], "192.168.43.253")


def test_a_second_run_changes_nothing(platform: Platform) -> None:
    assert apply(platform.cluster) == (set(), {})


def test_an_orchestration_brings_the_hosts_up_in_their_order(platform: Platform) -> None:
    """Here it finds nothing to do but a bridge that fell away, on the one host that has it."""
    platform.cluster.lab["on-node1"].run(["ip", "link", "delete", "br46"])
    done = platform.cluster.command(["saltern-run", "--out", "json", "state.orchestrate", "orch.platform"])
    found = {result["__id__"]: result for result in json.loads(done.stdout)["master"].values()}
    assert done.returncode == 0, done.stdout
    assert list(found) == ["everybody is here", "filer", "nodes", "front end", "tell who wants to know"]
    assert [bool(found[name]["changes"]) for name in ("filer", "nodes", "front end")] == [False, True, False]
    assert apply(platform.cluster) == (set(), {})


def test_a_second_run_writes_nothing_to_the_kernel_or_to_a_file(platform: Platform) -> None:
    for name, host in platform.cluster.lab.hosts.items():
        done = host.run([str(BIN / "saltern-call"), "state.apply", "-l", "debug", "--out", "quiet"], timeout_s=90)
        counted = re.search(r"the run called (\d+) acting functions(.*)", done.stderr)
        assert counted is not None, f"{name}: {done.stderr}"
        assert counted[1] == "0", f"{name}: {counted[0]}"
        assert "netlink reads" in counted[2]
        assert "writes" not in counted[2], f"{name}: {counted[0]}"


def test_a_mount_waits_for_a_server_that_is_not_there_yet(platform: Platform) -> None:
    """As on bare hosts, which all converge at once."""
    cluster, front = platform.cluster, platform.cluster.lab["on-master1"]
    front.run(["umount", f"{STORE}/100"])
    cluster.lab["on-filer1"].run(["ip", "link", "set", "eno1.43", "down"])
    server = threading.Timer(8, cluster.lab["on-filer1"].run, [["ip", "link", "set", "eno1.43", "up"]])
    server.start()
    try:
        assert apply(cluster, "on-master1", "nfs.datastores")[0] == {("on-master1", "mount.mounted", f"{STORE}/100")}
    finally:
        server.join()
        apply(cluster, "on-filer1", "network")  # the filer's default route went with its link
    assert (f"{STORE}/100", "on-filer1:/images", "NFS 4.2") in mounts(front.read("/proc/self/mountinfo"))


def test_vlan_filtering_is_set_and_seen_on_a_kernel_that_has_it(platform: Platform) -> None:
    node = platform.cluster.lab["on-node1"]
    single = ["saltern", "on-node1", "state.single", "bridge.present", "br9", "vlan_filtering=True"]
    try:
        assert changed(platform.cluster.returns(single)) == {("on-node1", "bridge.present", "br9")}
        assert node.read("/sys/class/net/br9/bridge/vlan_filtering") == "1\n"
        assert changed(platform.cluster.returns(single)) == set()
        node.run(["ip", "link", "set", "br9", "type", "bridge", "vlan_filtering", "0"])
        assert changed(platform.cluster.returns(single)) == {("on-node1", "bridge.present", "br9")}
        assert node.read("/sys/class/net/br9/bridge/vlan_filtering") == "1\n"
    finally:
        gone = ["saltern", "on-node1", "state.single", "bridge.absent", "br9"]  # with what is kept for the next boot
        assert changed(platform.cluster.returns(gone)) == {("on-node1", "bridge.absent", "br9")}
