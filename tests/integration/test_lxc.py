"""The LXC states on real containers, made offline by the busybox template, in a folder and a network of their own."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import struct
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules import lxc
from modules._lxc import config as file
from modules._lxc import live, tools
from modules._lxc.config import LxcError
from saltern.converge.plan import Plan
from saltern.marks import permit_acting
from states.lxc import absent, present, restarted, running, stopped
from tests.integration.kernel import Node, ip, needs_root
from tests.patience import WAIT_S

NAME = "saltern-t-lxc"
BRIDGE = "sltlxc43"
F_OFD_SETLK = 37  # asm-generic/fcntl.h
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(
        needs_root or not tools.installed() or shutil.which("busybox") is None, reason="needs root, lxc and busybox"
    ),
]
# AppArmor is not everywhere
PLAIN: dict[str, Any] = {"lxc.apparmor.profile": [], "lxc.apparmor.allow_nesting": []}
ETH0 = {"bridge": BRIDGE, "name": "eth0", "address": "10.213.43.250/24", "gateway": "10.213.43.254"}


class Lxc(Node):
    """States on containers below a folder of the test."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = str(folder / "containers")

    def present(self, **arguments: Any) -> list[str]:
        said = self.apply(present, NAME, **self.arguments(**arguments))
        script = Path(self.path, NAME, "rootfs/etc/init.d/rcS")
        script.write_text("#!/bin/sh\n")  # the template's asks for an address by DHCP, and waits for it
        return said

    def arguments(self, **arguments: Any) -> dict[str, Any]:
        return {"template": "busybox", "config": PLAIN, "path": self.path, **arguments}

    def text(self) -> str:
        return Path(self.path, NAME, "config").read_text()

    def inside(self, *words: str) -> str:
        with permit_acting():
            return str(lxc.run(NAME, words, path=self.path))

    def shown(self) -> str:
        return subprocess.run(
            ["lxc-info", "-P", self.path, "-n", NAME, "-s", "-H"], capture_output=True, text=True, check=True
        ).stdout.split()[-1]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Lxc]:
    found = Lxc(tmp_path)
    turn = os.open("/tmp/saltern-tests-lxc.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    fcntl.flock(turn, fcntl.LOCK_EX)  # these names are the machine's: another run of the tests waits
    subprocess.run(["ip", "link", "del", BRIDGE], capture_output=True, check=False)  # of a run that was killed
    ip("link", "add", BRIDGE, "type", "bridge")  # in this network namespace: LXC looks for bridges in /sys
    try:
        ip("addr", "add", "10.213.43.254/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        yield found
    finally:
        subprocess.run(["lxc-stop", "-k", "-P", found.path, "-n", NAME], capture_output=True, check=False)
        ip("link", "del", BRIDGE)
        os.close(turn)


def test_a_container_is_made_configured_before_its_first_start_and_then_left_alone(node: Lxc) -> None:
    arguments = {"network": [ETH0], "autostart": True, "limits": {"memory": "64M", "cpus": 0.5}}
    plan = node.plan(present, NAME, **node.arguments(**arguments))
    assert not os.path.exists(node.path), "planning makes nothing"
    said = node.present(**arguments)
    assert said == [step.sentence for step in plan.steps]
    assert said == [f"create container {NAME} from template busybox", f"write the configuration of {NAME}"]
    assert node.shown() == "STOPPED"
    before = os.stat(lxc.config_path(NAME, node.path)).st_mtime_ns
    assert node.present(**arguments) == []
    assert os.stat(lxc.config_path(NAME, node.path)).st_mtime_ns == before


def test_a_started_container_has_its_address_gateway_and_limit_and_answers(node: Lxc) -> None:
    node.present(network=[ETH0], limits={"memory": "64M"}, autostart=True)
    assert node.apply(running, NAME, path=node.path) == [f"start container {NAME}"]
    assert "inet 10.213.43.250/24" in node.inside("/bin/ip", "addr", "show", "eth0")
    assert "default via 10.213.43.254" in node.inside("/bin/ip", "route")
    ran = subprocess.run(["ping", "-c", "1", "-W", "60", "10.213.43.250"], capture_output=True, check=False)
    assert ran.returncode == 0, ran.stdout
    limit = subprocess.run(
        ["lxc-cgroup", "-P", node.path, "-n", NAME, "memory.limit_in_bytes"], capture_output=True, text=True
    )
    assert limit.stdout.strip() == str(64 << 20)
    about = lxc.info(NAME, node.path)
    assert about["state"] == "running"
    assert about["ips"] == ["10.213.43.250"]
    assert about["autostart"] is True
    assert about["network"][0]["link"] == BRIDGE
    assert lxc.list_(node.path) == {"running": [NAME], "stopped": [], "frozen": []}
    assert lxc.list_(node.path, extra=True)["running"][NAME]["ipv4"] == ["10.213.43.250"]


def test_a_change_of_a_running_container_waits_for_its_next_start_and_says_so(node: Lxc) -> None:
    node.present(network=[ETH0])
    node.apply(running, NAME, path=node.path)
    pid = lxc.info(NAME, node.path)["pid"]
    moved = [{**ETH0, "address": "10.213.43.251/24"}]
    assert node.present(network=moved) == [f"write the configuration of {NAME} (takes effect at its next start)"]
    plan = node.plan(present, NAME, **node.arguments(network=moved))
    assert plan.comment is not None
    assert "takes effect at its next start" in plan.comment
    assert lxc.info(NAME, node.path)["pid"] == pid
    said = node.present(network=moved, restart="if-needed")
    assert said == [f"restart {NAME}, so that its configuration takes effect"]
    assert "inet 10.213.43.251/24" in node.inside("/bin/ip", "addr")
    assert node.plan(present, NAME, **node.arguments(network=moved)).comment is None


def test_if_needed_restarts_for_what_counts_at_the_start_and_not_for_what_counts_at_boot(node: Lxc) -> None:
    node.present(network=[])
    node.apply(running, NAME, path=node.path)
    pid = lxc.info(NAME, node.path)["pid"]
    assert node.present(network=[], autostart=True, restart="if-needed") == [f"write the configuration of {NAME}"]
    assert lxc.info(NAME, node.path)["pid"] == pid
    data = node.ctx.config.root / "data"
    data.mkdir(parents=True)
    (data / "mark").write_text("here")
    said = node.present(mounts=[{"source": str(data), "target": "/data"}], restart="if-needed")
    assert said[-1] == f"restart {NAME}, so that its configuration takes effect"
    assert node.inside("/bin/cat", "/data/mark") == "here"


def test_stopped_stays_stopped(node: Lxc) -> None:
    node.present(network=[])
    assert node.present(network=[], autostart=True, restart="if-needed") == [f"write the configuration of {NAME}"]
    assert node.shown() == "STOPPED"
    node.apply(running, NAME, path=node.path)
    assert node.apply(stopped, NAME, path=node.path) == [f"shut down container {NAME}"]
    assert node.apply(stopped, NAME, path=node.path) == []
    assert node.plan(present, NAME, **node.arguments(network=[])).steps == ()
    assert node.shown() == "STOPPED"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lxc.start.auto = 1", "lxc.start.auto = 0"),
        (f"lxc.net.0.link = {BRIDGE}", "lxc.net.0.link = br46"),
        ("lxc.net.0.ipv4.address = 10.213.43.250/24\n", ""),
        ("lxc.net.0.flags = up", "lxc.net.0.flags = up\nlxc.net.1.type = empty"),
        ("lxc.environment = B=2\nlxc.environment = A=1", "lxc.environment = A=1\nlxc.environment = B=2"),
        ("= /tmp data none", "= /etc data none"),
    ],
)
def test_each_drift_of_the_file_is_repaired_as_the_plan_says_and_all_else_stays(node: Lxc, old: str, new: str) -> None:
    arguments = {
        "network": [ETH0],
        "autostart": True,
        "mounts": [{"source": "/tmp", "target": "data"}],
        "config": {**PLAIN, "lxc.environment": ["B=2", "A=1"]},
    }
    node.present(**arguments)
    path = Path(node.path, NAME, "config")
    whole = "# mine\n" + node.text() + "# the end\n"
    assert whole.count(old) == 1
    path.write_text(whole.replace(old, new))
    planned = [step.sentence for step in node.plan(present, NAME, **node.arguments(**arguments)).steps]
    assert node.present(**arguments) == planned == [f"write the configuration of {NAME}"]
    assert sorted(node.text().splitlines()) == sorted(whole.splitlines())


