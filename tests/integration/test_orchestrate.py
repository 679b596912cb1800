"""Orchestrations: a real master and real minions, in the order that an SLS gives."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.commands import Ran, run
from tests.integration.system import BIN, System, wait_for
from tests.patience import WAIT_S

PLATFORM = """
filer:
  salt.state:
    - tgt: 'filer*'
    - sls: storage
nodes:
  salt.state:
    - tgt: 'node*'
    - sls: node
    - batch: 1
    - require:
      - salt: filer
front end:
  salt.function:
    - name: cmd.run
    - tgt: node1
    - arg: ['echo front >> {{ pillar.marks }}']
    - require:
      - salt: nodes
who:
  salt.runner:
    - name: manage.up
    - order: first
"""
STATE = "mark:\n  cmd.run:\n    - name: echo {{ grains.id }} >> {{ pillar.marks }}\n"
REACTION = """
platform:
  runner.state.orchestrate:
    - args: {mods: platform, pillar: {marks: {{ data.marks }} } }
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("orchestrate")
    system = System(folder)
    (system.pillar / "top.sls").write_text("base: {'*': [marks]}")
    (system.pillar / "marks.sls").write_text(f"marks: {folder / 'marks'}\n")
    (system.states / "storage.sls").write_text(STATE)
    (system.states / "node.sls").write_text(STATE)
    (system.states / "platform.sls").write_text(PLATFORM)
    (system.states / "react.sls").write_text(REACTION)
    system.configure(reactor=[{"deploy/start": ["salt://react.sls"]}])
    try:
        system.start()
        for name in ("filer1", "node1", "node2"):
            system.prepare(name).start()
        wait_for("all are up", lambda: len(system.runner("manage.up")) == 3)
        yield system
    finally:
        system.close()


@pytest.fixture
def marks(made: System) -> Iterator[Path]:
    """Where the minions write that they were here."""
    file = made.folder / "marks"
    yield file
    file.unlink(missing_ok=True)


def orchestrate(made: System, text: str | None, *words: str, pillar: dict[str, Any] | None = None) -> Ran:
    """Run TEXT (None: the SLS `platform`) as an orchestration."""
    if text is not None:
        (made.states / "own.sls").write_text(text)
    given = {"marks": str(made.folder / "marks"), **(pillar or {})}
    sls = "platform" if text is None else "own"
    return run("saltern-run", made.master.root, "state.orchestrate", sls, f"pillar={json.dumps(given)}", *words)


def results(ran: Ran) -> dict[str, Any]:
    """The results by id."""
    return {state["__id__"]: state for state in ran.returns["master"].values()}


def test_the_filer_comes_before_the_nodes_and_they_before_the_front_end(made: System, marks: Path) -> None:
    ran = orchestrate(made, None, "--out", "json", "--progress")
    assert ran.code == 0, ran.text
    lines = marks.read_text().split()
    assert (lines[0], set(lines[1:3]), lines[3]) == ("filer1", {"node1", "node2"}, "front")
    found = results(ran)
    assert found["nodes"]["changes"]["ret"].keys() == {"node1", "node2"}
    assert found["nodes"]["comment"] == "Changed: node1, node2"
    assert found["who"]["__run_num__"] == 0
    assert list(ran.returns["master"])[1] == "salt_|-filer_|-filer_|-state"
    assert "master  [3/4] nodes" in ran.err
    jobs = made.runner("jobs.list_jobs")
    jid, job = [(jid, job) for jid, job in jobs.items() if job["Function"] == "state.orchestrate"][-1]
    assert job["Arguments"] == [["platform"], {"pillar": ["marks"]}]
    assert made.runner("jobs.lookup_jid", jid)["Result"]["master"]["return"] == ran.returns["master"]
    assert jobs[found["nodes"]["__jid__"]]["Target"] == "node*"
    shown = run("saltern-run", made.master.root, "jobs.lookup_jid", jid)
    assert "Total states run:     4" in shown.out


def test_test_mode_changes_nothing_and_says_what_would_happen(made: System, marks: Path) -> None:
    ran = orchestrate(made, None, "test=True", "--out", "json")
    assert ran.code == 0, ran.text
    assert not marks.exists()
    found = results(ran)
    assert {id: state["result"] for id, state in found.items()} == dict.fromkeys(found)
    assert found["filer"]["comment"] == "Would change: filer1"
    assert found["front end"]["comment"] == "Would run cmd.run on node1"
    assert found["who"]["comment"] == "Would call the runner manage.up"


