"""Jobs in their worker processes: what a crash, a kill or the end of the agent in the middle comes to."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.integration.system import Daemon, System, wait_for


@pytest.fixture
def n1(master: System) -> Daemon:
    """A connected minion."""
    return master.minion("n1")


def begin(master: System, function: str, *args: object) -> str:
    request = {"op": "publish", "target": "n1", "function": function, "args": list(args), "async": True}
    jid = master.ask(**request)[0]["jid"]
    assert isinstance(jid, str)
    return jid


def end_of(master: System, jid: str) -> dict[str, object]:
    found: dict[str, object] = {}

    def ended() -> bool:
        found.update(master.runner("jobs.lookup_jid", jid)["Result"]["n1"])
        return found["outcome"] not in ("sent", "received")

    wait_for(f"job {jid} ends", ended)
    return found


def started(tmp_path: Path, master: System, work: str = "sleep 600") -> str:
    """A job that has begun (it wrote a line to tmp_path/begun) and does some WORK."""
    jid = begin(master, "cmd.run", f"echo x >> {tmp_path}/begun; {work}; echo y >> {tmp_path}/ended")
    wait_for("it runs", (tmp_path / "begun").exists)
    return jid


def test_a_minion_that_is_killed_in_a_job_says_lost_and_does_not_run_it_again(
    tmp_path: Path, master: System, n1: Daemon
) -> None:
    jid = started(tmp_path, master)
    n1.stop(signal.SIGKILL)
    n1.start()
    master.wait_up("n1")
    end = end_of(master, jid)
    assert end["outcome"] == "lost"
    assert "not run again" in str(end["return"])
    assert master.publish("n1", "test.ping")["n1"]["return"] is True
    assert (tmp_path / "begun").read_text() == "x\n"


def test_a_job_goes_on_while_the_master_is_away_and_its_return_comes_later(
    tmp_path: Path, master: System, n1: Daemon
) -> None:
    jid = started(tmp_path, master, f"until [ -e {tmp_path}/go ]; do sleep 0.1; done")
    master.master.stop(signal.SIGKILL)
    (tmp_path / "go").touch()
    wait_for("it ends", (tmp_path / "ended").exists)
    master.start()
    master.wait_up("n1")
    assert end_of(master, jid)["outcome"] == "done"
    assert (tmp_path / "begun").read_text() == "x\n"


def test_a_return_survives_the_minion_being_killed_before_it_was_confirmed(
    tmp_path: Path, master: System, n1: Daemon
) -> None:
    jid = started(tmp_path, master, f"until [ -e {tmp_path}/go ]; do sleep 0.1; done")
    master.master.stop(signal.SIGKILL)
    (tmp_path / "go").touch()
    wait_for("it ends", (tmp_path / "ended").exists)
    journal = n1.root / "var/lib/saltern/minion/jobs.journal"
    wait_for("its return is noted", lambda: b"owed" in journal.read_bytes())
    n1.stop(signal.SIGKILL)
    master.start()
    n1.start()
    master.wait_up("n1")
    assert end_of(master, jid)["outcome"] == "done"
    assert (tmp_path / "begun").read_text() == "x\n"


def test_a_running_job_is_shown_and_can_be_killed(tmp_path: Path, master: System, n1: Daemon) -> None:
    jid = started(tmp_path, master)
    [running] = master.publish("n1", "saltutil.running")["n1"]["return"]
    assert (running["jid"], running["fun"]) == (jid, "cmd.run")
    assert jid in master.runner("jobs.active")
    assert f"job {jid}" in master.publish("n1", "saltutil.kill_job", jid)["n1"]["return"]
    assert end_of(master, jid)["outcome"] == "killed"
    assert master.publish("n1", "saltutil.running")["n1"]["return"] == []
    assert not (tmp_path / "ended").exists()


def test_a_long_job_does_not_hold_up_others(tmp_path: Path, master: System, n1: Daemon) -> None:
    jid = started(tmp_path, master)
    assert master.publish("n1", "cmd.run", "echo quick")["n1"]["return"] == "quick"
    master.publish("n1", "saltutil.kill_job", jid)
    end_of(master, jid)


def test_a_worker_that_dies_costs_its_job_and_nothing_else(tmp_path: Path, master: System, n1: Daemon) -> None:
    end = master.publish("n1", "cmd.run", "kill -9 $PPID")["n1"]
    assert end["outcome"] == "failed"
    assert "SIGKILL" in end["return"]
    assert master.publish("n1", "test.version")["n1"]["success"]


def test_a_command_that_waits_is_told_when_its_time_is_over(tmp_path: Path, master: System, n1: Daemon) -> None:
    events = master.ask(op="publish", target="n1", function="cmd.run", args=["sleep 600"], timeout=1)
    assert [event["outcome"] for event in events if event["event"] == "return"] == ["timed out"]
    jid = events[0]["jid"]
    master.publish("n1", "saltutil.kill_job", jid)
    assert end_of(master, jid)["outcome"] == "killed"


def test_a_return_that_is_too_large_is_said_so(master: System, n1: Daemon) -> None:
    end = master.publish("n1", "cmd.run", "head -c 9000000 /dev/zero | tr '\\0' '\"'")["n1"]
    assert end["outcome"] == "failed"
    assert "too large" in end["return"]
    assert master.publish("n1", "test.ping")["n1"]["return"] is True


def test_one_state_run_at_a_time(tmp_path: Path, master: System, n1: Daemon) -> None:
    (master.states / "slow.sls").write_text(f"wait:\n  cmd.run:\n    - name: echo x > {tmp_path}/begun; sleep 600\n")
    jid = begin(master, "state.apply", "slow")
    wait_for("it runs", (tmp_path / "begun").exists)
    second = master.publish("n1", "state.apply", "slow")["n1"]
    assert not second["success"]
    assert jid in str(second["return"])
    master.publish("n1", "saltutil.kill_job", jid)
    assert end_of(master, jid)["outcome"] == "killed"
    (master.states / "slow.sls").write_text("wait:\n  test.nop: []\n")
    assert master.publish("n1", "state.apply", "slow")["n1"]["success"]
