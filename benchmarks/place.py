"""A master of its own for a benchmark, below a temporary root in memory, and accepted keys for its minions."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from master import keys, store
from saltern.cli.client import events
from saltern.wire.keys import KeyPair, load_or_make, new_pair


@dataclass
class Place:
    """ROOT is the master's; MINIONS maps ids to their wire and seal pairs, which the master has accepted."""

    root: Path
    control_port: int
    files_port: int
    master: KeyPair
    minions: dict[str, tuple[KeyPair, KeyPair]]
    process: subprocess.Popen[bytes] = field(init=False)

    def publish(self, function: str, *args: object, target: str = "*") -> list[dict[str, object]]:
        """Publish a job and take all events until its end."""
        return list(
            events(
                str(self.root), {"op": "publish", "target": target, "form": "glob", "function": function, "args": args}
            )
        )

    def runner(self, function: str) -> list[dict[str, object]]:
        """Call a runner: its events."""
        return list(events(str(self.root), {"op": "runner", "function": function, "args": [], "kwargs": {}}))

    def start(self) -> None:
        """Start the master and wait until its door is open."""
        door = self.root / "run/saltern/master.sock"
        door.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [str(Path(sys.executable).with_name("saltern-master")), "--root", str(self.root)]
        )
        deadline = time.monotonic() + 15
        while not door.exists() and time.monotonic() < deadline:
            time.sleep(0.02)

    def wait_up(self, count: int, timeout_s: float = 120) -> None:
        """Wait until COUNT minions are connected."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if len(self.runner("manage.up")[0]["data"]) >= count:  # type: ignore[arg-type]
                return
            time.sleep(0.2)
        raise RuntimeError(f"not all of {count} minions came")


@contextmanager
def master(count: int) -> Iterator[Place]:
    """A running master that has accepted COUNT minions, `sim-0000` and on."""
    root = Path(tempfile.mkdtemp(prefix="saltern-bench-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    control, files = free_port(), free_port()
    (root / "etc/saltern").mkdir(parents=True)
    for tree in ("states", "pillar"):
        (root / "srv/saltern" / tree).mkdir(parents=True)
    (root / "etc/saltern/master").write_text(
        f"interface: 127.0.0.1\npublish_address: 127.0.0.1\ncontrol_port: {control}\nfiles_port: {files}\n"
    )
    folder = root / "var/lib/saltern/master"
    pair = load_or_make(folder / "keys/master.key")
    minions = {f"sim-{number:04d}": (new_pair(), new_pair()) for number in range(count)}
    connection = store.connect(folder / "master.db")
    connection.executemany(
        "INSERT INTO keys VALUES (?, ?, ?, ?, ?)",
        [(wire.public, name, keys.ACCEPTED, seal.public, time.time()) for name, (wire, seal) in minions.items()],
    )
    connection.close()
    place = Place(root, control, files, pair, minions)
    try:
        place.start()
        yield place
    finally:
        place.process.terminate()
        place.process.wait(15)
        shutil.rmtree(root, ignore_errors=True)


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
