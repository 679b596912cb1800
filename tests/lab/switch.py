"""The switch that joins the lab hosts: a Linux bridge with one tap a host, in a network namespace of its own.

Tagged frames pass the bridge untouched, so every port is a trunk. Frames without a tag are the management network, on
which the machine is 198.51.100.1 (a range reserved for documentation, RFC 5737). In a namespace no name, address or
firewall rule of the machine is in the way, labs can run side by side, and the kernel removes bridge and taps together
with the last process in it: a lab that was killed leaves nothing to clean.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tests.lab.channel import LabError
from tests.lab.process import Kept
from tests.patience import patient

BRIDGE = "lab0"
NETWORK = "198.51.100"
MACHINE = f"{NETWORK}.1"


class Switch:
    """A switch with a trunk port for each of HOSTS (names of at most 15 bytes, as interfaces have)."""

    def __init__(self, hosts: Sequence[str]) -> None:
        """Build the switch. LabError says what is missing."""
        self._holder = Kept(["sleep", "infinity"], prefix=["unshare", "--net", "--"], grace_s=0)
        self._prefix = ["nsenter", f"--net=/proc/{self._holder.process.pid}/ns/net", "--"]
        try:
            self._wait_for_namespace()
            self._ip(
                "link set lo up",
                f"link add {BRIDGE} type bridge stp_state 0",
                f"address add {MACHINE}/24 dev {BRIDGE}",
                f"link set {BRIDGE} up",
                *(line for host in hosts for line in _port(host)),
            )
        except BaseException:
            self.remove()
            raise

    def run(
        self, argv: Sequence[str], *, timeout_s: float = 30.0, check: bool = True, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run ARGV on the machine, in the switch's network namespace."""
        done = subprocess.run(
            [*self._prefix, *argv], input=stdin, capture_output=True, text=True, timeout=patient(timeout_s), check=False
        )
        if check and done.returncode:
            raise LabError(f"`{' '.join(argv)}` failed on the switch: {(done.stderr or done.stdout).strip()}")
        return done

    def start(self, argv: Sequence[str], *, output: IO[bytes] | int, grace_s: float = 5.0) -> Kept:
        """Start a daemon on the machine that serves the management network; it ends with the lab."""
        return Kept(argv, prefix=self._prefix, output=output, grace_s=grace_s)

    def start_host(self, argv: Sequence[str], *, output: IO[bytes], pass_fds: Sequence[int], cwd: Path) -> Kept:
        """Start a host's kernel: at the switch, and in a PID namespace, so that all of it ends at once."""
        prefix = [*self._prefix, "unshare", "--pid", "--fork", "--"]
        return Kept(argv, prefix=prefix, output=output, pass_fds=pass_fds, grace_s=0, cwd=cwd)

    def plug(self, host: str, *, into: bool = True) -> None:
        """Plug the cable of HOST into the switch, or pull it (at the switch's end: the host keeps its carrier)."""
        self._ip(f"link set {host} {f'master {BRIDGE}' if into else 'nomaster'}")

    def remove(self) -> None:
        """Remove the switch. Hosts must have been stopped before."""
        self._holder.stop()

    def _ip(self, *lines: str) -> None:
        self.run(["ip", "-batch", "-"], stdin="\n".join(lines) + "\n")

    def _wait_for_namespace(self) -> None:
        """`unshare` makes the namespace a moment after it was started."""
        ours = Path("/proc/self/ns/net").readlink()
        theirs = Path(f"/proc/{self._holder.process.pid}/ns/net")
        while self._holder.running:
            if theirs.readlink() != ours:
                return
        raise LabError("a network namespace can't be made here: the lab needs root and a kernel with namespaces")


def _port(host: str) -> list[str]:
    return [f"tuntap add dev {host} mode tap", f"link set {host} master {BRIDGE}", f"link set {host} up"]