def test_what_fails_keeps_what_requires_it_from_running_and_says_why(made: System, marks: Path) -> None:
    (made.states / "broken.sls").write_text("stop:\n  cmd.run:\n    - name: exit 3\n")
    text = PLATFORM.replace("sls: storage", "sls: broken")
    ran = orchestrate(made, text + "rescue:\n  salt.runner:\n    - name: manage.down\n    - onfail: [salt: filer]\n")
    assert ran.code == 1
    assert not marks.exists()
    assert "Failed on 1 of 1 minions: filer1" in ran.out
    assert "filer1: cmd.run stop:" in ran.out
    assert ran.out.count("One or more requisite failed: own.") == 2
    assert "the runner manage.down was called" in ran.out
    assert "Failed:    3" in ran.out


@pytest.mark.parametrize(
    ("options", "code", "comment"),
    [
        ("", 1, "Failed on 1 of 3 minions: node2"),
        ("    - allow_fail: 1\n", 0, "Failed on 1 of 3 minions, and 1 may fail: node2"),
        ("    - allow_fail: 34%\n", 0, "Failed on 1 of 3 minions, and 1 may fail: node2"),
        ("    - fail_minions: node2\n", 0, "node2 did not succeed, which is allowed:"),
        ("    - batch: 1\n    - failhard: True\n", 1, "Failed on 1 of 3 minions: node2"),
    ],
)
def test_failures_of_minions_are_named_and_counted(made: System, options: str, code: int, comment: str) -> None:
    (made.states / "one_fails.sls").write_text(
        "{% if grains.id == 'node2' %}stop:\n  cmd.run:\n    - name: exit 3\n{% else %}fine:\n  test.nop\n{% endif %}\n"
    )
    ran = orchestrate(made, f"all:\n  salt.state:\n    - tgt: '*'\n    - sls: one_fails\n{options}", "--out", "json")
    assert ran.code == code, ran.text
    assert comment in results(ran)["all"]["comment"]


def test_a_batch_with_failhard_ends_with_the_first_that_fails(made: System, marks: Path) -> None:
    text = (
        "all:\n  salt.function: [name: cmd.run, tgt: 'node*', arg: ['echo >> {{ pillar.marks }}; exit 1'], batch: 1, "
    )
    ran = orchestrate(made, text + "failhard: True]\n", "--out", "json")
    assert ran.code == 1
    assert marks.read_text() == "\n"
    assert "node2: refused: Not sent: 1 of 2 minions failed" in results(ran)["all"]["comment"]
    marks.unlink()
    orchestrate(made, text + "failhard: True, fail_minions: node1]\n")
    assert marks.read_text() == "\n\n"


def test_a_minion_that_is_away_has_failed_unless_that_is_expected(made: System) -> None:
    made.minions["node2"].stop(signal.SIGKILL)
    made.wait_down("node2")
    text = "ping:\n  salt.function:\n    - name: test.ping\n    - tgt: 'node*'\n"
    try:
        ran = orchestrate(made, text, "--out", "json")
        assert ran.code == 1
        assert "  node2: offline: Minion is offline (last seen" in results(ran)["ping"]["comment"]
        assert orchestrate(made, text + "    - expect_minions: False\n").code == 0
        ran = orchestrate(made, text.replace("'node*'", "[node1, nobody]"), "--out", "json")
        assert "  nobody: unknown: no minion of this id is accepted" in results(ran)["ping"]["comment"]
    finally:
        made.minions["node2"].start()
        made.wait_up("node2")


def test_events_are_waited_for_also_those_that_came_while_their_cause_ran(made: System) -> None:
    text = """
tell:
  salt.function:
    - name: event.send
    - tgt: 'node*'
    - arg: [ready]
seen:
  salt.wait_for_event:
    - name: minion/*/ready
    - id_list: [node1, node2]
    - timeout: 60
    - require: [salt: tell]
never:
  salt.wait_for_event:
    - name: salt/nothing
    - timeout: 0.1
    - require: [salt: seen]
"""
    found = results(orchestrate(made, text, "--out", "json"))
    assert found["seen"]["result"] is True
    assert "node1, node2 came" in found["seen"]["comment"]
    assert found["never"]["comment"] == "No event salt/nothing came within 0.1 s"


