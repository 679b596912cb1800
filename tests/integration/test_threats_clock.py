"""Time as an enemy: a clock that is a day wrong, a master that is kept away, states that are made of two times."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from saltern.wire import bundle as bundles
from tests.integration import commands
from tests.integration.system import Daemon, System, wait_for

DAY = 86400
SHIFTED = """
import functools, os, time
shift = float(os.environ["SHIFT_S"])
wall, wall_ns, local, utc, text = time.time, time.time_ns, time.localtime, time.gmtime, time.strftime
time.time = lambda: wall() + shift
time.time_ns = lambda: wall_ns() + int(shift * 1e9)
def at(convert, moment=None): return convert(time.time() if moment is None else moment)
time.localtime, time.gmtime = functools.partial(at, local), functools.partial(at, utc)
time.strftime = lambda form, at=None: text(form, local(time.time()) if at is None else at)
"""


@pytest.fixture
def shift(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the clock of all that is started from then on wrong, by so many seconds."""
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock/sitecustomize.py").write_text(SHIFTED)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'clock'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    def by(seconds: float) -> None:
        monkeypatch.setenv("SHIFT_S", str(seconds))

    by(0)
    return by


def mark(master: System, daemon: Daemon, text: str) -> Path:
    """States that write TEXT to a file of the node, of a file of the tree."""
    target = daemon.root / "made"
    (master.states / "top.sls").write_text("base:\n  '*': [mark]\n")
    (master.states / "mark.sls").write_text(f"{target}:\n  file.managed:\n    - source: salt://source\n")
    (master.states / "source").write_text(text)
    return target


@pytest.mark.parametrize("seconds", [DAY, -DAY], ids=["ahead", "behind"])
def test_a_node_whose_clock_is_a_day_wrong_does_its_jobs_in_order_and_is_named(
    shift: Any, master: System, seconds: int
) -> None:
    shift(seconds)
    daemon = master.prepare("n1")  # the token is good by the master's clock, whatever the node's says
    daemon.start()
    master.wait_up("n1")
    target = mark(master, daemon, "one")
    first = master.ask(op="publish", target="n1", function="state.apply")
    assert first[-1] == {"event": "end", "ok": True}, first
    assert target.read_text() == "one"
    assert commands.run("saltern-call", daemon.root, "state.apply").code == 0
    added = master.publish("n1", "schedule.add", "now", function="state.apply", days=300)
    assert added["n1"]["success"], added
    run = master.publish("n1", "schedule.run_job", "now")["n1"]["return"]["jid"]
    wait_for("its return is here", lambda: run in master.runner("jobs.list_jobs"))
    last = master.ask(op="publish", target="n1", function="state.apply")
    shown = [jid for jid, job in master.runner("jobs.list_jobs").items() if job["Function"] == "state.apply"]
    assert shown == sorted(shown) == [first[0]["jid"], shown[1], run, last[0]["jid"]]
    assert all(abs(at_of(jid) - time.time()) < 600 for jid in shown), shown
    way = "ahead of" if seconds > 0 else "behind"
    assert f"n1: its clock is 24.0 hours {way} this master's" in master.master.log
    assert f"the clock of this node is 24.0 hours {way} its master's: set it right" in daemon.log
    assert "Traceback" not in daemon.log + master.master.log


def at_of(jid: str) -> float:
    return time.mktime(time.strptime(jid[:14], "%Y%m%d%H%M%S"))


def test_a_master_whose_clock_goes_wrong_and_right_again_loses_no_job_and_keeps_their_order(
    shift: Any, master: System
) -> None:
    master.minion("n1")
    jids = []
    for seconds in (0, DAY, -DAY, 0):
        master.master.stop()
        shift(seconds)
        master.start()
        master.wait_up("n1")
        events = master.ask(op="publish", target="n1", function="test.echo", args=[seconds], queue=60)
        assert [event["return"] for event in events if event["event"] == "return"] == [seconds]
        jids.append(events[0]["jid"])
    assert jids == sorted(set(jids))
    for jid in jids:
        assert master.runner("jobs.lookup_jid", jid)["Result"]["n1"]["outcome"] == "done"


def test_a_node_that_is_kept_from_its_master_says_that_its_states_are_old(master: System) -> None:
    daemon = master.prepare("n1")
    with (daemon.root / "etc/saltern/minion").open("a") as configuration:
        configuration.write("stale_after_hours: 5\n")
    daemon.start()
    master.wait_up("n1")
    target = mark(master, daemon, "one")
    fresh = commands.run("saltern-call", daemon.root, "state.apply")
    assert (fresh.code, target.read_text()) == (0, "one")
    kept = daemon.root / "var/lib/saltern/minion/cache/bundle"
    master.master.stop()
    wait_for("it is away", lambda: "was cut" in daemon.log)
    for hours, old in ((4, False), (6, True)):
        os.utime(kept, (time.time() - hours * 3600,) * 2)
        ran = commands.run("saltern-call", daemon.root, "state.apply")
        assert ran.code == 0
        assert ("old: these states and this pillar came 6 hours ago" in re.sub(r"\s+", " ", ran.out)) is old, ran.out
    master.start()
    master.wait_up("n1")
    wait_for("both runs are here", lambda: len(of_n1(master)) == 3)
    told = [str(master.runner("jobs.lookup_jid", jid)).count("stale_after_hours: 5") for jid in of_n1(master)]
    assert told == [0, 0, 1]
    assert "old:" not in commands.run("saltern-call", daemon.root, "state.apply").out


def of_n1(master: System) -> list[str]:
    return [jid for jid, job in master.runner("jobs.list_jobs").items() if job["User"] == "minion/n1"]


def test_a_bundle_that_is_part_old_and_part_new_is_refused_before_anything_changes(master: System) -> None:
    daemon = master.minion("n1")
    target = mark(master, daemon, "one")
    kept = daemon.root / "var/lib/saltern/minion/cache/bundle"
    made = []
    for text in ("one", "two"):
        (master.states / "source").write_text(text)
        assert master.publish("n1", "state.apply")["n1"]["success"]
        made.append(bundles.decode(kept.read_bytes()))
    old, new = made
    assert old.trees != new.trees
    master.master.stop()
    wait_for("it is away", lambda: "was cut" in daemon.log)
    target.write_text("by hand")
    other, mixes = "was made for another minion or request", "mixes the pillar of one making with the trees of another"
    for mixed, refusal in (
        (msgspec.structs.replace(old, pillar=new.pillar), other),
        (msgspec.structs.replace(new, pillar=old.pillar), other),
        (msgspec.structs.replace(new, trees=old.trees), mixes),
        (msgspec.structs.replace(new, context=old.context), other),
    ):
        kept.write_bytes(bundles.encode(mixed))
        ran = commands.run("saltern-call", daemon.root, "state.apply")
        assert ran.code == 1
        assert refusal in ran.out, ran.text
        assert target.read_text() == "by hand"
    kept.write_bytes(bundles.encode(old))  # whole, it is good
    assert commands.run("saltern-call", daemon.root, "state.apply").code == 0
    assert target.read_text() == "one"