def test_an_interface_keeps_its_mac_address(node: Lxc) -> None:
    node.present(network=[ETH0])
    made = file.values(node.text(), "lxc.net.0.hwaddr")
    assert made[0].startswith("00:16:3e:")
    path = Path(node.path, NAME, "config")
    path.write_text(node.text().replace(made[0], "00:16:3e:aa:bb:cc"))
    assert node.present(network=[ETH0]) == []
    assert file.values(node.text(), "lxc.net.0.hwaddr") == ("00:16:3e:aa:bb:cc",)


def test_a_running_container_is_not_deleted_unless_asked(node: Lxc) -> None:
    node.present(network=[])
    node.apply(running, NAME, path=node.path)
    plan: Plan = absent(node.ctx, NAME, path=node.path)
    assert plan.unknown is not None
    assert "stop: true" in plan.unknown
    with permit_acting(), pytest.raises(LxcError, match="it is not deleted"):
        lxc.destroy(NAME, path=node.path)
    said = node.apply(absent, NAME, path=node.path, stop=True)
    assert said == [f"shut down container {NAME}", f"delete container {NAME}"]
    assert not os.path.exists(os.path.join(node.path, NAME))
    assert node.apply(absent, NAME, path=node.path) == []


def test_a_start_that_fails_tells_the_reason_from_its_log(node: Lxc) -> None:
    node.present(network=[], config={**PLAIN, "lxc.mount.entry": ["/nowhere data none bind 0 0"]})
    with permit_acting(), pytest.raises(LxcError, match=r"lxc-start of saltern-t-lxc failed\n(.*\n)*.*No such file"):
        lxc.start(NAME, path=node.path)
    assert node.shown() == "STOPPED"


