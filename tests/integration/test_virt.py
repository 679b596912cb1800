"""KVM guests on a real libvirt and QEMU (without hardware virtualisation), with bridges of the test's own.

The guests have no system: what needs one (its balloon, its consent to lose a device) is held elsewhere.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules import _probe, _run, virt
from modules._virt import kvm_probe, xml
from modules._virt import read as virt_read
from saltern.converge.compare import differences
from saltern.converge.plan import Plan
from saltern.errors import SalternError
from saltern.marks import permit_acting
from saltern.secret import Secret
from states import disk as disks
from states import virt as states
from tests.integration.hang import silent
from tests.integration.kernel import ip, tool
from tests.integration.libvirt_daemon import Libvirtd, available, libvirtd
from tests.integration.system import wait_for
from tests.patience import WAIT_S
from tests.plans import context, converge

BR43, BR46 = f"sv43-{os.getpid()}", f"sv46-{os.getpid()}"  # another test run may have its own beside them
NAME = "saltern-t-web1"
pytestmark = [pytest.mark.root, pytest.mark.skipif(not available, reason="needs root, libvirtd and QEMU")]


@pytest.fixture(scope="module")
def daemon(qemu_cache: Path) -> Iterator[Libvirtd]:
    """One libvirtd for all tests here."""
    with tempfile.TemporaryDirectory(prefix="slv-") as folder, libvirtd(Path(folder), qemu_cache) as made:
        yield made


@pytest.fixture(scope="module")
def bridges() -> Iterator[None]:
    """Two bridges."""
    for bridge in (BR43, BR46):
        ip("link", "add", bridge, "type", "bridge")
    try:
        yield
    finally:
        for bridge in (BR43, BR46):
            ip("link", "del", bridge)


class Kvm:
    """States on guests of the test's libvirtd."""

    def __init__(self, daemon: Libvirtd, folder: Path) -> None:
        self.daemon, self.folder = daemon, folder
        made = context(folder)
        self.ctx = replace(made, config=replace(made.config, libvirt_uri=daemon.uri))

    def apply(self, state: Callable[..., Plan], name: str = NAME, **arguments: Any) -> list[str]:
        return [step.sentence for step in converge(state, self.ctx, name, **arguments).steps]

    def run(self, **arguments: Any) -> list[str]:
        return self.apply(states.running, **{"memory": 64, "type": "qemu", **arguments})

    def disk(self, name: str, format: str = "qcow2") -> dict[str, str]:
        path = str(self.folder / name)
        tool("qemu-img", "create", "-q", "-f", format, path, "4M")
        return {"path": path, "format": format}

    def seen(self, name: str = NAME) -> Any:
        """The guest's XML as it runs: the second opinion."""
        with self.daemon.open() as connection:
            return xml.parse(connection.lookupByName(name).XMLDesc())

    def uuid(self) -> str | None:
        return xml.at(self.seen(), "uuid")


@pytest.fixture
def kvm(daemon: Libvirtd, bridges: None, tmp_path: Path) -> Iterator[Kvm]:
    yield Kvm(daemon, tmp_path)
    daemon.clear()


def ports(bridge: str) -> list[str]:
    """The ports of a bridge, by the kernel."""
    return sorted(entry.name for entry in os.scandir(f"/sys/class/net/{bridge}/brif"))


