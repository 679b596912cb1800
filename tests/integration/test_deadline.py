"""A deadline for a job: at it, the job ends with all that it started, says so, and leaves no lock behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.integration.system import System, wait_for

SLOW = """\
first:
  test.nop: []
second:
  cmd.run:
    - name: echo $$ > {pid}; while :; do sleep 1; done
"""


def test_a_state_run_ends_at_its_deadline_with_the_step_it_had_reached(master: System, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    (master.states / "slow.sls").write_text(SLOW.format(pid=pid))
    (master.states / "quick.sls").write_text("quick:\n  test.nop: []\n")
    minion = master.prepare("n1")
    with (minion.root / "etc/saltern/minion").open("a") as file:
        file.write("job_deadline: 3\n")
    minion.start()
    master.wait_up("n1")
    for seconds, given in ((3, {}), (15, {"deadline": 15}), (60, {"deadline": "1m"})):
        end = master.publish("n1", "state.apply", "slow", **given)["n1"]
        told = f"The job was ended at its deadline of {seconds} s (signal SIGTERM)"
        assert (end["outcome"], end["success"], end["return"].startswith(told)) == ("killed", False, True)
        if pid.exists() and pid.read_text():  # else this machine was too slow to get there
            break
    assert end["return"] == f"{told}, at step 2 of 2: second."
    _has_ended(pid)
    assert master.publish("n1", "state.apply", "quick", deadline="1h")["n1"]["success"]
    assert master.publish("n1", "test.ping", deadline=5)["n1"]["return"] is True  # the agent answers that itself
    wrong = master.publish("n1", "state.apply", "quick", deadline="soon")["n1"]
    assert (wrong["outcome"], "deadline= takes" in wrong["return"]) == ("refused", True)
    _of_the_schedule(master, pid)


def _of_the_schedule(master: System, pid: Path) -> None:
    pid.unlink()
    command = f"echo $$ > {pid}; while :; do sleep 1; done"
    item = {"function": "cmd.run", "args": [command], "kwargs": {"deadline": 3}, "hours": 1}
    assert master.publish("n1", "schedule.add", "slow", **item)["n1"]["success"]
    jid = master.publish("n1", "schedule.run_job", "slow")["n1"]["return"]["jid"]

    def end() -> dict[str, Any]:
        found: dict[str, Any] = master.runner("jobs.list_jobs").get(jid) and master.runner("jobs.lookup_jid", jid)
        return found["Result"]["n1"] if found else {}

    wait_for("it is told", lambda: end().get("outcome") == "killed")
    assert end()["return"] == "The job was ended at its deadline of 3 s (signal SIGTERM)."
    if pid.exists() and pid.read_text():
        _has_ended(pid)


def _has_ended(pid: Path) -> None:
    shell = int(pid.read_text())
    wait_for("its command has ended", lambda: not Path(f"/proc/{shell}").exists() or _is_zombie(shell))


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