def test_a_frozen_container_is_let_go_on(node: Lxc) -> None:
    node.present(network=[])
    node.apply(running, NAME, path=node.path)
    with permit_acting():
        lxc.freeze(NAME, path=node.path)
    assert lxc.state(NAME, node.path) == "frozen"
    assert node.apply(running, NAME, path=node.path) == [f"unfreeze container {NAME}"]


def test_run_takes_arguments_as_they_are_in_a_clean_environment_and_tells_the_code(
    node: Lxc, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MASTER_SECRET", "do-not-leak")
    node.present(network=[])
    node.apply(running, NAME, path=node.path)
    assert node.inside("/bin/echo", "$(id)", "; ls", "--help") == "$(id) ; ls --help"
    assert "do-not-leak" not in node.inside("/bin/env")
    with permit_acting():
        assert lxc.run(NAME, "echo one; echo $A", path=node.path, env={"A": "two"}) == "one\ntwo"
        told = lxc.attach(NAME, "echo bad >&2; exit 3", path=node.path)
    assert told.value["retcode"] == 3
    assert told.value["stderr"].strip() == "bad"
    with permit_acting(), pytest.raises(LxcError, match="did not end within"):
        lxc.run(NAME, ["/bin/sleep", "3600"], path=node.path, timeout=0.3)
    with permit_acting(), pytest.raises(LxcError, match=r"no container 'saltern-t-lcx'.*Did you mean 'saltern-t-lxc'"):
        lxc.run("saltern-t-lcx", ["/bin/true"], path=node.path)


def test_a_container_is_made_of_an_archive_as_a_whole_or_not_at_all(node: Lxc, tmp_path: Path) -> None:
    archive = tmp_path / "tree" / "root.tar.gz"
    root = tmp_path / "root-of-it"
    (root / "sbin").mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "sbin" / "init")
    for folder in ("dev", "proc", "sys", "etc", "bin"):
        (root / folder).mkdir()
    (root / "bin" / "sh").symlink_to("/sbin/init")
    (root / "etc" / "inittab").write_text("::sysinit:/bin/true\n")
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(root, ".")
    wrong = node.arguments(template="", rootfs="salt://root.tar.gz", rootfs_hash="0" * 64)
    del wrong["template"]
    with permit_acting(), pytest.raises(LxcError, match="is not what was meant"):
        present(node.ctx, NAME, **wrong).steps[0].do()
    assert os.listdir(node.path) == [] if os.path.exists(node.path) else True
    right = {**wrong, "rootfs_hash": "sha256=" + hashlib.sha256(archive.read_bytes()).hexdigest(), "network": []}
    said = node.apply(present, NAME, **right)
    assert said[0] == f"create container {NAME} from salt://root.tar.gz"
    assert os.listdir(node.path) == [NAME]
    node.apply(running, NAME, path=node.path)
    assert node.inside("/bin/sh", "-c", "echo hello") == "hello"