def test_a_guest_is_defined_and_started_as_declared_and_then_left_alone(kvm: Kvm) -> None:
    arguments: dict[str, Any] = {
        "memory": 64,
        "vcpus": 1,
        "max_vcpus": 2,
        "type": "qemu",
        "machine": "pc",
        "cpu": {"mode": "custom", "model": "qemu64", "sockets": 2, "features": {"aes": False}},
        "disks": [kvm.disk("a.qcow2"), {"name": "sda", "cdrom": True}],
        "interfaces": [{"bridge": BR43}, {"bridge": BR46, "model": "e1000", "link": "down"}],
        "graphics": {"type": "vnc", "password": Secret("geheim")},
        "boot": ["disk", "network"],
        "clock": "localtime",
        "on_crash": "preserve",
        "title": "<web> & more",
        "description": "a guest\nof a test",
        "metadata": {"owner": "me & <you>"},
        "xml": "<devices><watchdog model='i6300esb' action='reset'/></devices>",
        "autostart": True,
    }
    plan = states.running(kvm.ctx, NAME, **arguments)
    assert virt.list_domains(kvm.ctx) == [], "planning defines nothing"
    said = kvm.apply(states.running, **arguments)
    assert said == [step.sentence for step in plan.steps]
    assert said == [
        f"define guest {NAME} (64 MiB, 1 vCPU, qemu)",
        f"start {NAME} with the node",
        f"start guest {NAME}",
    ]
    root, uuid = kvm.seen(), kvm.uuid()
    assert root.get("type") == "qemu"
    assert (xml.at(root, "title"), root.find("devices/watchdog").get("action")) == ("<web> & more", "reset")
    assert len(ports(BR43)) == len(ports(BR46)) == 1
    about = virt.info(kvm.ctx, NAME)
    assert (about["state"], about["pending"], about["autostart"]) == ("running", [], True)
    assert about["metadata"] == {"owner": "me & <you>"}
    assert "geheim" not in repr(about) + virt.get_xml(kvm.ctx, NAME)
    assert str(virt.vnc(kvm.ctx, NAME)).startswith("vnc://127.0.0.1:59")
    assert str(virt.console(kvm.ctx, NAME)["tty"]).startswith("/dev/pts/")  # type: ignore[index]
    assert kvm.apply(states.running, **arguments) == []
    assert kvm.uuid() == uuid


def test_what_can_be_changed_while_the_guest_runs_is_and_it_goes_on_running(kvm: Kvm) -> None:
    first, second = kvm.disk("a.qcow2"), kvm.disk("b.img", "raw")
    drive = {"name": "sda", "cdrom": True}
    before: dict[str, Any] = {
        "vcpus": 1,
        "max_vcpus": 2,
        "disks": [first, drive],
        "interfaces": [{"bridge": BR43}],
        "graphics": {"type": "vnc", "password": Secret("old")},
    }
    kvm.run(**before)
    mac = virt.get_macs(kvm.ctx, NAME)[0]
    tap, pid = ports(BR43), virt.info(kvm.ctx, NAME)["id"]
    after = {
        **before,
        "vcpus": 2,
        "disks": [first, {**drive, "path": second["path"]}, {**second, "readonly": True}],
        "interfaces": [{"bridge": BR46}, {"bridge": BR43}],
        "graphics": {"type": "vnc", "password": Secret("new")},
    }
    said = kvm.run(**after)
    assert said[:3] == [
        f"set vcpus of {NAME} to 2 (live)",
        f"set the password of the display of {NAME} (live)",
        f"add interface {virt.get_macs(kvm.ctx, NAME)[1]} to {NAME} ({BR46}) (live)",
    ]
    assert said[3:] == [
        f"insert {second['path']} into disk sda of {NAME} (live)",
        f"add disk vdb to {NAME} ({second['path']}) (live)",
    ]
    assert ports(BR43) == tap, "an interface stays with the network that it is on"
    moved = kvm.run(**{**after, "interfaces": [{"bridge": BR46, "mac": mac}, {"bridge": BR46, "link": "down"}]})
    other = virt.get_macs(kvm.ctx, NAME)[1]
    assert moved == [
        f"move interface {mac} of {NAME} from {BR43} to {BR46} (live)",
        f"set interface {other} of {NAME} down (live)",
    ]
    assert (ports(BR43), len(ports(BR46))) == ([], 2)
    assert virt.info(kvm.ctx, NAME)["id"] == pid, "it was not restarted"
    assert virt.info(kvm.ctx, NAME)["pending"] == []