@pytest.mark.parametrize(("sls", "comes"), [("quiet", False), ("node", True)])
def test_prereq_asks_the_minions_in_test_mode(made: System, marks: Path, sls: str, comes: bool) -> None:
    (made.states / "quiet.sls").write_text("quiet:\n  test.nop\n")
    drain = "drain:\n  salt.runner: [name: manage.up, prereq: [salt: change]]\n"
    text = f"{drain}change:\n  salt.state: [tgt: node1, sls: {sls}]\n"
    found = results(orchestrate(made, text, "--out", "json"))
    assert found["drain"]["__run_num__"] == 0
    assert (found["drain"]["comment"] == "the runner manage.up was called") is comes
    assert found["drain"].get("__state_ran__", True) is comes
    assert marks.exists() is comes


def test_runners_templates_wheel_and_orchestrations_below(made: System, marks: Path) -> None:
    text = """
{% for id in salt['saltutil.runner']('manage.up') if id.startswith('node') %}
mark {{ id }}:
  salt.function:
    - name: cmd.run
    - tgt: {{ id }}
    - arg: ['echo {{ id }} >> {{ pillar.marks }}']
    - parallel: True
{% endfor %}
below:
  salt.runner:
    - name: state.orchestrate
    - mods: platform
    - pillar: {marks: {{ pillar.marks }} }
both:
  salt.parallel_runners:
    - runners:
        one: {name: manage.up}
        two: [{name: event.send}, {arg: [deploy/done]}]
keys:
  salt.wheel:
    - name: key.list
"""
    ran = orchestrate(made, text, "--out", "json")
    assert ran.code == 0, ran.text
    found = results(ran)
    assert sorted(marks.read_text().split()) == ["filer1", "front", "node1", "node1", "node2", "node2"]
    assert "salt_|-nodes_|-nodes_|-state" in found["below"]["changes"]["return"]["master"]
    assert found["both"]["changes"]["ret"] == {"one": ["filer1", "node1", "node2"], "two": "deploy/done"}
    assert [key["id"] for key in found["keys"]["changes"]["return"]["accepted"]] == ["filer1", "node1", "node2"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x:\n  salt.stat:\n    - tgt: a\n", "own.sls:2:3: there is no state 'salt.stat' for orchestrations. Did you"),
        ("x:\n  salt.state:\n    - sls: a\n", "own.sls:2:3: salt.state wants the argument 'tgt'"),
        ("x:\n  salt.runner:\n    - name: manage.upp\n", "own.sls:1:1: there is no runner 'manage.upp'. Did you mean"),
        (
            "x:\n  salt.runner:\n    - name: manage.up\n    - a: 1\n",
            "own.sls:1:1: manage.up: got an unexpected keyword",
        ),
        ("x:\n  file.managed: []\n", "own.sls:2:3: file.managed is a state for minions"),
        (
            "x:\n  salt.state: [tgt: '*', sls: storag]\n",
            "own.sls:2:26: there is no SLS 'storag'. Did",
        ),
        ("x:\n  salt.state: [tgt: 'a and', tgt_type: compound, sls: node]\n", "own.sls:1:1:"),
        ("x:\n  salt.state: [tgt: '*', sls: a, unless: b]\n", "unless has no meaning in an orchestration"),
        ("x:\n  salt.state: [tgt: '*', sls: a, require: [salt: y]]\n", "own.sls:2:"),
        ("{{ salt['saltutil.runner']('jobs.prune', 1) }}", "own.sls:1:29: a template can call runners that only tell"),
        ("{{ grains.id }}", "own.sls:1:"),
        ("", "the SLS own has no states"),
    ],
)
def test_a_bad_file_is_one_clear_error_and_nothing_runs(made: System, text: str, said: str) -> None:
    before = len(made.runner("jobs.list_jobs"))
    ran = orchestrate(made, text)
    assert ran.code in (1, 2)
    assert (ran.out, said in ran.err) == ("", True), ran.err
    assert len(made.runner("jobs.list_jobs")) == before


def test_an_orchestration_that_calls_itself_ends(made: System) -> None:
    text = "again:\n  salt.runner:\n    - name: state.orchestrate\n    - mods: own\n    - test: {{ opts.test }}\n"
    ran = orchestrate(made, text, "--out", "json")
    assert (ran.code, results(ran)["again"]["comment"]) == (1, "the runner state.orchestrate failed: again")
    assert "is called by itself: 8 orchestrations lie above this one" in ran.out


