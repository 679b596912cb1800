"""The states of guests: their steps from what was found, by tables; and on libvirt's own driver in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules._virt.xml import parse

pytest.importorskip("libvirt")

from modules import virt
from modules._virt import domain_facets as facets
from modules._virt import hypervisor
from modules._virt.act import emulator_owner
from modules._virt.domain_values import Nic
from modules._virt.read import Guest
from saltern.context import Context
from saltern.converge.plan import Plan
from saltern.converge.state import check_of
from saltern.errors import SalternError
from saltern.marks import permit_acting
from saltern.names import InvalidName
from saltern.secret import Secret
from states import virt as states
from states._virt import plan as virt_plan
from states._virt.look import Look
from states._virt.plan import Policy
from tests.plans import context, converge

WISH: dict[str, Any] = {"memory": 512, "vcpus": 1, "machine": "pc"}
NIC = Nic(mac="52:54:00:00:00:01", kind="bridge", source="br43")


def guest(*, running: bool, config: dict[str, Any] | None = None, live: dict[str, Any] | None = None) -> Guest:
    """A guest of WISH, and of what CONFIG and LIVE say else."""
    tree = facets.new("web1", {**WISH, "type": "qemu", **(config or {})})
    now = facets.new("web1", {**WISH, "type": "qemu", **(config or {}), **(live or {})}) if running else None
    return Guest(tree, now, "running" if running else "shut off", False, True)


def planned(ctx: Context, found: Guest | None, wish: dict[str, Any], **policy: Any) -> Plan:
    return virt_plan.plan(ctx, "web1", Look(uri="x", found=found, facets={**WISH, **wish}), Policy(**policy))


def said(plan: Plan) -> list[str]:
    return [step.sentence for step in plan.steps]


@pytest.mark.parametrize(
    ("found", "wish", "policy", "sentences"),
    [
        (None, {}, {}, ["define guest web1 (512 MiB, 1 vCPU, None)"]),
        (None, {}, {"run": True}, ["define guest web1 (512 MiB, 1 vCPU, None)", "start guest web1"]),
        (guest(running=False), {}, {}, []),
        (guest(running=True), {}, {"run": True}, []),
        (guest(running=False), {}, {"run": True}, ["start guest web1"]),
        (guest(running=False), {"memory": 1024}, {}, ["set memory of web1 to 1024 MiB"]),
        (guest(running=True), {"memory": 1024}, {}, ["set memory of web1 to 1024 MiB (at next start)"]),
        (
            guest(running=True),
            {"memory": 1024},
            {"restart": True},
            ["set memory of web1 to 1024 MiB", "restart web1, which takes memory"],
        ),
        (
            guest(running=True, config={"memory": 1024}, live={"memory": 512}),
            {"memory": 1024},
            {},
            [],
        ),
        (
            guest(running=True, config={"max_memory": 1024}),
            {"memory": 1024},
            {},
            ["set memory of web1 to 1024 MiB (live)"],
        ),
        (
            guest(running=True, config={"interface " + NIC.mac: NIC}),
            {"interface " + NIC.mac: replace(NIC, source="br46")},
            {},
            [f"move interface {NIC.mac} of web1 from br43 to br46 (live)"],
        ),
        (
            guest(running=True),
            {"machine": "q35", "title": "t"},
            {"autostart": True},
            ["set machine of web1 to q35 (at next start)", "set title of web1 to t (live)", "start web1 with the node"],
        ),
    ],
)
def test_the_steps_of_a_guest(
    tmp_path: Path, found: Guest | None, wish: dict[str, Any], policy: dict[str, Any], sentences: list[str]
) -> None:
    plan = planned(context(tmp_path), found, wish, **policy)
    assert said(plan) == sentences
    assert bool(plan.steps) == (plan.current != plan.wish), "a difference has steps, and steps have a difference"


def test_a_change_that_waits_is_told_and_is_no_difference(tmp_path: Path) -> None:
    found = guest(running=True, config={"memory": 1024}, live={"memory": 512, "max_memory": 512})
    plan = planned(context(tmp_path), found, {"memory": 1024}, later="02:00-04:00")
    assert plan.current == plan.wish
    assert plan.comment == "web1 is as declared, and waits for a restart between 02:00 and 04:00: memory"


def test_memory_that_a_guest_has_not_given_back_is_told_and_is_no_reason_to_restart(tmp_path: Path) -> None:
    found = guest(running=True, config={"max_memory": 1024}, live={"memory": 1024})
    plan = planned(context(tmp_path), found, {}, restart=True)
    assert plan.steps == ()
    assert "balloon" in str(plan.comment)


def test_a_guest_that_waits_for_nothing_is_not_restarted(tmp_path: Path) -> None:
    found = guest(running=True, config={"max_memory": 1024})
    plan = planned(context(tmp_path), found, {"memory": 1024}, restart=True)
    assert said(plan) == ["set memory of web1 to 1024 MiB (live)"]


def test_no_step_shows_a_password(tmp_path: Path) -> None:
    plan = planned(context(tmp_path), None, {"graphics": None, "password": Secret("hidden!")})
    assert "hidden!" not in repr(plan) + "".join(str(step.do) for step in plan.steps)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("a<&;>", {}),
        ("", {}),
        ("../x", {}),
        ("x", {"memory": "much"}),
        ("x", {"restart": "window"}),
        ("x", {"window": "2"}),
    ],
)
@pytest.mark.parametrize("state", [states.defined, states.running])
def test_what_can_be_told_wrong_is_refused_before_the_run(state: Any, name: str, given: dict[str, Any]) -> None:
    asked = check_of(state)
    assert asked is not None
    with pytest.raises(SalternError):
        asked(name, **given)


@pytest.fixture
def memory_driver(tmp_path: Path) -> Iterator[Context]:
    """libvirt's driver in memory with its guest `test`, which runs; it lasts as long as a connection is open."""
    ctx = context(tmp_path)
    with hypervisor.session("test:///default"):
        yield replace(ctx, config=replace(ctx.config, libvirt_uri="test:///default"))


