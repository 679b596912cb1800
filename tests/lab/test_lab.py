"""The lab is what the other lab tests take for granted: whole hosts, a trunk between them, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lab.channel import CommandTimeout, HostDown, LabError
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.switch import MACHINE
from tests.patience import patient

REPOSITORY = Path(__file__).parents[2]


@contextmanager
def vlan(host: Host, number: int, address: str) -> Iterator[None]:
    """HOST has ADDRESS on the VLAN NUMBER of its trunk while the block runs."""
    host.run(["ip", "link", "add", "link", "eno1", "name", f"eno1.{number}", "type", "vlan", "id", str(number)])
    try:
        host.run(["ip", "address", "add", address, "dev", f"eno1.{number}"])
        host.run(["ip", "link", "set", f"eno1.{number}", "up"])
        yield
    finally:
        host.run(["ip", "link", "delete", f"eno1.{number}"])


def reaches(host: Host, address: str, timeout_s: int = 5) -> bool:
    """Whether HOST gets one answer from ADDRESS."""
    argv = ["ping", "-n", "-q", "-i", "0.2", "-c", "1", "-w", str(timeout_s), address]
    return host.run(argv, check=False).returncode == 0


def test_hosts_boot_to_multi_user_under_systemd(lab: Lab) -> None:
    for name, host in lab.hosts.items():
        assert host.run(["systemctl", "is-active", "multi-user.target"]).stdout == "active\n"
        assert host.read("/proc/1/comm") == "systemd\n"
        assert host.run(["hostname"]).stdout.strip() == name
        assert host.run(["systemd-detect-virt"], check=False).stdout.strip() == "uml"


def test_hosts_see_the_checkout_but_no_service_or_setting_of_the_machine(lab: Lab) -> None:
    host = lab["on-node1"]
    python = Path(sys.executable).absolute()
    assert host.run([str(python), "-c", "import sys; print(sys.prefix)"]).stdout.strip() == sys.prefix
    assert host.read(str(REPOSITORY / "pyproject.toml")) == (REPOSITORY / "pyproject.toml").read_text()
    running = host.run(["systemctl", "list-units", "--type=service", "--state=running", "--plain", "--no-legend"])
    assert {line.split()[0] for line in running.stdout.splitlines()} <= {
        "saltern-lab-agent.service",
        "systemd-journald.service",
        "dbus.service",
    }
    for path in ("/etc/saltern", "/var/lib/saltern", "/srv/saltern", "/var/lib/one"):
        assert host.run(["test", "-e", path], check=False).returncode == 1


def test_what_a_host_writes_never_reaches_the_machine(lab: Lab) -> None:
    lab["on-node1"].write("/etc/saltern-lab-test", "of the host\n")
    assert lab["on-node1"].read("/etc/saltern-lab-test") == "of the host\n"
    assert not Path("/etc/saltern-lab-test").exists()
    lab["on-node1"].run(["rm", "/etc/saltern-lab-test"])


def test_hosts_reach_the_machine_on_the_management_network(lab: Lab) -> None:
    assert reaches(lab["on-node1"], MACHINE)
    lab.switch.plug("on-node1", into=False)
    try:
        assert not reaches(lab["on-node1"], MACHINE, timeout_s=1)
    finally:
        lab.switch.plug("on-node1")
    assert reaches(lab["on-node1"], MACHINE)


def test_a_vlan_passes_the_switch_and_stays_apart_from_others(lab: Lab) -> None:
    filer, node = lab["on-filer1"], lab["on-node1"]
    with vlan(filer, 43, "192.168.43.252/24"):
        with vlan(node, 43, "192.168.43.1/24"):
            assert reaches(node, "192.168.43.252")
        with vlan(node, 46, "192.168.43.1/24"):
            assert not reaches(node, "192.168.43.252", timeout_s=1)


def test_nfs_4_2_mounts_across_a_vlan(lab: Lab) -> None:
    filer, node = lab["on-filer1"], lab["on-node1"]
    filer.run(["install", "-d", "-o", "9869", "-g", "9869", "/store/one/images"])
    filer.write("/etc/exports", "/store/one 192.168.43.0/24(rw,sync,fsid=0,no_subtree_check)\n")
    try:
        with vlan(filer, 43, "192.168.43.252/24"), vlan(node, 43, "192.168.43.1/24"):
            filer.run(["systemctl", "start", "nfs-server"], timeout_s=60)
            node.run(["mount", "-t", "nfs4", "on-filer1:/images", "/mnt"], timeout_s=20)
            assert ",vers=4.2," in node.run(["findmnt", "--noheadings", "--output=OPTIONS", "/mnt"]).stdout
            node.run(["setpriv", "--reuid=9869", "--regid=9869", "--clear-groups", "cp", "/etc/hostname", "/mnt/from"])
            assert filer.read("/store/one/images/from") == "on-node1\n"
            node.run(["umount", "/mnt"])
    finally:
        filer.run(["systemctl", "stop", "nfs-server"], timeout_s=60)
        filer.run(["rm", "-r", "/store/one", "/etc/exports"])


def test_disk_outlives_reboot_and_power_cut(lab: Lab) -> None:
    host = lab["on-node1"]
    boot = host.read("/proc/sys/kernel/random/boot_id")
    host.write("/etc/kept", "before the reboot\n")
    host.reboot()
    assert host.read("/etc/kept") == "before the reboot\n"
    host.write("/etc/kept", "before the cut\n")
    host.run(["sync"])
    host.kill()
    with pytest.raises(HostDown):
        host.run(["true"])
    host.start()
    host.wait_booted()
    assert host.read("/etc/kept") == "before the cut\n"
    assert host.read("/proc/sys/kernel/random/boot_id") != boot
    host.run(["rm", "/etc/kept"])


def test_commands_carry_large_input_and_output(lab: Lab) -> None:
    text = "0123456789abcde\n" * 65536
    assert lab["on-filer1"].run(["cat"], stdin=text).stdout == text
    assert lab["on-filer1"].run(["true"]).returncode == 0


def test_a_command_that_fails_says_so_with_its_output(lab: Lab) -> None:
    with pytest.raises(LabError, match=r"on-filer1: `cat /missing` ended with 1:\n.*No such file"):
        lab["on-filer1"].run(["cat", "/missing"])
    with pytest.raises(LabError, match="No such file or directory: 'no-such-program'"):
        lab["on-filer1"].run(["no-such-program"])


def test_a_command_that_hangs_is_killed_and_others_run_meanwhile(lab: Lab) -> None:
    def hang() -> None:
        with pytest.raises(CommandTimeout):
            lab["on-filer1"].run(["sleep", "4242"], timeout_s=1)
        ended.append(True)

    ended: list[bool] = []
    thread = threading.Thread(target=hang)
    thread.start()
    assert lab["on-filer1"].run(["echo", "meanwhile"]).stdout == "meanwhile\n"
    assert not ended
    thread.join()
    assert ended
    assert lab["on-filer1"].run(["pgrep", "-f", "^sleep 4242"], check=False).stdout == ""


def test_a_lab_that_is_killed_leaves_nothing_behind() -> None:
    code = """
import sys, time
from tests.lab.lab import Lab
lab = Lab(["on-killed"])
lab["on-killed"].start()
lab["on-killed"].wait_booted()
print(lab.directory, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        directory = Path(child.stdout.readline().strip())
        started = len(_with_argument(f"LAB={directory}/on-killed"))
        child.kill()
    assert started > 5  # keeper, kernel, and one here for each process there
    assert wait_until(lambda: not _with_argument(str(directory)))
    assert directory.exists()
    Lab([]).remove()  # the next lab clears the directory too
    assert not directory.exists()


def wait_until(condition: object, timeout_s: float = 10.0) -> bool:
    """Whether CONDITION (called again and again) comes true within TIMEOUT_S seconds."""
    assert callable(condition)
    deadline = time.monotonic() + patient(timeout_s)
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def _with_argument(text: str) -> list[int]:
    """The machine's processes with TEXT in their command line."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if text in (place / "cmdline").read_text(errors="replace"):
                found.append(int(place.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found