def test_an_interface_that_fell_out_of_its_bridge_is_put_back(kvm: Kvm) -> None:
    kvm.run(interfaces=[{"bridge": BR43}])
    [tap] = ports(BR43)
    tool("ip", "link", "set", tap, "nomaster")
    assert kvm.run(interfaces=[{"bridge": BR43}]) == [f"put {tap} of {NAME} into {BR43}"]
    assert ports(BR43) == [tap]
    tool("ip", "link", "set", tap, "master", BR46)
    assert kvm.run(interfaces=[{"bridge": BR43}]) == [f"put {tap} of {NAME} into {BR43}"]
    assert kvm.run(interfaces=[{"bridge": BR43}]) == []


def test_a_guest_without_a_type_gets_one_that_works_here_and_keeps_it(kvm: Kvm) -> None:
    assert kvm.apply(states.defined, memory=64)[0].startswith(f"define guest {NAME} (64 MiB, 1 vCPU, ")
    assert kvm.apply(states.defined, memory=64) == []


def test_a_change_that_needs_a_restart_waits_and_is_told_until_it_may(kvm: Kvm) -> None:
    kvm.run(interfaces=[{"bridge": BR43}])
    uuid, macs = kvm.uuid(), virt.get_macs(kvm.ctx, NAME)
    changed: dict[str, Any] = {"memory": 96, "machine": "q35", "interfaces": [{"bridge": BR43}]}
    said = kvm.run(**changed)
    assert said == [f"set memory of {NAME} to 96 MiB; set machine of {NAME} to q35 (at next start)"]
    plan = states.running(kvm.ctx, NAME, type="qemu", **changed)
    assert plan.steps == ()
    assert plan.comment == f"{NAME} is as declared, and waits for a restart: memory, machine"
    assert sorted(virt.info(kvm.ctx, NAME)["pending"])[:1] == ["machine"]
    assert virt.memory(kvm.ctx, NAME)["current"] == 64, "the running guest is told as it runs"
    said = kvm.run(**changed, restart="if-needed", timeout=0.3, force=True)
    assert said == [f"restart {NAME}, which takes memory, machine"]
    assert (kvm.uuid(), virt.get_macs(kvm.ctx, NAME)) == (uuid, macs)
    assert virt.memory(kvm.ctx, NAME)["current"] == 96
    assert str(virt.info(kvm.ctx, NAME)["machine"]).startswith("pc-q35-")


def test_each_drift_is_shown_in_test_mode_and_repaired_by_the_same_steps(kvm: Kvm) -> None:
    first = kvm.disk("a.qcow2")
    wish: dict[str, Any] = {
        "memory": 64,
        "type": "qemu",
        "vcpus": 1,
        "disks": [first],
        "interfaces": [{"bridge": BR43, "mac": "52:54:00:00:00:01"}],
        "title": "t",
        "autostart": True,
    }
    kvm.apply(states.defined, **wish)

    def drifted(change: Callable[[Any, Any], object]) -> list[str]:
        with kvm.daemon.open() as connection:
            change(connection, connection.lookupByName(NAME))
        plan = states.defined(kvm.ctx, NAME, **wish)
        assert differences(plan.current, plan.wish)
        sentences = kvm.apply(states.defined, **wish)
        assert sentences == [step.sentence for step in plan.steps]
        return sentences

    def edited(old: str, new: str) -> Callable[[Any, Any], object]:
        return lambda connection, domain: connection.defineXML(domain.XMLDesc().replace(old, new))

    def without(path: str) -> Callable[[Any, Any], object]:
        def do(connection: Any, domain: Any) -> None:
            root = xml.parse(domain.XMLDesc())
            xml.drop(root, path)
            connection.defineXML(xml.written(root))

        return do

    mac = "interface 52:54:00:00:00:01"
    assert drifted(lambda _, domain: domain.setMemoryFlags(32 << 10, 2)) == [f"set memory of {NAME} to 64 MiB"]
    assert drifted(lambda _, domain: domain.setAutostart(0)) == [f"start {NAME} with the node"]
    assert drifted(edited(BR43, BR46)) == [f"move {mac} of {NAME} from {BR46} to {BR43}"]
    assert drifted(edited("<title>t<", "<title>x<")) == [f"set title of {NAME} to t"]
    assert drifted(without("devices/disk")) == [f"add disk vda to {NAME} ({first['path']})"]
    assert drifted(without("devices/interface")) == [f"add {mac} to {NAME} ({BR43})"]
    assert drifted(lambda _, domain: domain.undefine())[0] == f"define guest {NAME} (64 MiB, 1 vCPU, qemu)"