def test_memory_of_a_guest_is_moved_within_what_it_was_started_with(memory_driver: Context) -> None:
    plan = converge(states.running, memory_driver, "test", memory="3G")
    assert said(plan) == ["set memory of test to 3072 MiB (live)"]
    assert virt.memory(memory_driver, "test") == {"current": 3072, "max": 8192}
    assert converge(states.running, memory_driver, "test", memory="3G").steps == ()


def test_a_guest_is_stopped_started_and_taken_away(memory_driver: Context) -> None:
    refused = states.absent(memory_driver, "test")
    assert refused.unknown is not None
    assert "stop: true" in refused.unknown
    assert said(converge(states.stopped, memory_driver, "test", timeout=2)) == ["shut down guest test"]
    assert said(converge(states.running, memory_driver, "test")) == ["start guest test"]
    assert said(converge(states.powered_off, memory_driver, "test")) == ["power off guest test"]
    assert said(converge(states.absent, memory_driver, "test")) == ["undefine guest test"]
    assert converge(states.absent, memory_driver, "test").steps == ()
    assert converge(states.stopped, memory_driver, "test").steps == ()


def test_a_guest_that_is_paused_goes_on(memory_driver: Context) -> None:
    with permit_acting():
        virt.pause(memory_driver, "test")
    assert virt.vm_state(memory_driver, "test") == {"test": "paused"}
    assert said(converge(states.running, memory_driver, "test")) == ["resume guest test"]


