"""How a job is ended: with what it started, by force where it does not listen, and the worker takes no other."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from minion import descendants, workers
from minion.pipe import Done, Run
from minion.workers import Workers
from tests.integration.system import wait_for

# Takes SIGTERM as nothing, starts a command in a session of its own that does so too, and a network guard.
STUBBORN = """\
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
inner = "import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
command = subprocess.Popen([sys.executable, "-c", inner], start_new_session=True)
guard = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)", "minion.guard"], start_new_session=True)
with open(os.environ["PIDS"] + "~", "w") as file:
    file.write(f"{command.pid} {guard.pid}")
os.rename(os.environ["PIDS"] + "~", os.environ["PIDS"])
time.sleep(300)
"""


class Listener:
    """Hears of ends and of nothing else."""

    def __init__(self) -> None:
        self.ends: list[tuple[str, Done]] = []

    def started(self, jid: str, pid: int) -> None:
        pass

    def done(self, jid: str, done: Done) -> None:
        self.ends.append((jid, done))

    def __getattr__(self, name: str) -> Callable[..., None]:
        raise AssertionError(f"{name} was not to be expected")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_job_that_ignores_its_deadline_is_killed_with_its_commands_but_not_the_guard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pids = tmp_path / "pids"
    script = tmp_path / "worker"
    script.write_text(f"#!{sys.executable}\n{STUBBORN}")
    script.chmod(0o755)
    monkeypatch.setenv("PIDS", str(pids))
    monkeypatch.setattr(workers, "sys", SimpleNamespace(executable=str(script)))
    monkeypatch.setattr(workers, "GRACE_S", 0.2)
    listener = Listener()

    async def run() -> None:
        pool = Workers(tmp_path, "n1", 60.0, listener)
        pool.submit(Run("1", "state.apply", b"[]", b"{}", b"", 0, 3600.0))
        await until("it began", pids.exists)
        pool._overdue(pool._workers[0], "1", 3600.0)  # as the timer does
        await until("it ended", lambda: listener.ends)
        pool.close()

    asyncio.run(run())
    command, guard = map(int, pids.read_text().split())
    try:
        [(jid, done)] = listener.ends
        assert (jid, done.outcome, done.died) == ("1", "killed", True)
        assert done.value == b'"The job was ended at its deadline of 3600 s (signal SIGKILL)."'
        wait_for("its command is gone", lambda: not alive(command))
        assert alive(guard)
    finally:
        os.kill(guard, signal.SIGKILL)


async def until(what: str, true: Callable[[], Any]) -> None:
    for _ in range(6000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(what)


def test_a_group_whose_number_belongs_to_another_now_gets_no_signal() -> None:
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as process:
        try:
            [real] = [group for group in descendants.groups_below(os.getpid()) if group.id == process.pid]
            descendants.Group(process.pid, real.began - 1).signal(signal.SIGKILL)
            assert process.poll() is None
        finally:
            real.signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
