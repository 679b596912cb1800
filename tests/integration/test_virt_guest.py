"""What of a KVM guest needs a system in it: its balloon, its consent to lose a device, its power button."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from modules import virt
from modules._virt import read as virt_read
from saltern.converge.compare import differences
from saltern.converge.plan import Plan
from saltern.marks import permit_acting
from states import virt as states
from tests.integration.libvirt_daemon import Libvirtd
from tests.integration.system import wait_for
from tests.integration.test_virt import BR43, BR46, NAME, Kvm, bridges, daemon, ports, pytestmark  # noqa: F401
from tests.lab import guest
from tests.patience import WAIT_S


def settled(kvm: Kvm, **arguments: Any) -> list[str]:
    """As the engine does: the steps, and then observing until the guest has followed. The sentences."""
    arguments["type"] = "qemu"
    plan = states.running(kvm.ctx, NAME, **arguments)
    with permit_acting():
        for step in plan.steps:
            step.do()

    def again() -> Plan:
        return states.running(kvm.ctx, NAME, **arguments)

    wait_for("the guest is as wished", lambda: not differences(again().current, plan.wish))
    assert again().steps == ()
    return [step.sentence for step in plan.steps]


@pytest.fixture
def booted(daemon: Libvirtd, bridges: None, tmp_path: Path) -> Iterator[tuple[Kvm, dict[str, Any]]]:  # noqa: F811
    """A guest whose system runs, with less memory than it was started with, and what it was declared as."""
    kvm, files = Kvm(daemon, tmp_path), guest.files()
    arguments = {
        "memory": 176,
        "max_memory": 256,
        "kernel": str(files.kernel),
        "initrd": str(files.initrd),
        "cmdline": guest.CMDLINE,
        "interfaces": [{"bridge": BR43}, {"bridge": BR46}],
    }
    kvm.run(**arguments)

    def answers() -> bool:
        with daemon.open() as connection:
            found = virt_read.guest(connection, NAME)
        return found is not None and found.has_balloon and virt.memory(kvm.ctx, NAME)["current"] == 176

    wait_for("the guest's balloon driver answers", answers)
    yield kvm, arguments
    daemon.clear()


def test_a_guest_with_a_system_takes_every_live_change_and_obeys_its_power_button(
    booted: tuple[Kvm, dict[str, Any]],
) -> None:
    kvm, arguments = booted
    ident = virt.info(kvm.ctx, NAME)["id"]
    assert settled(kvm, **arguments) == []
    assert settled(kvm, **{**arguments, "memory": 256}) == [f"set memory of {NAME} to 256 MiB (live)"]
    assert settled(kvm, **{**arguments, "memory": 192}) == [f"set memory of {NAME} to 192 MiB (live)"]
    with permit_acting():
        assert virt.setmem(kvm.ctx, NAME, 224)
    wait_for("somebody gave it more", lambda: virt.memory(kvm.ctx, NAME)["current"] == 224)
    assert settled(kvm, **{**arguments, "memory": 192}) == [f"set memory of {NAME} to 192 MiB (live)"], (
        "the drift is mended"
    )
    lost = virt.get_macs(kvm.ctx, NAME)[1]
    less = {**arguments, "memory": 192, "interfaces": [{"bridge": BR43}]}
    assert settled(kvm, **less) == [f"remove interface {lost} from {NAME} (live)"]
    assert ports(BR46) == []
    moved = {**less, "interfaces": [{"bridge": BR46}]}
    (mac,) = virt.get_macs(kvm.ctx, NAME)
    assert settled(kvm, **moved) == [f"move interface {mac} of {NAME} from {BR43} to {BR46} (live)"]
    more = {**moved, "memory": 288, "max_memory": 288}
    (sentence,) = settled(kvm, **more)
    assert sentence.endswith("(at next start)")
    assert virt.info(kvm.ctx, NAME)["id"] == ident, "nothing has restarted it until now"
    assert settled(kvm, **more, restart="if-needed", timeout=WAIT_S) == [
        f"restart {NAME}, which takes memory, max_memory"
    ]
    assert virt.memory(kvm.ctx, NAME) == {"current": 288, "max": 288}
