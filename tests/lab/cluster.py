"""A master on the machine and minions on the hosts of a lab: the real commands, as a user runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.lab import article
from tests.lab.channel import LabError
from tests.lab.host import Host
from tests.lab.lab import Lab
from tests.lab.process import Kept
from tests.lab.switch import MACHINE
from tests.patience import patient

BIN = Path(sys.executable).parent  # of the virtual environment: not resolved, or it would be Python's own
EXAMPLE = Path(__file__).parents[2] / "examples" / "opennebula"
ROLES = {"on-filer": "filer", "on-master": "master", "on-node": "node"}

MASTER = f"""\
interface: {MACHINE}
publish_address: {MACHINE}
log_level: info
"""


class Cluster:
    """The master of LAB, with its files below `root`, and the trees of TREES (a directory with states and pillar)."""

    def __init__(self, lab: Lab, trees: Path = EXAMPLE) -> None:
        """Write the master's files; `start` and `join` do the rest, as entering the context does."""
        self.lab, self.root = lab, lab.directory / "master"
        self.log = lab.directory / "master.log"
        self._master: Kept | None = None
        (self.root / "etc/saltern").mkdir(parents=True)
        (self.root / "etc/saltern/master").write_text(MASTER)
        for tree in ("states", "pillar"):
            shutil.copytree(trees / tree, self.root / "srv/saltern" / tree)
        self.key = article.prepare(self.root / "srv/saltern") if trees == EXAMPLE else None  # lets in to its guests

    def __enter__(self) -> Self:
        """Start the master, join all hosts, wait until all are there."""
        try:
            self.start()
            self.join(*self.lab.hosts)
            self.wait_up(*self.lab.hosts)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the master. The minions go with the lab."""
        self.stop()

    def start(self, timeout_s: float = 60.0) -> None:
        """Start the master and wait until it takes commands."""
        with self.log.open("ab") as log:
            self._master = self.lab.switch.start([str(BIN / "saltern-master"), "--root", str(self.root)], output=log)
        deadline = time.monotonic() + patient(timeout_s)
        while self.command(["saltern-key", "list"]).returncode:
            if not self._master.running or time.monotonic() > deadline:
                raise LabError(f"the master does not take commands:\n{self.log_tail()}")
            time.sleep(0.1)

    @property
    def group(self) -> int:
        """The process group of the master, which its keeper started."""
        if self._master is None:
            raise LabError("the master does not run")
        keeper = self._master.process.pid
        return int(Path(f"/proc/{keeper}/task/{keeper}/children").read_text())

    def stop(self) -> None:
        """Stop the master, as systemd does."""
        if self._master is not None:
            self._master.stop()
            self._master = None

    def token(self, minions: str = "on-*") -> str:
        """A join token for ids that match the glob MINIONS."""
        done = self.command(["saltern-key", "token", "--minion", minions, "--ttl", "1h", "--out", "json"])
        if done.returncode:
            raise LabError(f"saltern-key token: {done.stderr or done.stdout}")
        return str(json.loads(done.stdout)["token"])

    def join(self, *names: str) -> None:
        """Let the hosts NAMES join, each with a token of its own, and start their minions. All at once."""
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(self._join, names))

    def up(self) -> set[str]:
        """The ids of the minions that are connected. A connection that is older than the host's present boot is none:
        the master does not see at once that a host has lost its power."""
        done = self.command(["saltern-run", "manage.status", "--out", "json"])
        if done.returncode:
            return set()
        since = {
            name: datetime.fromisoformat(one["since"]).timestamp()
            for name, one in json.loads(done.stdout)["up"].items()
        }
        return {name for name, moment in since.items() if moment >= int(self.lab[name].on_since)}

    def wait_up(self, *names: str, timeout_s: float = 90.0) -> None:
        """Wait until the minions NAMES are connected. LabError with their journals where they are not."""
        deadline = time.monotonic() + patient(timeout_s)
        while missing := set(names) - self.up():
            if time.monotonic() > deadline:
                journals = "\n".join(journal(self.lab[name]) for name in sorted(missing))
                raise LabError(f"not connected: {', '.join(sorted(missing))}\n{self.log_tail()}\n{journals}")
            time.sleep(0.1)

    def command(
        self, argv: Sequence[str], *, timeout_s: float = 120.0, live: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run one of Saltern's commands on the machine, with this master as the one that it talks to.

        LIVE: its standard error, with the progress of a job, goes where this process's does.
        """
        return subprocess.run(
            [str(BIN / argv[0]), "--root", str(self.root), *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if live else subprocess.PIPE,
            text=True,
            timeout=patient(timeout_s),
            check=False,
            env={**os.environ, "NO_COLOR": "1"},
        )

    def returns(self, argv: Sequence[str], *, timeout_s: float = 120.0, live: bool = False) -> Mapping[str, Any]:
        """What the minions returned to ARGV, by id; see `command`. LabError where there is no such thing to read."""
        done = self.command([argv[0], "--out", "json", "--static", *argv[1:]], timeout_s=timeout_s, live=live)
        try:
            read = json.loads(done.stdout)
        except ValueError:
            read = None
        if not isinstance(read, dict):
            raise LabError(f"`{' '.join(argv)}` ended with {done.returncode}:\n{done.stderr or ''}\n{done.stdout}")
        return read

    def write_sls(self, name: str, text: str) -> None:
        """Write the SLS file NAME into the state tree."""
        (self.root / "srv/saltern/states" / f"{name}.sls").write_text(text)

    def log_tail(self, lines: int = 25) -> str:
        """The last LINES of what the master logged."""
        return "\n".join([f"--- {self.log}, its end:", *self.log.read_text(errors="replace").splitlines()[-lines:]])

    def _join(self, name: str) -> None:
        host = self.lab[name]
        role = next((role for prefix, role in ROLES.items() if name.startswith(prefix)), "none")
        host.write("/etc/saltern/minion", f"id: {name}\ngrains:\n  role: {role}\n")
        host.run([str(BIN / "saltern-minion"), "join", self.token(name)], timeout_s=60)
        host.run(["systemctl", "enable", "--now", "saltern-minion"], timeout_s=60)


def journal(host: Host) -> str:
    """The end of what the minion on HOST logged."""
    done = host.run(["journalctl", "--unit=saltern-minion", "--no-pager", "--lines=20", "--output=cat"], check=False)
    return f"--- the minion of {host.name}:\n{done.stdout}"
