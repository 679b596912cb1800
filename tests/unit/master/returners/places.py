"""What tests of returners need: a store with ends, and a place that fails until it is told to work."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from master import jobs
from master.jobs import End, Job, Target
from master.returners import outbox
from master.returners.outbox import Return
from master.returners.returner import Refused
from master.store import connect
from tests.patience import WAIT_S


class Away:
    """Takes nothing until WORKS is set, and never those of the functions REFUSED."""

    def __init__(self, refused: Sequence[str] = ()) -> None:
        self.got: list[str] = []
        self.works = threading.Event()
        self._refused = refused

    def deliver(self, returns: Sequence[Return]) -> None:
        if not self.works.is_set():
            raise OSError("connection refused for hunter2")
        if any(one.function in self._refused for one in returns):
            raise Refused("no such thing here")
        self.got += [one.jid for one in returns]

    def close(self) -> None:
        pass


class Kept:
    """A master's database in FILE without the master: as `outbox.Outbox`, at once."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.connection = connect(file)
        self.lock = threading.Lock()
        self.number = 0

    def begin(self, *names: str, most: int = outbox.MOST) -> dict[str, int]:
        with self.lock:
            return outbox.begin(self.connection, names, most)

    def end(self, function: str = "test.ping", value: bytes = b"true", minion: str = "n1") -> str:
        """A job ended on MINION: its jid."""
        self.number += 1
        jid, public = f"{self.number:020d}", minion.encode().ljust(32)
        job = Job(jid, function, b"[]", b"{}", "*", "glob", "root", 0.0, {public: Target(public, minion, "sent")})
        with self.lock:
            jobs.create(self.connection, job)
            assert jobs.store(self.connection, [End(jid, public, "done", True, 0, value, 1.0)], 1.0) == ["stored"]
        return jid

    def reader(self) -> sqlite3.Connection:
        return sqlite3.connect(self.file, timeout=WAIT_S, isolation_level=None)

    def delivered(self, name: str, last: int) -> None:
        with self.lock:
            outbox.delivered(self.connection, name, last)