def test_what_is_cut_off_while_it_is_made_is_no_container_and_made_anew(node: Lxc) -> None:
    node.present(network=[])
    partial = Path(node.path, NAME, "partial")
    partial.touch()
    with partial.open("r+b") as lock, permit_acting():
        held = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        fcntl.fcntl(lock, F_OFD_SETLK, held)
        with pytest.raises(LxcError, match="is being made by another process"):
            lxc.create(NAME, "busybox", path=node.path)
    assert not lxc.exists(NAME, node.path)
    assert lxc.list_(node.path)["stopped"] == []
    assert node.present(network=[])[0] == f"create container {NAME} from template busybox"


def test_a_missing_bridge_or_template_is_unknown_with_the_nearest_name(node: Lxc) -> None:
    plan = present(node.ctx, NAME, **node.arguments(network=[{"bridge": "sltlxc44"}]))
    assert plan.unknown == "there is no bridge 'sltlxc44' on this node. Did you mean 'sltlxc43'?"
    plan = present(node.ctx, NAME, **node.arguments(template="bussybox"))
    assert "Did you mean 'busybox'?" in str(plan.unknown)
    assert "no container" in str(running(node.ctx, NAME, path=node.path).unknown)


def test_what_it_watches_restarts_a_running_container_only(node: Lxc) -> None:
    node.present(network=[])
    assert list(restarted(node.ctx, NAME, path=node.path)) == []
    node.apply(running, NAME, path=node.path)
    pid = lxc.info(NAME, node.path)["pid"]
    (step,) = restarted(node.ctx, NAME, path=node.path)
    with permit_acting():
        step.do()
    assert lxc.info(NAME, node.path)["pid"] not in (pid, None)


KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJustATest test"


def test_a_limit_of_a_running_container_is_changed_at_once_and_kept_for_its_next_start(node: Lxc) -> None:
    node.present(network=[], limits={"memory": "64M"})
    node.apply(running, NAME, path=node.path)
    pid = lxc.info(NAME, node.path)["pid"]
    said = node.present(network=[], limits={"memory": "96M", "pids": 50})
    key = "memory.max" if lxc.is_unified() else "memory.limit_in_bytes"
    assert said == [
        f"write the configuration of {NAME}",
        f"set {key} of {NAME} to {96 << 20} as it runs",
        f"set pids.max of {NAME} to 50 as it runs",
    ]
    shown = live.current(NAME, node.path, [key, "pids.max"])
    assert shown == {key: str(96 << 20), "pids.max": "50"}
    with permit_acting():
        live.set_limit(NAME, key, str(80 << 20), node.path)  # by hand, as a drift
    assert node.present(network=[], limits={"memory": "96M"}) == [f"set {key} of {NAME} to {96 << 20} as it runs"]
    assert node.present(network=[], limits={"memory": None})[-1].startswith(f"set {key} of {NAME} to ")
    assert lxc.info(NAME, node.path)["pid"] == pid
    assert not lxc.outdated(NAME, lxc.get(NAME, node.path), node.path)  # type: ignore[arg-type]


def test_name_name_servers_keys_and_files_are_inside_and_each_drift_is_repaired(node: Lxc) -> None:
    arguments: dict[str, Any] = {
        "network": [],
        "hostname": "buster",
        "dns": ["192.0.2.1"],
        "ssh_keys": [KEY],
        "files": {"/etc/motd": "hello", "/usr/local/run": {"contents": "#!/bin/sh", "mode": "0755"}},
    }
    said = node.present(**arguments)
    assert said[-1] == f"let 1 SSH key into {NAME}"
    root = Path(node.path, NAME, "rootfs")
    assert (root / "etc/resolv.conf").read_text() == "nameserver 192.0.2.1\n"
    assert (root / "usr/local/run").stat().st_mode & 0o777 == 0o755
    assert (root / "root/.ssh").stat().st_mode & 0o777 == 0o700
    node.apply(running, NAME, path=node.path)
    assert node.inside("/bin/hostname") == "buster"
    keys = root / "root/.ssh/authorized_keys"
    keys.write_text("ssh-rsa AAAA mine\n")
    (root / "etc/motd").unlink()
    assert node.present(**arguments) == [f"write /etc/motd in {NAME}", f"let 1 SSH key into {NAME}"]
    assert keys.read_text() == f"ssh-rsa AAAA mine\n{KEY}\n"


