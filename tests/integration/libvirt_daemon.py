"""A libvirtd of the test's own: its sockets, configuration, state and logs below one folder, in a mount namespace where
that folder lies over the system's places. It shares nothing with the machine's own libvirt or with another test run.

Guests are real ones of QEMU without hardware virtualisation (`type: qemu`). It lives in the network namespace of the
thread that starts it, so a test that wants bridges of its own enters one first (`kernel.network_namespace`).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modules._virt.hypervisor import LibvirtUnavailable, connect
from tests.patience import WAIT_S

PLACES = ("/etc/libvirt", "/run/libvirt", "/var/lib/libvirt", "/var/log/libvirt", "/var/cache/libvirt")
LIBVIRTD = """\
listen_tls = 0
listen_tcp = 0
unix_sock_dir = "{sockets}"
unix_sock_rw_perms = "0700"
auth_unix_rw = "none"
log_outputs = "2:file:{log}"
"""
QEMU = """\
user = "root"
group = "root"
dynamic_ownership = 0
security_driver = "none"
stdio_handler = "file"
namespaces = []
cgroup_controllers = []
"""
# Lay each place of the folder over the system's, then become libvirtd.
ENTER = """\
set -e
folder=$1; shift
for place in "$@"; do mkdir -p "$place"; mount --bind "$folder$place" "$place"; done
exec libvirtd -f "$folder/etc/libvirt/libvirtd.conf" -p "$folder/libvirtd.pid"
"""

available = os.geteuid() == 0 and all(shutil.which(name) for name in ("libvirtd", "qemu-system-x86_64", "unshare"))


@dataclass
class Libvirtd:
    """A running libvirtd below FOLDER. `uri` is how to reach it. CACHE: where it keeps what each QEMU can do, since to
    ask them takes seconds."""

    folder: Path
    cache: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """The connection URI, for the minion's option `libvirt_uri`."""
        return f"qemu+unix:///system?socket={self.folder}/sockets/libvirt-sock"

    @property
    def log(self) -> str:
        """What it logged."""
        file = self.folder / "libvirtd.log"
        return file.read_text(errors="replace") if file.exists() else ""

    def start(self) -> None:
        """Start it and wait until it answers."""
        cache = Path(f"{self.folder}/var/cache")
        cache.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            (cache / "libvirt").symlink_to(self.cache)
        for place in (*PLACES, "/sockets"):
            Path(f"{self.folder}{place}").mkdir(parents=True, exist_ok=True)
        etc = self.folder / "etc/libvirt"
        (etc / "libvirtd.conf").write_text(
            LIBVIRTD.format(sockets=self.folder / "sockets", log=self.folder / "libvirtd.log")
        )
        (etc / "qemu.conf").write_text(QEMU)
        argv = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", ENTER, "sh", str(self.folder), *PLACES]
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + WAIT_S
        while not self.answers():
            ended = self.process.poll() is not None
            if ended or time.monotonic() > deadline:
                raise AssertionError(f"libvirtd does not answer: {(self.folder / 'output').read_text()}{self.log}")
            time.sleep(0.05)

    def answers(self) -> bool:
        """Whether it takes connections and has its drivers."""
        try:
            connect(self.uri).close()
        except LibvirtUnavailable:
            return False
        return True

    def stop(self) -> None:
        """End the daemon; guests go on."""
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def restart(self) -> None:
        """End it and start it again: running guests are found again."""
        self.stop()
        self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections in this block, but says nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    @contextmanager
    def open(self) -> Iterator[Any]:
        """A connection of the test's own: the second opinion."""
        connection = connect(self.uri)
        try:
            yield connection
        finally:
            connection.close()

    def clear(self) -> None:
        """Take away all guests, networks and pools: a clean slate between two tests."""
        import libvirt

        with self.open() as connection:
            for domain in connection.listAllDomains():
                if domain.isActive():
                    self._kill(f"qemu/{domain.name()}.pid")  # QEMU takes its time to end when it is asked
                    with suppress(libvirt.libvirtError):
                        domain.destroy()
                flags = libvirt.VIR_DOMAIN_UNDEFINE_NVRAM | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
                with suppress(libvirt.libvirtError):  # a transient one is gone already
                    domain.undefineFlags(flags | libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE)
            for thing in [*connection.listAllNetworks(), *connection.listAllStoragePools()]:
                if thing.isActive():
                    thing.destroy()
                with suppress(libvirt.libvirtError):
                    thing.undefine()

    def close(self) -> None:
        """End everything that it started."""
        if self.process is not None and self.process.poll() is None:
            with suppress(Exception):
                self.clear()
        self.stop()
        for file in (self.folder / "run/libvirt").rglob("*.pid"):
            self._kill(str(file.relative_to(self.folder / "run/libvirt")))

    def _kill(self, file: str) -> None:
        """End the process whose number is in FILE below /run/libvirt."""
        with suppress(OSError, ValueError):
            os.kill(int((self.folder / "run/libvirt" / file).read_text()), signal.SIGKILL)


@contextmanager
def libvirtd(folder: Path, cache: Path) -> Iterator[Libvirtd]:
    """A started libvirtd below FOLDER (whose path must be short: a Unix socket lies in it), with its CACHE."""
    made = Libvirtd(folder, cache)
    try:
        made.start()
        yield made
    finally:
        made.close()