def test_no_minion_and_no_sls_are_told(made: System) -> None:
    ran = orchestrate(made, "x:\n  salt.function:\n    - name: test.ping\n    - tgt: nobody\n")
    assert (ran.code, "own.sls:1:1: no minion matches 'nobody'" in ran.out) == (1, True), ran.text
    ran = run("saltern-run", made.master.root, "state.orchestrate", "platfrm")
    assert ran.code == 1
    assert "there is no SLS 'platfrm' in environment 'base'. Did you mean 'platform'?" in ran.err


def test_the_reactor_can_call_one(made: System, marks: Path) -> None:
    made.data(op="runner", function="event.send", args=["deploy/start", {"marks": str(marks)}], kwargs={})
    wait_for("it is done", lambda: marks.exists() and "front" in marks.read_text())
    assert marks.read_text().startswith("filer1")
    assert made.runner("jobs.last_run", "cmd.run")["User"] == "reactor"
    wait_for("nothing is left of it", lambda: not made.runner("jobs.active"))


def test_a_command_that_ends_leaves_it_to_go_on(made: System) -> None:
    (made.states / "own.sls").write_text("long:\n  salt.wait_for_event: [name: deploy/go-on]\n")
    command = [str(BIN / "saltern-run"), "--root", str(made.master.root), "--progress", "state.orchestrate", "own"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "long" in process.stderr.readline()  # it waits, and the command knows
        process.send_signal(signal.SIGINT)
        assert "goes on; its result: saltern-run --root" in process.communicate(timeout=WAIT_S)[1]
    assert process.returncode == 130
    assert len(made.runner("jobs.active")) == 1
    made.runner("event.send", "deploy/go-on")
    wait_for("it ended", lambda: not made.runner("jobs.active"))
    assert made.runner("jobs.last_run", "state.orchestrate")["Result"]["master"]["outcome"] == "done"


def test_an_orchestration_can_be_stopped(made: System) -> None:
    (made.states / "own.sls").write_text("long:\n  salt.wait_for_event: [name: salt/never]\n")
    command = [str(BIN / "saltern-run"), "--root", str(made.master.root), "state.orchestrate", "own"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for("it waits", lambda: made.runner("jobs.active"))
        [jid] = made.runner("jobs.active")
        made.runner("jobs.stop", jid)
        assert f"the orchestration was stopped by `jobs.stop {jid}`" in process.communicate(timeout=WAIT_S)[1]
    assert process.returncode == 1
    assert made.runner("jobs.lookup_jid", jid)["Result"]["master"]["outcome"] == "killed"
    assert (
        "no orchestration runs as job"
        in made.ask(op="runner", function="jobs.stop", args=[jid], kwargs={})[0]["message"]
    )


def test_where_the_master_ends_in_the_middle_the_history_says_so(made: System) -> None:
    text = "first:\n  salt.runner: [name: manage.up]\nlong:\n  salt.wait_for_event: [name: salt/never]\n"
    (made.states / "own.sls").write_text(text)
    command = [str(BIN / "saltern-run"), "--root", str(made.master.root), "state.orchestrate", "own"]
    for number in (signal.SIGTERM, signal.SIGKILL):
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            wait_for(
                "it waits", lambda: '"at step 2 of 2: long"' in json.dumps(made.runner("jobs.last_run", "state.*"))
            )
            made.master.stop(number)
            assert "was cut off, jobs of minions go on" in process.communicate(timeout=WAIT_S)[1]
        assert process.returncode == 1
        assert "Traceback" not in made.master.log
        made.start()
        end = made.runner("jobs.last_run", "state.orchestrate")["Result"]["master"]
        assert end["outcome"] == "lost"
        assert end["return"].startswith("Lost: the master ended in the middle of it at step 2 of 2: long.")


def test_the_masters_own_schedule_runs_one(made: System) -> None:
    (made.states / "scheduled.sls").write_text("up:\n  salt.runner: [name: manage.up]\n")
    items = {"at start": {"function": "state.orchestrate", "args": ["scheduled"], "run_on_start": True}}
    made.configure(schedule={**items, "wrong": {"function": "manage.upp", "hours": 1}})
    made.master.stop()
    made.start()
    wait_for("it ran", lambda: '"schedule"' in json.dumps(made.runner("jobs.list_jobs")))
    assert "there is no runner 'manage.upp'" in made.runner("schedule.list")["wrong"]["problem"]
    assert made.master.log.count("schedule: at start begins") == 1
