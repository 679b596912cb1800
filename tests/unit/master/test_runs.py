"""What is remembered of state runs: why they fail since when, and what differs since when."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from master import drift, jobs, runs, store
from master.jobs import End, Job, Target

KEY = b"a" * 32
GOOD = {"test_|-a_|-a_|-nop": {"result": True, "changes": {}, "comment": "", "__run_num__": 0}}
BROKEN = "pkg_|-web_|-nginx_|-installed"


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    connection = store.connect(tmp_path / "master.db")
    yield connection
    connection.close()


def run(
    db: sqlite3.Connection,
    hour: int,
    value: Any,
    *,
    test: bool = False,
    tree: str = "t1",
    pillar: str = "p1",
    grains: dict[str, Any] | None = None,
    args: tuple[object, ...] = (),
    outcome: str = "",
) -> str:
    """A state run of minion `a` at HOUR that returned VALUE."""
    jid = f"20261121{hour:02d}0000000000"
    kwargs = json.dumps({"test": True} if test else {}).encode()
    target = {KEY: Target(KEY, "a", "sent")}
    jobs.create(db, Job(jid, "state.apply", json.dumps(args).encode(), kwargs, "a", "list", "minion/a", hour, target))
    well = isinstance(value, dict) and all(one["result"] is not False for one in value.values())
    used = json.dumps({"trees": {"base": tree}, "pillar": pillar}).encode()
    how = outcome or ("done" if well else "failed")
    end = End(jid, KEY, how, well, 0 if well else 2, json.dumps(value).encode(), 1.0, used)
    jobs.store(db, [end], hour)
    runs.note(db, end, "state.apply", "a", {"os": "Debian"} if grains is None else grains)
    return jid


def state(result: bool | None, comment: str = "", number: int = 1, **changes: Any) -> dict[str, Any]:
    return {"result": result, "comment": comment, "changes": changes, "__run_num__": number}


def test_what_failed_first_and_what_had_changed_is_said(db: sqlite3.Connection) -> None:
    good = run(db, 1, GOOD)
    bad = run(
        db,
        2,
        {**GOOD, "z_|-z_|-z_|-z": state(False, "later", 5), BROKEN: state(False, "no such package", 2)},
        tree="t2",
        grains={"os": "Ubuntu"},
    )
    run(db, 3, {BROKEN: state(False, "still not there")}, tree="t3")
    [found] = runs.why(db, "a")
    assert (found["jid"], found["since"], found["runs_since"]) == (bad, "2026-11-21 02:00:00", 2)
    assert found["failed_first"] == {"state": "pkg.installed web", "comment": "no such package"}
    assert found["fails_now"]["comment"] == "still not there"
    assert found["last_good"]["jid"] == good
    assert found["changed"] == {
        "trees": {"base": {"old": "t1", "new": "t2"}},
        "pillar": False,
        "grains": {"os": {"old": "Debian", "new": "Ubuntu"}},
    }


def test_what_went_well_again_is_no_failure(db: sqlite3.Connection) -> None:
    run(db, 1, {BROKEN: state(False)})
    run(db, 2, GOOD)
    assert runs.why(db, "a") == []


def test_runs_of_other_states_are_told_apart_and_test_mode_is_passed_over(db: sqlite3.Connection) -> None:
    run(db, 1, GOOD)
    run(db, 2, {BROKEN: state(False)}, args=("web",))
    run(db, 3, {BROKEN: state(False)}, test=True)
    [found] = runs.why(db, "a")
    assert (found["what"], found["last_good"]) == ("state.apply web", None)


def test_a_run_that_was_refused_says_why(db: sqlite3.Connection) -> None:
    run(db, 1, GOOD)
    run(db, 2, "pillar/top.sls:3: no such key", outcome="refused")
    assert runs.why(db, "a")[0]["failed_first"] == {"outcome": "refused", "comment": "pillar/top.sls:3: no such key"}


def test_drift_is_known_since_it_was_first_seen_and_gone_when_a_run_shows_nothing(db: sqlite3.Connection) -> None:
    changed = {BROKEN: state(None, "nginx would be installed")}
    run(db, 1, changed, test=True)
    run(db, 2, {**GOOD, **changed}, test=True)
    [line] = drift.report(db, ["a"])
    assert line == {
        "minion": "a",
        "state": "pkg.installed web",
        "difference": "nginx would be installed",
        "since": "2026-11-21 01:00:00",
        "last_seen": "2026-11-21 02:00:00",
    }
    run(db, 3, GOOD, test=True)
    assert drift.report(db, ["a"]) == []


def test_an_apply_that_repaired_it_ends_drift_and_one_that_failed_does_not(db: sqlite3.Connection) -> None:
    run(db, 1, {BROKEN: state(None, "x"), "b_|-b_|-b_|-b": state(None, "y")}, test=True)
    run(db, 2, {BROKEN: state(False, "no network"), "b_|-b_|-b_|-b": state(True, "done", b=1)})
    [line] = drift.report(db, ["a"])
    assert (line["difference"], line["since"]) == ("no network", "2026-11-21 01:00:00")


def test_an_older_run_that_arrives_late_says_nothing_about_now(db: sqlite3.Connection) -> None:
    run(db, 5, GOOD, test=True)
    run(db, 4, {BROKEN: state(None, "x")}, test=True)
    assert drift.report(db, ["a"]) == []


def test_a_run_that_did_not_get_to_its_states_leaves_what_is_known(db: sqlite3.Connection) -> None:
    run(db, 1, {BROKEN: state(None, "x")}, test=True)
    run(db, 2, ["the pillar does not render"], test=True)
    assert len(drift.report(db, ["a"])) == 1


def test_who_was_never_checked_is_said_so(db: sqlite3.Connection) -> None:
    assert "not checked yet" in drift.report(db, ["a"])[0]["difference"]


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "expected"),
    [
        ("state.apply", [], {}, ("highstate", False)),
        ("state.highstate", [{"test": True}], {}, ("highstate", True)),
        ("state.apply", ["web"], {"test": True, "saltenv": "dev"}, ("state.apply web saltenv=dev", True)),
        ("state.test", [], {}, ("highstate", True)),
    ],
)
def test_a_call_is_told_by_what_it_converges_to(
    function: str, args: list[Any], kwargs: dict[str, Any], expected: tuple[str, bool]
) -> None:
    assert runs.call_of(function, args, kwargs) == expected
