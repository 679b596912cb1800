"""What the demo counts and shows, on recorded outputs."""

from __future__ import annotations

import json
from typing import Any

from tests.lab.report import Run, changed, exports, failures, links, mounts, paragraph, runs, steps, summary, table

MOUNTINFO = """\
22 1 0:20 / / rw,relatime shared:1 - overlay overlay rw,lowerdir=/
36 23 0:31 / /var/lib/one/datastores/100 rw,relatime shared:20 - nfs4 on-filer1:/images \
rw,vers=4.2,rsize=65536,wsize=65536,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys,addr=192.168.43.252
"""
ETAB = """\
/store/one  192.168.43.0/24(sync,wdelay,hide,no_subtree_check,fsid=0,sec=sys,rw,secure,root_squash,no_all_squash)
/store/one/images  192.168.43.0/24(sync,wdelay,hide,no_subtree_check,sec=sys,rw,secure,root_squash,no_all_squash)
"""


def result(name: str, outcome: bool | None, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    """A state's result in Salt's shape."""
    return {"name": name, "result": outcome, "changes": changes or {}, "comment": f"about {name}", "duration": 250.0}


RETURNS = {
    "on-node1": {
        "bridge_|-br43_|-br43_|-present": result("br43", True),
        "bridge_|-br46_|-br46_|-present": result("br46", True, {"br46": {"old": None, "new": "br46"}}),
        "mount_|-/data_|-/data_|-mounted": result("/data", None),
        "file_|-/x_|-/x_|-managed": result("/x", False),
    }
}


def test_states_are_counted_by_what_became_of_them() -> None:
    assert runs(RETURNS) == [Run(minion="on-node1", states=4, changed=2, failed=1, duration_s=1.0)]


def test_a_return_that_is_no_state_run_counts_as_failed_and_is_shown() -> None:
    returns = {"on-node1": ["top.sls:3: no such state"]}
    assert [run.failed for run in runs(returns)] == [1]
    assert failures(returns) == ["on-node1: ['top.sls:3: no such state']"]
    assert changed(returns) == set()


def test_changed_and_would_change_are_told_with_function_and_name() -> None:
    assert changed(RETURNS) == {("on-node1", "bridge.present", "br46"), ("on-node1", "mount.mounted", "/data")}


def test_failures_carry_the_comment() -> None:
    assert failures(RETURNS) == ["on-node1: /x: about /x"]


def test_columns_are_aligned_and_numbers_stand_right() -> None:
    assert table([("host", "states"), ("a", 7)]) == ["host  states", "a          7"]
    assert summary(runs(RETURNS)) == [
        "host      states  changed  failed  time",
        "on-node1       4        2       1  1.00 s",
    ]
    assert "would change" in summary(runs(RETURNS), test=True)[0]


def test_steps_are_the_bullets_of_the_comments_in_the_order_of_the_run() -> None:
    first = {**result("a", True), "comment": "Done:\n- add a", "__run_num__": 0}
    last = {**result("b", None), "comment": "Would be done:\n- add b\n- bring up b", "__run_num__": 1}
    assert steps({"m": {"x_|-b_|-b_|-present": last, "x_|-a_|-a_|-present": first}, "n": ["error"]}) == {
        "m": ["add a", "add b", "bring up b"],
        "n": [],
    }


def test_a_paragraph_parts_between_sentences() -> None:
    assert paragraph("m", ["add a", "add b", "a sentence that is too long"], indent=3, width=16) == [
        "m  add a; add b;",
        "   a sentence that is too long",
    ]


def test_links_show_bridges_with_their_ports_and_vlans_with_their_parent() -> None:
    addresses = [
        {"ifname": "eno1", "addr_info": [{"family": "inet", "local": "198.51.100.13", "prefixlen": 24}]},
        {
            "ifname": "eno1.43",
            "link": "eno1",
            "master": "br43",
            "linkinfo": {"info_kind": "vlan", "info_data": {"protocol": "802.1Q", "id": 43}},
            "addr_info": [],
        },
        {
            "ifname": "br43",
            "linkinfo": {"info_kind": "bridge"},
            "addr_info": [
                {"family": "inet", "local": "192.168.43.1", "prefixlen": 24},
                {"family": "inet6", "local": "fe80::1", "prefixlen": 64},
            ],
        },
        {"ifname": "br46", "linkinfo": {"info_kind": "bridge"}, "addr_info": []},
    ]
    assert links(json.dumps(addresses)) == [
        ("br43", "bridge of eno1.43", "192.168.43.1/24"),
        ("br46", "bridge of nothing", "-"),
        ("eno1.43", "VLAN 43 of eno1", "-"),
    ]


def test_mounts_are_those_of_nfs_4_with_their_version() -> None:
    assert mounts(MOUNTINFO) == [("/var/lib/one/datastores/100", "on-filer1:/images", "NFS 4.2")]


def test_exports_show_the_options_that_matter() -> None:
    assert exports(ETAB) == [
        ("/store/one", "exported to 192.168.43.0/24", "sync,fsid=0,rw"),
        ("/store/one/images", "exported to 192.168.43.0/24", "sync,rw"),
    ]
