"""`saltern-call` beside a real agent and its master."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.system import BIN, Daemon, System, wait_for
from tests.patience import WAIT_S


class Call:
    """A `saltern-call` that has ended."""

    def __init__(self, daemon: Daemon, *words: str) -> None:
        done = subprocess.run(
            [str(BIN / "saltern-call"), "--root", str(daemon.root), "--out", "json", *words],
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        assert "Traceback" not in self.out + self.err, self.err

    @property
    def value(self) -> Any:
        """What the function returned."""
        return json.loads(self.out)["local"]


def results(value: dict[str, Any]) -> dict[str, Any]:
    """The result of each state by its name."""
    return {state["name"]: state["result"] for state in value.values()}


@pytest.fixture
def node(master: System) -> Daemon:
    """A minion whose master has states and pillar for it."""
    (master.pillar / "top.sls").write_text("base:\n  n1: [site]\n")
    (master.pillar / "site.sls").write_text("site: {name: home}\n")
    target = master.folder / "n1" / "made"
    (master.states / "top.sls").write_text("base:\n  n1: [site]\n")
    (master.states / "site.sls").write_text(
        f"{target}:\n  file.managed:\n    - source: salt://hello\n    - template: jinja\n"
    )
    (master.states / "hello").write_text("{{ pillar.site.name }} of {{ grains.id }}\n")
    return master.minion("n1")


def made(node: Daemon) -> Path:
    """What the states make."""
    return node.root / "made"


def called_by(master: System, minion: str) -> list[dict[str, Any]]:
    """The jobs that the minion ran by itself."""
    jobs: dict[str, dict[str, Any]] = master.runner("jobs.list_jobs")
    return [{"jid": jid, **job} for jid, job in jobs.items() if job["User"] == f"minion/{minion}"]


def test_states_and_pillar_are_those_of_the_master(master: System, node: Daemon) -> None:
    assert Call(node, "pillar.items").value == {"site": {"name": "home"}}
    run = Call(node, "state.apply")
    assert (run.code, run.err) == (0, "")
    assert results(run.value) == {str(made(node)): True}
    assert made(node).read_text() == "home of n1\n"
    again = Call(node, "state.apply")
    assert [state["changes"] for state in again.value.values()] == [{}]


def test_the_master_gets_to_know_what_was_run(master: System, node: Daemon) -> None:
    Call(node, "test.echo", "hi there")
    Call(node, "state.apply", "site", "test=True")
    assert Call(node, "state.apply", "none").code == 1
    wait_for("the master knows", lambda: len(called_by(master, "n1")) == 3)
    echo, tried, failed = called_by(master, "n1")
    assert (echo["Function"], echo["Arguments"], echo["Target"]) == ("test.echo", ["hi there"], "n1")
    assert master.runner("jobs.lookup_jid", echo["jid"])["Result"]["n1"]["return"] == "hi there"
    assert tried["Arguments"] == ["site", {"test": True}]
    end = master.runner("jobs.lookup_jid", failed["jid"])["Result"]["n1"]
    assert (end["outcome"], end["success"], end["retcode"]) == ("failed", False, 1)


def test_a_wrong_call_is_told_here_and_to_no_one_else(master: System, node: Daemon) -> None:
    wrong = Call(node, "test.pong")
    assert (wrong.code, wrong.out) == (2, "")
    assert "Did you mean" in wrong.err
    extra = Call(node, "--pillar-root", str(node.root), "test.ping")
    assert extra.code == 2
    assert "--pillar-root goes with --local" in extra.err
    assert called_by(master, "n1") == []


def test_without_a_master_the_last_trees_and_pillar_hold(master: System, node: Daemon) -> None:
    assert Call(node, "state.apply").code == 0
    made(node).unlink()
    master.master.stop()
    wait_for("the agent notices", lambda: "not connected" in Call(node, "pillar.items").err)
    run = Call(node, "state.apply")
    assert run.code == 0, run.out
    assert "WARNING: the last trees and pillar that came from the master are used: the master is not" in run.err
    assert len(run.err.splitlines()) == 1
    assert made(node).read_text() == "home of n1\n"
    assert Call(node, "pillar.get", "site:name").value == "home"
    master.start()
    wait_for("the return arrives", lambda: "state.apply" in [job["Function"] for job in called_by(master, "n1")[1:]])


def test_a_master_that_dies_over_a_question_is_not_waited_for(master: System, node: Daemon) -> None:
    assert Call(node, "state.apply").code == 0
    made(node).unlink()
    assert master.master.process is not None
    master.master.process.send_signal(signal.SIGSTOP)
    argv = [str(BIN / "saltern-call"), "--root", str(node.root), "state.apply"]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        time.sleep(2)  # so that it waits for the master by then
        master.master.stop(signal.SIGKILL)
        said = run.communicate(timeout=WAIT_S)[1]
    assert run.returncode == 0
    assert "are used: the master is not connected: " in said
    assert made(node).read_text() == "home of n1\n"


def test_what_a_job_brought_holds_too_when_the_master_is_gone(master: System, node: Daemon) -> None:
    assert master.publish("n1", "state.apply")["n1"]["success"]
    made(node).unlink()
    master.master.stop()
    wait_for("the agent notices", lambda: "not connected" in Call(node, "pillar.items").err)
    assert Call(node, "state.apply").code == 0
    assert made(node).read_text() == "home of n1\n"


def test_what_was_never_fetched_is_missed_by_name_of_the_cause(master: System, node: Daemon) -> None:
    assert Call(node, "pillar.items").code == 0
    master.master.stop()
    wait_for("the agent notices", lambda: "not connected" in Call(node, "pillar.items").err)
    run = Call(node, "state.apply")
    assert run.code == 1
    assert "no master is connected" in run.out
    assert not made(node).exists()


def test_without_any_bundle_the_cause_is_told(master: System) -> None:
    daemon = master.prepare("n1")
    master.master.stop()
    daemon.start()  # an agent that has been connected asks for its pillar by itself
    wait_for("the agent is there", lambda: "not connected" in Call(daemon, "pillar.items").out)
    run = Call(daemon, "pillar.items")
    assert run.code == 1
    assert "there are no states and no pillar here yet" in run.value
    assert Call(daemon, "test.ping").value is True


def test_a_pillar_with_a_mistake_is_not_passed_over(master: System, node: Daemon) -> None:
    assert Call(node, "state.apply").code == 0
    made(node).unlink()
    (master.pillar / "site.sls").write_text("site: {{ nothing }}\n")
    run = Call(node, "state.apply")
    assert run.code == 1
    assert "site.sls:1" in run.out
    assert not made(node).exists()


def test_a_return_is_owed_also_when_the_agent_is_killed(master: System, node: Daemon) -> None:
    import signal

    master.master.stop()
    assert Call(node, "test.echo", "kept").code == 0
    node.stop(signal.SIGKILL)
    node.start()
    master.start()
    wait_for("the return arrives", lambda: [job["Arguments"] for job in called_by(master, "n1")] == [["kept"]])


def test_without_an_agent_it_is_said_what_to_do(master: System, tmp_path: Path) -> None:
    daemon = master.prepare("n1")
    run = Call(daemon, "test.ping")
    assert (run.code, run.out) == (1, "")
    socket = daemon.root / "run/saltern/minion.sock"
    assert run.err == (
        f"saltern-call: the agent is not running: nobody listens on {socket}\n"
        f"Start it with: saltern-minion --root {daemon.root}\n"
        "Or use only what is on this node: saltern-call --local\n"
    )
    assert Call(daemon, "--local", "test.ping").value is True


def test_one_state_run_at_a_time_whoever_started_it(master: System, node: Daemon) -> None:
    (master.states / "slow.sls").write_text("sleep 600:\n  cmd.run\n")
    begun = master.ask(op="publish", target="n1", function="state.apply", args=["slow"], **{"async": True})
    wait_for("it runs", lambda: Call(node, "state.running").value != [])
    assert Call(node, "state.apply").code == 1
    assert not made(node).exists()
    master.publish("n1", "saltutil.kill_job", begun[0]["jid"])