def test_a_link_that_a_container_made_leads_nowhere_on_the_node(node: Lxc, tmp_path: Path) -> None:
    node.present(network=[])
    root, outside = Path(node.path, NAME, "rootfs"), tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("of the node")
    (root / "etc/motd").symlink_to(outside / "secret")
    (root / "opt").symlink_to(outside)
    assert node.present(network=[], files={"/etc/motd": "hello"}) == [f"write /etc/motd in {NAME}"]
    assert (outside / "secret").read_text() == "of the node"
    plan = node.plan(present, NAME, **node.arguments(network=[], files={"/opt/secret": "changed"}))
    assert plan.current.files == {"/opt/secret": None}, "what lies behind a link is not read"
    with permit_acting(), pytest.raises(LxcError, match="links on the way are not followed"):
        plan.steps[0].do()
    assert os.listdir(outside) == ["secret"]


def test_an_address_that_another_container_has_is_refused_with_its_name(node: Lxc) -> None:
    node.present(network=[ETH0])
    plan = present(node.ctx, "other", **node.arguments(interfaces=[{**ETH0, "address": "10.213.43.250/16"}]))
    assert plan.unknown == f"the address 10.213.43.250 on {BRIDGE} is that of the container {NAME} already"
    there = present(node.ctx, "other", **node.arguments(interfaces=[{**ETH0, "address": "10.213.43.251/24"}]))
    assert there.unknown is None


def test_a_vlan_needs_a_bridge_that_filters(node: Lxc) -> None:
    plan = present(node.ctx, NAME, **node.arguments(interfaces=[{**ETH0, "vlan": 43}]))
    assert plan.unknown is not None
    assert "vlan_filtering: true" in plan.unknown


def test_an_address_of_a_virtual_network_is_leased_before_the_container_is_made_and_given_back_with_it(
    tmp_path: Path, node: Lxc
) -> None:
    vnet = {"one": {"bridge": BRIDGE, "range": "10.213.43.10-10.213.43.12", "network": "10.213.43.0/24"}}
    node.ctx = replace(node.ctx, pillar={"vnet": {**vnet, "one": {**vnet["one"], "dns": ["10.213.43.254"]}}})
    nics = [{"vnet": "one", "name": "eth0"}]
    said = node.present(interfaces=nics)
    assert said[0] == f"lease 10.213.43.10 of one for {NAME}"
    assert said[-1] == f"write /etc/resolv.conf in {NAME}"
    assert file.values(node.text(), "lxc.net.0.ipv4.address") == ("10.213.43.10/24",)
    assert file.values(node.text(), "lxc.net.0.hwaddr") == ("02:00:0a:d5:2b:0a",)
    assert node.present(interfaces=nics) == []
    assert node.apply(absent, NAME, path=node.path)[-1] == "give back one 10.213.43.10"
    assert node.apply(absent, NAME, path=node.path) == []


def test_a_macvlan_gets_its_address_and_order_and_delay_are_those_of_the_boot(node: Lxc) -> None:
    nic = {"type": "macvlan", "parent": BRIDGE, "name": "eth0", "address": "10.213.43.9/24"}
    node.present(interfaces=[nic], autostart={"order": 20, "delay": 3})
    assert file.values(node.text(), "lxc.start.auto") == ("1",)
    assert file.values(node.text(), "lxc.start.order") == ("20",)
    assert file.values(node.text(), "lxc.start.delay") == ("3",)
    node.apply(running, NAME, path=node.path)
    assert "inet 10.213.43.9/24" in node.inside("/bin/ip", "addr", "show", "eth0")


def test_running_with_a_configuration_makes_configures_and_starts_in_one(node: Lxc) -> None:
    files = {"/etc/init.d/rcS": {"contents": "#!/bin/sh", "mode": "0755"}}
    arguments = node.arguments(interfaces=[], files=files)
    plan = node.plan(running, NAME, **arguments)
    said = node.apply(running, NAME, **arguments)
    assert said == [step.sentence for step in plan.steps]
    assert [sentence.split()[0] for sentence in said] == ["create", "write", "write", "start"]
    assert node.shown() == "RUNNING"
    subprocess.run(["lxc-stop", "-k", "-P", node.path, "-n", NAME], check=True, timeout=WAIT_S)
    assert node.apply(running, NAME, **arguments) == [f"start container {NAME}"]
