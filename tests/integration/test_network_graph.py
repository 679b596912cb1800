"""`network.graph` from end to end: states on a master, a minion on this kernel, a picture and a tree."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from modules import network
from modules._virt import guest_taps
from saltern.cli import network as shown
from saltern.wire import messages as m
from tests.integration.kernel import ip, needs_root, network_namespace
from tests.integration.system import BIN, System, accepted_peer
from tests.patience import WAIT_S

SVG = "{http://www.w3.org/2000/svg}"

STATES = """
sltgraph0:
  bridge.present:
    - ports: [sltgraph1]
    - addresses: [10.213.77.1/24]
sltgraph1.43:
  vlan.present:
    - parent: sltgraph1
    - id: 43
"""


def give_states(master: System) -> None:
    (master.states / "top.sls").write_text("base:\n  '*':\n    - net\n")
    (master.states / "net.sls").write_text(STATES)


def test_a_graph_shows_what_is_declared_beside_what_is_real(tmp_path: Path, master: System) -> None:
    give_states(master)
    master.minion("n1")
    master.prepare("n2")  # never started
    found = master.runner("network.graph", "*")
    assert found["n1"]["declared"]["links"]["sltgraph0"] == {
        "kind": "bridge",
        "up": True,
        "ports": ["sltgraph1"],
        "addresses": ["10.213.77.1/24"],
    }
    assert "lo" in found["n1"]["real"]["links"]
    missing = {
        entry["key"] for entry in found["n1"]["differences"] if entry["field"] == "present" and entry["declared"]
    }
    assert {"sltgraph0", "sltgraph1", "sltgraph1.43"} <= missing
    assert "offline" in found["n2"]["error"]
    root, file = master.master.root, tmp_path / "net.svg"
    command = [str(BIN / "saltern-run"), "--root", str(root), "network.graph", "n*"]
    subprocess.run([*command, "--out-file", str(file)], check=True, timeout=WAIT_S)
    names = [element.text for element in ET.parse(file).getroot().iter(f"{SVG}text")]
    assert names.count("sltgraph0") == 2  # on both sides, missing on one
    tree = subprocess.run(command, check=True, timeout=WAIT_S, capture_output=True, text=True).stdout
    assert "sltgraph1.43" in tree
    assert "n2:" in tree
    refused = subprocess.run(
        [str(BIN / "saltern-run"), "--root", str(root), "manage.up", "--out-file", str(file)],
        timeout=WAIT_S,
        capture_output=True,
        text=True,
    )
    assert (refused.returncode, "draws no picture" in refused.stderr) == (2, True)


def test_states_that_do_not_compile_are_told_beside_the_real_network(master: System) -> None:
    (master.states / "top.sls").write_text("base:\n  '*':\n    - nope\n")
    master.minion("n1")
    found = master.runner("network.graph", "n1")["n1"]
    assert "nope" in found["error"]
    assert (found["declared"], "lo" in found["real"]["links"]) == ({}, True)
    events = master.ask(op="runner", function="network.graph", args=["nobody"], kwargs={})
    assert "no minion matches 'nobody'" in events[0]["message"]


EVIL = (
    b'{"links": {"</text><script>alert(1)</script>": {"kind": "bridge", "ports": ["\\u001b[2J", 7, null, {}]},'
    b'"a": {"kind": "vlan", "parent": "b"}, "b": {"kind": "vlan", "parent": "a", "addresses": 5}, "c": 1,'
    b'"\\u0000\\ud83d\\ude00": {"kind": ["x"], "guest": {"name": "\\u202e&<"}}}, "default_routes": [3], "guests": []}'
)


def test_a_hostile_return_is_only_text(master: System) -> None:
    with accepted_peer(master, "evil") as peer:
        import threading

        def answer() -> None:
            for _ in range(2):
                job = peer.expect(m.Job)
                peer.send(m.Return(job.jid, "done", True, 0, EVIL, 0.0))

        thread = threading.Thread(target=answer)
        thread.start()
        found = master.runner("network.graph", "evil")
        thread.join()
    drawn = shown.picture(found)
    tags = {element.tag.removeprefix(SVG) for element in ET.fromstring(drawn).iter()}
    assert tags <= {"svg", "title", "style", "text", "tspan", "rect", "g", "path"}
    assert "<script" not in drawn
    tree = shown.tree(found, colour=False)
    assert "\x1b" not in tree
    assert "\\x1b[2J" in tree


@pytest.mark.root
@pytest.mark.skipif(needs_root, reason="needs root")
def test_the_ends_of_guests_are_known_by_their_guests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with network_namespace(f"saltern-t-graph-{os.getpid()}"):
        ip("link", "add", "br0", "type", "bridge")
        ip("tuntap", "add", "vnet0", "mode", "tap")
        ip("tuntap", "add", "other0", "mode", "tap")
        ip("link", "add", "veth0", "type", "veth", "peer", "name", "eth0")
        container = subprocess.Popen(["unshare", "--net", "sleep", "3600"])
        try:
            wait_for_namespace(container.pid)
            ip("link", "set", "eth0", "netns", str(container.pid))
            for port in ("vnet0", "other0", "veth0"):
                ip("link", "set", port, "master", "br0")
            group = tmp_path / "cgroup/lxc.payload.on-buster/init.scope"
            group.mkdir(parents=True)
            (group.parent / "cgroup.procs").write_text("")
            (group / "cgroup.procs").write_text(f"{container.pid}\n")
            (tmp_path / "cgroup/lxc.payload.gone").mkdir()
            (tmp_path / "cgroup/lxc.payload.gone/cgroup.procs").write_text("999999999\n")
            (tmp_path / "qemu").mkdir()
            (tmp_path / "qemu/on-web.xml").write_text(DOMAIN)
            (tmp_path / "qemu/broken.xml").write_text("<domstatus><domain>")
            pids = guest_taps.containers(tmp_path / "cgroup")
            assert pids == {"on-buster": container.pid, "gone": 999999999}
            taps = guest_taps.machines(tmp_path / "qemu")
            monkeypatch.setattr(guest_taps, "containers", lambda: pids)
            monkeypatch.setattr(guest_taps, "machines", lambda: taps)
            links = network.topology()["links"]
        finally:
            container.kill()
            container.wait()
    assert links["veth0"]["guest"] == {"name": "on-buster", "kind": "lxc"}
    assert links["vnet0"]["guest"] == {"name": "on-web", "kind": "kvm"}
    assert links["other0"]["guest"] == {"name": "other0", "kind": "guest"}
    assert "guest" not in links["br0"]


DOMAIN = """<domstatus state='running'><domain type='kvm'><name>on-web</name><devices>
<interface type='bridge'><source bridge='br0'/><target dev='vnet0'/></interface></devices></domain></domstatus>"""


def wait_for_namespace(pid: int) -> None:
    from tests.integration.system import wait_for

    own = os.readlink("/proc/thread-self/ns/net")
    wait_for("it has a network namespace", lambda: os.readlink(f"/proc/{pid}/ns/net") != own)