def test_what_the_node_does_not_have_is_refused_while_planning(memory_driver: Context) -> None:
    with pytest.raises(SalternError, match="this node has"):
        states.defined(memory_driver, "new", memory="100000G")
    no_bridge = states.defined(memory_driver, "new", memory=64, type="qemu", interfaces=[{"bridge": "nosuch0"}])
    assert "there is no bridge 'nosuch0'" in str(no_bridge.unknown)
    no_network = states.defined(memory_driver, "new", memory=64, type="qemu", interfaces=[{"network": "defautl"}])
    assert "Did you mean 'default'" in str(no_network.unknown)
    no_file = states.defined(
        memory_driver, "new", memory=64, type="qemu", disks=[{"path": "/nosuch/disk", "format": "raw"}]
    )
    assert "there is no file /nosuch/disk" in str(no_file.unknown)
    no_memory = states.running(memory_driver, "new")
    assert "at least its `memory`" in str(no_memory.unknown)
    with pytest.raises(SalternError, match="VLAN"):
        states.defined(memory_driver, "new", memory=64, type="qemu", interfaces=[{"bridge": "lo", "vlan": 46}])


def test_a_disk_whose_header_names_a_foreign_file_is_refused(memory_driver: Context, tmp_path: Path) -> None:
    import struct

    name = b"/etc/shadow"
    head = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 72, len(name), 16, 1 << 20, 0, 1, 1 << 16, 1 << 17, 1, 0, 0)
    (tmp_path / "evil.qcow2").write_bytes((head[:72] + name).ljust(1 << 18, b"\0"))
    disks = [{"path": str(tmp_path / "evil.qcow2"), "format": "qcow2"}]
    with pytest.raises(SalternError, match="/etc/shadow"):
        states.defined(memory_driver, "new", memory=64, type="qemu", disks=disks)


def test_the_functions_tell_of_the_guest_and_the_node(memory_driver: Context) -> None:
    ctx = memory_driver
    assert virt.list_domains(ctx) == ["test"]
    assert (virt.list_active_vms(ctx), virt.list_inactive_vms(ctx)) == (["test"], [])
    about = virt.info(ctx, "test")
    assert (about["state"], about["pending"]) == ("running", [])
    assert virt.vcpus(ctx, "test") == {"current": 2, "max": 2}
    assert virt.is_hyper(ctx) is True
    assert virt.node_info(ctx)["cpus"] == 16
    assert virt.freemem(ctx) == 3072 - 2048
    assert virt.capabilities(ctx)["guests"]
    assert parse(virt.get_xml(ctx, "test")).tag == "domain"
    with pytest.raises(SalternError, match="Did you mean 'test'"):
        virt.info(ctx, "tets")
    with pytest.raises(InvalidName):
        virt.info(ctx, "<&;")
    with permit_acting():
        assert virt.define_xml_str(ctx, virt.get_xml(ctx, "test", inactive=True))
        assert virt.setmem(ctx, "test", "1G", config=True)
        assert virt.set_autostart(ctx, "test", "on")
    assert virt.memory(ctx, "test")["current"] == 1024
    assert virt.info(ctx, "test")["autostart"] is True


def test_a_libvirt_that_is_down_is_unknown_in_every_state(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    uri = f"qemu+unix:///system?socket={tmp_path}/none"
    ctx = replace(ctx, config=replace(ctx.config, libvirt_uri=uri))
    for plan in (
        states.defined(ctx, "web1", memory=64, type="qemu"),
        states.running(ctx, "web1"),
        states.stopped(ctx, "web1"),
        states.powered_off(ctx, "web1"),
        states.rebooted(ctx, "web1"),
        states.absent(ctx, "web1"),
    ):
        assert "start its daemon" in str(plan.unknown)
    assert virt.is_hyper(ctx) is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (None, None)),
        ('user = "oneadmin"\ngroup = "oneadmin"\n', (None, None)),
        ('user = "oneadmin"\ngroup = "kvm"\ndynamic_ownership = 0\n', ("oneadmin", "kvm")),
        ('#user = "x"\n  dynamic_ownership=0\nuser="+9869"\n', ("9869", None)),
    ],
)
def test_a_seed_belongs_to_qemu_where_libvirt_gives_nobody_anything(
    text: str, expected: tuple[str | None, str | None]
) -> None:
    assert emulator_owner(text) == expected
