"""A lab: a switch and hosts, started together and removed together."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.lab.channel import LabError
from tests.lab.host import KERNEL, Host
from tests.lab.switch import MACHINE, NETWORK, Switch

PREFIX = "saltern-lab-"
HOSTS = ("on-filer1", "on-master1", "on-node1")

# The addresses on VLAN 43, as the example platform gives them; `saltern` is the machine, where the master runs.
ADDRESSES = {
    "on-filer1": "192.168.43.252",
    "on-master1": "192.168.43.253",
    "on-buster": "192.168.43.250",
    "on-node1": "192.168.43.1",
    "on-node2": "192.168.43.2",
    "saltern": MACHINE,
}
MEMORY_MIB = {"on-node1": 1024, "on-node2": 1024}  # of hosts that virtual machines run on
PROGRAMS = {
    KERNEL: "user-mode-linux",
    "modprobe": "kmod",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "taskset": "util-linux",
    "unshare": "util-linux",
    "mkfs.ext4": "e2fsprogs",
    "systemctl": "systemd",
    "exportfs": "nfs-kernel-server",
    "mount.nfs4": "nfs-common",
    "ping": "iputils-ping",
}


_turns = itertools.count()


class Lab:
    """Hosts by name, joined by a switch. As a context manager it boots them, and removes all at the end."""

    def __init__(self, names: Sequence[str] = HOSTS) -> None:
        """Prepare hosts of these NAMES. LabError says what the machine lacks."""
        check_machine()
        self._turn = os.getpid() + next(_turns)
        self._lock, self.directory = _claim_directory()
        self.hosts: dict[str, Host] = {}
        try:
            self.switch = Switch(names)
            cpus = sorted(os.sched_getaffinity(0))
            for number, name in enumerate(names, start=11):
                self.hosts[name] = Host(
                    name,
                    switch=self.switch,
                    directory=self.directory,
                    address=f"{NETWORK}.{number}",
                    hosts=ADDRESSES,
                    memory_mib=MEMORY_MIB.get(name, 384),
                    cpu=cpus[(number + self._turn) % len(cpus)],  # labs side by side don't all begin with the same
                )
        except BaseException:
            self.remove()
            raise

    def __enter__(self) -> Self:
        """Boot all hosts at once."""
        try:
            for host in self.hosts.values():
                host.start()
            for host in self.hosts.values():
                host.wait_booted()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the lab."""
        self.remove()

    def __getitem__(self, name: str) -> Host:
        """The host NAME."""
        return self.hosts[name]

    def remove(self) -> None:
        """Stop all hosts at once (nothing of them is kept, so without shutting down), remove switch and files."""
        for host in self.hosts.values():
            host.kill()
        with suppress(AttributeError):  # it failed before there was a switch
            self.switch.remove()
        shutil.rmtree(self.directory, ignore_errors=True)
        os.close(self._lock)


def check_machine() -> None:
    """LabError where the machine can't run a lab, with all that is to be installed in one command."""
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it makes network namespaces and taps. Run it with sudo or as root")
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"
    missing = {package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None}
    if missing:
        raise LabError(f"the lab lacks Debian packages: apt-get install {' '.join(sorted(missing))}")
    if not Path("/dev/net/tun").exists():
        raise LabError("the lab needs /dev/net/tun: modprobe tun, or let the container have that device")


def _claim_directory() -> tuple[int, Path]:
    """A new directory and the lock that shows it is in use; directories of labs that were killed are removed."""
    base = Path(tempfile.gettempdir())
    turn = _lock(base, wait=True)  # or another lab takes the new directory for an old one before it is locked
    try:
        for old in base.glob(f"{PREFIX}*"):
            with suppress(OSError):  # in use, or gone
                os.close(_lock(old))
                shutil.rmtree(old)
        directory = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        return _lock(directory), directory
    finally:
        os.close(turn)


def _lock(directory: Path, *, wait: bool = False) -> int:
    """Lock DIRECTORY for as long as this process lives. OSError where another process has done so, unless WAIT."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(fd)
        raise
    return fd
