"""What the master knows afterwards: the jobs that were run, why a state run fails, what differs from the states."""

from __future__ import annotations

from tests.integration.commands import run
from tests.integration.system import System, wait_for


def test_a_failing_highstate_is_explained_by_what_changed(master: System) -> None:
    (master.states / "top.sls").write_text("base: {'*': [web]}")
    (master.states / "web.sls").write_text("ok:\n  test.nop: []\n")
    master.minion("n1")
    assert master.publish("n1", "state.apply")["n1"]["success"]
    assert "no state run of n1 fails" in master.runner("jobs.why", "n1")
    assert master.publish("n1", "state.apply")["n1"]["success"]  # the same tree has the same revision
    (master.states / "web.sls").write_text("broken:\n  test.fail_without_changes: []\n")
    assert not master.publish("n1", "state.apply")["n1"]["success"]
    [why] = master.runner("jobs.why", "n1")
    assert why["failed_first"]["state"] == "test.fail_without_changes broken"
    assert why["changed"]["trees"].keys() == {"base"}
    assert (why["changed"]["pillar"], why["changed"]["grains"]) == (False, {})
    failed = master.ask(op="runner", function="jobs.list_jobs", args=[], kwargs={"outcome": "failed", "since": "1h"})
    assert list(failed[0]["data"]) == [why["jid"]]
    assert master.runner("jobs.exit_success", why["jid"]) == {"n1": False}


def test_drift_is_reported_with_the_time_it_was_first_seen(master: System) -> None:
    file = master.folder / "motd"
    (master.states / "top.sls").write_text("base: {'*': [motd]}")
    (master.states / "motd.sls").write_text(f"{file}:\n  file.managed:\n    - contents: hello\n")
    master.minion("n1")
    assert "not checked yet" in run("saltern-run", master.master.root, "drift.report").out
    master.publish("n1", "state.apply", test=True)
    master.publish("n1", "state.apply", test=True)
    wait_for("it is known", lambda: master.runner("drift.report")[0]["state"])
    [line] = master.runner("drift.report", "n*")
    assert (line["minion"], line["state"]) == ("n1", f"file.managed {file}")
    assert line["since"] <= line["last_seen"]
    shown = run("saltern-run", master.master.root, "drift.report")
    assert "n1" in shown.out
    assert "file.managed" in shown.out
    master.publish("n1", "state.apply")
    master.publish("n1", "state.apply", test=True)
    wait_for("it is gone", lambda: master.runner("drift.report") == [])
