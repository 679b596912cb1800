"""Servers of the test's own, each a private instance below a folder that goes with it: PostgreSQL and Redis."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.integration.system import free_port, wait_for
from tests.patience import WAIT_S

PASSWORD = "correct-horse"


class Server:
    """A server's process, listening on the loopback; `start` and `kill` it as often as you like. AT_ONCE is the signal
    by which it ends without tidying up."""

    def __init__(self, folder: Path, argv: list[str], port: int, at_once: signal.Signals) -> None:
        self.folder, self.argv, self.port, self.at_once = folder, argv, port, at_once
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(f"{self.argv} listens", self._listens)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.process:
            self.process.send_signal(self.at_once)
            self.process.wait(WAIT_S)
            self.process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """The kernel takes connections for it in this block, but it says nothing."""
        assert self.process
        all_of_it = [
            self.process.pid,
            *map(int, Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()),
        ]
        _signal(all_of_it, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(all_of_it, signal.SIGCONT)

    def _listens(self) -> bool:
        if self.process and self.process.poll() is not None:
            raise AssertionError((self.folder / "log").read_text())
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def _signal(processes: list[int], number: signal.Signals) -> None:
    for pid in processes:
        with suppress(ProcessLookupError):  # it ended meanwhile, as PostgreSQL's do after each connection
            os.kill(pid, number)


@contextmanager
def postgresql() -> Iterator[Server]:
    """A PostgreSQL that is not started, with the superuser `saltern`, who has PASSWORD."""
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))[-1]
    folder, port = Path(tempfile.mkdtemp(prefix="saltern-pg-")), free_port()
    try:
        shutil.chown(folder, "postgres", "postgres")
        (folder / "password").write_text(PASSWORD)
        (folder / "password").chmod(0o644)
        as_postgres = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL", "--"]
        words = ["-U", "saltern", "-A", "scram-sha-256", f"--pwfile={folder}/password", "--no-sync", "-E", "UTF8"]
        made = subprocess.run(
            [*as_postgres, str(binaries / "initdb"), "-D", str(folder / "data"), "--no-locale", *words],
            capture_output=True,
            timeout=WAIT_S,
            cwd=folder,
        )
        assert made.returncode == 0, made.stderr.decode()
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        argv = [*as_postgres, str(binaries / "postgres"), "-D", str(folder / "data"), *options]
        server = Server(folder, argv, port, signal.SIGQUIT)  # SIGKILL would leave its shared memory behind
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder)


@contextmanager
def redis() -> Iterator[Server]:
    """A Redis that is not started, whose user has PASSWORD, and that keeps what it has over `kill`."""
    folder, port = Path(tempfile.mkdtemp(prefix="saltern-redis-")), free_port()
    words = ["--bind", "127.0.0.1", "--requirepass", PASSWORD, "--appendonly", "yes", "--appendfsync", "always"]
    server = Server(folder, ["redis-server", "--port", str(port), "--dir", str(folder), *words], port, signal.SIGKILL)
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder)
