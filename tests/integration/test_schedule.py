"""A real minion that runs what its schedule says, also while its master is away."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.system import System, system, wait_for


@pytest.fixture
def one(tmp_path: Path) -> Any:
    with system(tmp_path) as made:
        yield made


def write(made: System, **texts: str) -> None:
    for name, text in texts.items():
        folder, _, file = name.partition("__")
        (made.folder / "master/srv/saltern" / folder / f"{file}.sls").write_text(text)


def runs(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


def jobs(made: System, function: str) -> dict[str, Any]:
    return {jid: job for jid, job in made.runner("jobs.list_jobs").items() if job["Function"] == function}


def test_an_item_of_pillar_runs_also_while_the_master_is_away_and_its_returns_arrive(
    one: System, tmp_path: Path
) -> None:
    marks = tmp_path / "marks"
    write(
        one,
        states__top="base: {'*': [mark]}",
        states__mark=f"note:\n  cmd.run:\n    - name: python3 -c \"open('{marks}','a').write('x ')\"\n",
        pillar__top="base: {'*': [schedule]}",
        pillar__schedule="schedule:\n  highstate:\n    function: state.apply\n    seconds: 1\n",
    )
    one.minion("m1")
    wait_for("the first runs", lambda: len(runs(marks)) >= 2)
    one.master.stop(signal.SIGKILL)
    before = len(runs(marks))
    wait_for("runs without a master", lambda: len(runs(marks)) >= before + 2)
    one.start()
    one.wait_up("m1")
    one.publish("m1", "schedule.disable")
    wait_for("all have ended", lambda: one.publish("m1", "saltutil.running")["m1"]["return"] == [])
    count = len(runs(marks))
    wait_for("every return is here", lambda: len(jobs(one, "state.apply")) >= count)
    assert len(jobs(one, "state.apply")) == count


def test_the_configuration_has_items_too_and_pillar_wins_over_it(one: System, tmp_path: Path) -> None:
    write(one, pillar__top="base: {'*': [schedule]}", pillar__schedule="schedule: {b: {function: test.nop, days: 2}}\n")
    item = "{function: test.nop, days: 1}"
    one.prepare("m1")
    with (one.folder / "m1/etc/saltern/minion").open("a") as file:
        file.write(f"schedule: {{a: {item}, b: {item}}}\n")
    one.minions["m1"].start()
    one.wait_up("m1")

    def days() -> dict[str, int]:
        listed = one.publish("m1", "schedule.list")["m1"]["return"]["schedule"]
        return {name: item["days"] for name, item in listed.items()}

    wait_for("both are known", lambda: days() == {"a": 1, "b": 2})


def test_a_run_that_was_cut_off_is_reported_as_lost_and_not_repeated(one: System, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    minion = one.minion("m1")
    code = f"import time; open('{marks}','a').write('x '); time.sleep(600)"
    added = one.publish("m1", "schedule.add", "long", function="cmd.run", args=[f'python3 -c "{code}"'], days=300)
    assert added["m1"]["return"] == {"result": True, "comment": "Added long to the schedule"}
    jid = one.publish("m1", "schedule.run_job", "long")["m1"]["return"]["jid"]
    wait_for("it runs", lambda: runs(marks))
    minion.stop(signal.SIGKILL)
    minion.start()
    one.wait_up("m1")
    wait_for("it is reported", lambda: jid in jobs(one, "cmd.run"))
    found = one.runner("jobs.lookup_jid", jid)
    assert "lost" in str(found)
    assert runs(marks) == ["x"]
    assert "long" in one.publish("m1", "schedule.list")["m1"]["return"]["schedule"]


def test_what_makes_no_sense_is_told_and_stops_nothing_else(one: System) -> None:
    write(
        one,
        pillar__top="base: {'*': [schedule]}",
        pillar__schedule="schedule:\n  bad: {function: test.ping, cron: 61 * * * *}\n"
        "  good: {function: test.ping, hours: 1}\n",
    )
    minion = one.minion("m1")
    wait_for("the pillar is read", lambda: "good" in one.publish("m1", "schedule.list")["m1"]["return"]["schedule"])
    listed = one.publish("m1", "schedule.list")["m1"]["return"]["schedule"]
    assert "has a cron that is none: '61 * * * *'" in listed["bad"]["problem"]
    assert listed["good"]["next"]
    wait_for("it is in the log", lambda: "it does not run" in minion.log)
    for arguments, expected in (
        ({"name": "x", "function": "test.ping"}, "does not say when"),
        ({"name": "good", "function": "test.ping", "hours": 1}, "is there already"),
    ):
        returned = one.publish("m1", "schedule.add", **arguments)["m1"]
        assert (returned["success"], expected in returned["return"]) == (False, True), returned
    returned = one.publish("m1", "schedule.delete", "god")["m1"]
    assert "Did you mean 'good'?" in returned["return"]
