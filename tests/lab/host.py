"""One lab host: a user-mode Linux kernel over the machine's own tree, with systemd as its first process."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.lab.channel import Answer, Channel, CommandTimeout, HostDown, LabError
from tests.lab.process import Kept
from tests.lab.switch import Switch
from tests.lab.tree import hidden, shown, write_tree
from tests.patience import patient

KERNEL = "linux.uml"
INIT = Path(__file__).with_name("init")
DISK_BYTES = 2 * 1024**3  # sparse: it takes what is written
BOOT_TIMEOUT_S = 90.0  # many times what it takes, for a machine that is busy with other things


class Host:
    """A host NAME of a lab. Its disk lives in DIRECTORY/NAME and outlives a reboot and a power cut."""

    def __init__(
        self,
        name: str,
        *,
        switch: Switch,
        directory: Path,
        address: str,
        hosts: Mapping[str, str],
        memory_mib: int,
        cpu: int,
    ) -> None:
        """Make the host's disk and its own files. ADDRESS is its management address; HOSTS becomes /etc/hosts; CPU is
        the machine's processor that runs it: see `_command`."""
        self.name, self.address, self._switch = name, address, switch
        self._memory_mib, self._cpu = memory_mib, cpu
        self.directory = directory / name
        self.console = self.directory / "console.log"
        self._kernel: Kept | None = None
        self._channel: Channel | None = None
        self.on_since = 0.0  # seconds since the epoch, by the machine's clock
        self.directory.mkdir()
        (self.directory / "requests").mkdir()
        write_tree(self.directory / "tree", name, hosts)
        (self.directory / "hide").write_text("\n".join(hidden()) + "\n")
        (self.directory / "show").write_text("".join(f"{path}\n" for path in shown()))
        disk = self.directory / "disk"
        with disk.open("wb") as file:
            file.truncate(DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", str(disk)], check=True, capture_output=True, timeout=60)

    @property
    def running(self) -> bool:
        """True while the host's kernel runs."""
        return self._kernel is not None and self._kernel.running

    def start(self) -> None:
        """Switch the host on; `wait_booted` waits for it."""
        if self.running:
            raise LabError(f"{self.name} is running already")
        shutil.rmtree(self.directory / "uml", ignore_errors=True)
        self.on_since = time.time()
        self._channel = Channel(self.name, self.directory / "requests")
        with self.console.open("ab") as log:
            self._kernel = self._switch.start_host(
                self._command(self._channel.remote), output=log, pass_fds=[self._channel.remote], cwd=self.directory
            )
        self._channel.close_remote()

    def wait_booted(self, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Wait until systemd has reached its target. LabError, with the console's end, where a unit failed."""
        deadline = time.monotonic() + patient(timeout_s)
        try:
            ready = self._line().wait_ready(patient(timeout_s))
        except HostDown as error:
            raise LabError(f"{error}\n{self.console_tail()}") from None
        if not ready:
            raise LabError(f"{self.name} did not start within {patient(timeout_s):g} s\n{self.console_tail()}")
        left_s = max(deadline - time.monotonic(), 1.0)
        argv = ["systemctl", "is-system-running", "--wait"]
        state = self.run(argv, timeout_s=left_s, check=False).stdout.strip()
        if state != "running":
            failed = self.run(["systemctl", "list-units", "--failed", "--plain", "--no-legend"]).stdout
            raise LabError(f"{self.name} is {state}, not running: {failed}\n{self.console_tail()}")

    def run(
        self,
        argv: Sequence[str],
        *,
        timeout_s: float = 30.0,
        check: bool = True,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
    ) -> subprocess.CompletedProcess[str]:
        """Run ARGV inside the host as root, whatever its network does. TIMEOUT_S on a machine of usual speed.

        Raises LabError where it can't be started or, with CHECK, where it fails; CommandTimeout; HostDown.
        """
        limit_s = patient(timeout_s)
        answer: Answer = self._line().run(argv, stdin=stdin.encode(), env=env or {}, cwd=cwd, timeout_s=limit_s)
        stdout, stderr = (text.decode(errors="replace") for text in (answer.stdout, answer.stderr))
        if check and answer.code:
            raise LabError(f"{self.name}: `{' '.join(argv)}` ended with {answer.code}:\n{stderr or stdout}")
        return subprocess.CompletedProcess(list(argv), answer.code, stdout, stderr)

    def read(self, path: str) -> str:
        """The contents of the file PATH inside the host."""
        return self.run(["cat", "--", path]).stdout

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Write TEXT to the file PATH inside the host, with the directories on the way."""
        self.run(["install", "-D", f"--mode={mode:o}", "--", "/dev/stdin", path], stdin=text)

    def put(self, source: Path, path: str, *, mode: int = 0o644) -> None:
        """Copy the file SOURCE of the machine to PATH inside the host, with the directories on the way."""
        passed = self.directory / "requests" / "file"
        shutil.copyfile(source, passed)
        try:
            argv = ["install", "-D", f"--mode={mode:o}", "--", "/run/saltern-lab/file", path]
            self.run(argv)
        finally:
            passed.unlink()

    def stop(self) -> None:
        """Shut the host down as an administrator does; cut its power where that takes too long."""
        if self.running:
            with suppress(HostDown, CommandTimeout):  # down before it could say so, or beyond saying anything
                self.run(["systemctl", "poweroff"], timeout_s=10, check=False)
            assert self._kernel is not None
            self._kernel.wait(20)
        self.kill()

    def kill(self) -> None:
        """Cut the power: what the host had not written to its disk is lost."""
        if self._kernel is not None:
            self._kernel.stop()
        if self._channel is not None:
            self._channel.close()
        self._kernel = self._channel = None

    def reboot(self) -> None:
        """Shut down, start again, and wait until the host has booted."""
        self.stop()
        self.start()
        self.wait_booted()

    def console_tail(self, lines: int = 25) -> str:
        """The last LINES that the console printed."""
        text = self.console.read_text(errors="replace") if self.console.exists() else ""
        return "\n".join([f"--- {self.console}, its end:", *text.splitlines()[-lines:]])

    def _line(self) -> Channel:
        if self._channel is None:
            raise HostDown(f"{self.name} is not running")
        return self._channel

    def _command(self, line: int) -> list[str]:
        return [
            # The kernel and the processes that it traces run in turns. On one processor a turn costs a third or less.
            *("taskset", "--cpu-list", str(self._cpu)),
            KERNEL,
            f"mem={self._memory_mib}M",
            "rootfstype=hostfs",
            "rootflags=/",
            "ro",
            f"init={INIT}",
            f"umid={self.name}",
            f"uml_dir={self.directory / 'uml'}/",
            # gro: else segments that the switch joined are dropped
            f"vec0:transport=tap,ifname={self.name},depth=128,gro=1,mac={_mac(self.address)}",
            f"ubda={self.directory / 'disk'}",
            "con=null",
            "con0=null,fd:1",
            f"ssl0=fd:{line}",
            "ssl=null",
            "quiet",
            f"LAB={self.directory}",
            f"LAB_NAME={self.name}",
            f"LAB_ADDRESS={self.address}/24",
        ]


def _mac(address: str) -> str:
    """The MAC address of the host with the management ADDRESS: the same at each boot, as hardware has it."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))