def test_a_guest_that_does_not_listen_is_only_powered_off_by_force(kvm: Kvm) -> None:
    kvm.run()
    plan = states.stopped(kvm.ctx, NAME, timeout=0.5)
    with permit_acting(), pytest.raises(SalternError, match=r"did not shut down within 0\.5 s.*force: true"):
        plan.steps[0].do()
    assert virt.vm_state(kvm.ctx, NAME) == {NAME: "running"}
    assert kvm.apply(states.stopped, timeout=0.5, force=True) == [f"shut down guest {NAME}"]
    assert kvm.apply(states.stopped) == []
    assert kvm.apply(states.absent) == [f"undefine guest {NAME}"]
    assert kvm.apply(states.absent) == []


def test_a_daemon_that_is_down_is_told_and_a_guest_that_ran_on_is_found_again(kvm: Kvm) -> None:
    kvm.run(interfaces=[{"bridge": BR43}])
    kvm.daemon.stop()
    try:
        plan = states.running(kvm.ctx, NAME, memory=64)
        assert "start its daemon" in str(plan.unknown)
    finally:
        kvm.daemon.start()
    assert kvm.run(interfaces=[{"bridge": BR43}]) == []


def test_disks_are_only_deleted_when_asked_and_never_those_of_another_guest(kvm: Kvm) -> None:
    pool = kvm.folder / "pool"
    pool.mkdir()
    mine, shared = kvm.disk("pool/mine.qcow2"), kvm.disk("pool/shared.qcow2")
    kept = {"path": str(pool / "kept.qcow2"), "format": "qcow2"}
    kvm.apply(disks.present, name=kept["path"], size="4M", persistent=True)
    with kvm.daemon.open() as connection:
        made = connection.storagePoolDefineXML(
            f"<pool type='dir'><name>p</name><target><path>{pool}</path></target></pool>"
        )
        made.create()
    kvm.apply(states.defined, memory=64, type="qemu", disks=[kept])
    with pytest.raises(SalternError, match="it is persistent"):
        states.absent(kvm.ctx, NAME, remove_disks=True)
    kvm.apply(states.defined, memory=64, type="qemu", disks=[mine, shared])
    kvm.apply(
        states.defined,
        name="other",
        memory=64,
        type="qemu",
        disks=[{"pool": "p", "volume": "shared.qcow2", "format": "qcow2"}],
    )
    with pytest.raises(SalternError, match="it is a disk of other"):
        states.absent(kvm.ctx, NAME, remove_disks=True)
    kvm.apply(states.absent, name="other")
    assert os.path.exists(shared["path"]), "without remove_disks they stay"
    upper = str(pool / "upper.qcow2")
    kvm.apply(disks.present, name=upper, image=mine["path"])
    with pytest.raises(SalternError, match=f"disks stand on it: {upper}"):
        states.absent(kvm.ctx, NAME, remove_disks=True)
    kvm.apply(disks.absent, name=upper)
    assert kvm.apply(states.absent, remove_disks=True) == [
        f"undefine guest {NAME}",
        f"delete the disk {mine['path']}",
        f"delete the disk {shared['path']}",
    ]
    assert [str(left) for left in pool.iterdir()] == [kept["path"]]
    kvm.apply(states.defined, memory=64, type="qemu", disks=[kvm.disk("elsewhere.qcow2")])
    with pytest.raises(SalternError, match="no running storage pool"):
        states.absent(kvm.ctx, NAME, remove_disks=True)


