"""Jobs that go to their minions bit by bit, and jobs that wait for minions that are away."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.integration.system import BIN, System, wait_for
from tests.patience import WAIT_S


def saltern(made: System, *argv: str) -> subprocess.CompletedProcess[str]:
    command = [str(BIN / "saltern"), "--root", str(made.master.root), *argv]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)


def latest(made: System) -> dict[str, Any]:
    jid = list(made.runner("jobs.list_jobs"))[-1]
    return {minion: end["outcome"] for minion, end in made.runner("jobs.lookup_jid", jid)["Result"].items()}


@pytest.fixture
def three(master: System) -> System:
    for name in ("n1", "n2", "n3"):
        master.prepare(name).start()
    master.wait_up("n1", "n2", "n3")
    return master


def test_a_batch_of_one_runs_one_after_the_other(three: System, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = saltern(three, "*", "-b", "1", "cmd.run", f"echo begin >> {log}; sleep 0.3; echo end >> {log}")
    assert done.returncode == 0, done.stderr
    assert log.read_text().split() == ["begin", "end"] * 3
    assert latest(three) == {"n1": "done", "n2": "done", "n3": "done"}


def test_failhard_gives_nobody_a_turn_after_a_failure(three: System, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = saltern(three, "*", "-b", "1", "--failhard", "cmd.run", f"echo x >> {log}; exit 3")
    assert done.returncode == 1
    assert log.read_text() == "x\n"
    assert sorted(latest(three).values()) == ["failed", "refused", "refused"]
    assert "Not sent: 1 of 3 minions failed, so the batch was stopped." in done.stdout


def test_a_batch_that_is_no_number_is_refused(three: System) -> None:
    done = saltern(three, "*", "-b", "many", "test.ping")
    assert (done.returncode, done.stdout) == (2, "")
    assert "a batch is a number of minions or a percentage" in done.stderr


def test_a_subset_is_as_many_as_asked(three: System) -> None:
    done = saltern(three, "*", "--subset", "2", "test.ping", "--out", "txt")
    assert (done.returncode, len(done.stdout.split("\n"))) == (0, 3)


def test_turns_that_a_master_could_not_give_any_more_are_told(three: System, tmp_path: Path) -> None:
    log, go = tmp_path / "log", tmp_path / "go"
    argv = [
        str(BIN / "saltern"),
        "--root",
        str(three.master.root),
        "*",
        "-b",
        "1",
        "cmd.run",
        f"echo x >> {log}; until [ -e {go} ]; do sleep 0.1; done",
    ]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait_for("the first runs", log.exists)
        three.master.stop(signal.SIGKILL)
    go.touch()
    three.start()
    three.wait_up("n1", "n2", "n3")
    wait_for("the first has ended", lambda: "done" in latest(three).values())
    assert sorted(latest(three).values()) == ["done", "refused", "refused"]
    assert log.read_text() == "x\n"


def test_a_queued_job_waits_for_a_minion_that_is_away_over_a_restart_of_the_master(
    three: System, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    three.minions["n3"].stop()
    three.wait_down("n3")
    done = saltern(three, "*", "--queue", "1h", "cmd.run", f"echo x >> {log}")
    assert done.returncode == 0, done.stdout
    assert "not connected, so the job waits for: n3" in done.stderr
    assert latest(three)["n3"] == "queued"
    three.master.stop(signal.SIGKILL)
    three.start()
    three.minions["n3"].start()
    wait_for("it has run", lambda: latest(three)["n3"] == "done")
    assert log.read_text() == "x\n" * 3


def test_a_queued_job_expires(three: System, tmp_path: Path) -> None:
    three.minions["n3"].stop()
    three.wait_down("n3")
    saltern(three, "n3", "--queue", "1s", "cmd.run", f"touch {tmp_path}/ran")
    wait_for("it is said", lambda: latest(three)["n3"] == "expired")
    three.minions["n3"].start()
    three.wait_up("n3")
    assert three.publish("n3", "test.ping")["n3"]["return"] is True
    assert not (tmp_path / "ran").exists()