def test_a_disk_on_a_filer_that_is_away_is_unknown_in_bounded_time(kvm: Kvm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_probe, "LOCKS", str(kvm.folder / "locks"))
    monkeypatch.setattr(_probe, "TIMEOUT_S", 0.3)
    monkeypatch.setattr(_probe, "AGAIN_S", 0.3)
    monkeypatch.setattr(_run, "ENDED_S", 0.2)
    there = {"path": str(kvm.folder / "filer" / "a"), "format": "qcow2"}
    with silent(kvm.folder / "filer"):
        plan = states.defined(kvm.ctx, NAME, memory=64, type="qemu", disks=[there])
    assert "did not answer" in str(plan.unknown)


def test_a_guest_on_a_virtual_network_leases_first_and_its_seed_says_the_address(kvm: Kvm) -> None:
    vnet = {
        "NetPrivVMs": {
            "bridge": BR46,
            "network": "10.1.16.0/20",
            "range": "10.1.16.10-10.1.16.59",
            "gateway": "10.1.31.254",
            "dns": ["192.168.43.251"],
        }
    }
    kvm.ctx = replace(kvm.ctx, pillar={"vnet": vnet})
    arguments: dict[str, Any] = {
        "memory": 64,
        "type": "qemu",
        "interfaces": [{"vnet": "NetPrivVMs"}],
        "cloud_init": {
            "hostname": "deb11",
            "ssh_keys": ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl u"],
        },
    }
    said = kvm.apply(states.defined, **arguments)
    assert said == [
        f"lease 10.1.16.10 of NetPrivVMs for {NAME}",
        f"make the seed of {NAME}",
        f"define guest {NAME} (64 MiB, 1 vCPU, qemu)",
    ]
    assert kvm.ctx.call is None
    assert kvm.apply(states.defined, **arguments) == []
    (mac,) = virt.get_macs(kvm.ctx, NAME)
    assert virt.get_nics(kvm.ctx, NAME)[mac]["source"] == BR46
    from modules import cloud_init

    (seed,) = [one["file"] for one in virt.get_disks(kvm.ctx, NAME).values()]
    network = cloud_init.show(seed)["files"]["network-config"]  # type: ignore[index]
    assert all(word in network for word in (mac, "10.1.16.10/20", "10.1.31.254", "192.168.43.251"))
    assert kvm.apply(states.running, **arguments) == [f"start guest {NAME}"]
    assert kvm.apply(states.absent, stop=True, force=True, timeout=0.3) == [
        f"shut down guest {NAME}",
        f"undefine guest {NAME}",
        f"delete the seed of {NAME}",
        "give back NetPrivVMs 10.1.16.10",
    ]
    assert not os.path.exists(seed)


def test_a_guest_shows_what_it_shows(kvm: Kvm) -> None:
    kvm.run(graphics="vnc")
    path = str(kvm.folder / "shot.png")

    def taken() -> bool:
        with permit_acting(), suppress(SalternError):
            return bool(virt.screenshot(kvm.ctx, NAME, path)["width"] >= 640)
        return False

    wait_for("the guest has a picture", taken)
    assert Path(path).read_bytes().startswith(b"\x89PNG")


def test_a_guest_is_read_with_its_persistent_and_its_running_side(kvm: Kvm) -> None:
    kvm.run()
    with permit_acting():
        assert virt.setmem(kvm.ctx, NAME, 48, config=True)
        assert virt.pause(kvm.ctx, NAME)
    assert virt.vm_state(kvm.ctx, NAME) == {NAME: "paused"}
    assert kvm.apply(states.running) == [f"resume guest {NAME}"]
    with kvm.daemon.open() as connection:
        found = virt_read.guest(connection, NAME)
    assert found is not None
    assert xml.at(found.config, "currentMemory") == str(48 << 10)


def test_the_probe_of_kvm_is_a_guest_that_answers_where_an_accelerator_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert len(kvm_probe.boot_sector()) == 512
    monkeypatch.setattr(kvm_probe, "WALL_S", WAIT_S)
    assert kvm_probe.runs("tcg") is True
    assert kvm_probe.runs("no-such-accelerator") is False
