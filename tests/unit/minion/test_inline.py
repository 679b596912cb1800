"""The functions that the agent answers itself."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from minion.inline import Running, answered, functions
from minion.pipe import Step
from saltern.wire import messages as m


def ask(function: str, *args: Any, **kwargs: Any) -> tuple[str, Any]:
    """How FUNCTION ends where the job 7 runs as process 70, and its value."""
    job = Running("7", "state.apply")
    job.pid, job.step, job.since = 70, Step(2, 5, "motd"), 1000.0
    found = functions({"7": job}, lambda jid, number: 70)
    asked = m.Job("8", function, json.dumps(args).encode(), b"{}", "root", b"")
    done = answered(found[function], asked, json.dumps(kwargs).encode())
    assert (done.success, done.retcode) == (done.outcome == "done", int(done.outcome != "done"))
    return done.outcome, json.loads(done.value)


def test_what_runs_is_told_with_its_step() -> None:
    outcome, (told,) = ask("saltutil.running")
    assert (outcome, told["jid"], told["fun"], told["pid"]) == ("done", "7", "state.apply", 70)
    assert told["progress"] == {"step": 2, "total": 5, "id": "motd"}
    assert ask("saltutil.is_running", "state.*") == ("done", [told])
    assert ask("saltutil.is_running", fun="test.*") == ("done", [])
    assert ask("saltutil.find_job", 7) == ("done", told)
    assert ask("saltutil.find_job", "8") == ("done", {})


@pytest.mark.parametrize(
    ("function", "args", "number"),
    [
        ("saltutil.kill_job", [7], signal.SIGKILL),
        ("saltutil.term_job", ["7"], signal.SIGTERM),
        ("saltutil.signal_job", [7, 1], signal.SIGHUP),
    ],
)
def test_a_job_is_sent_a_signal(function: str, args: list[Any], number: signal.Signals) -> None:
    assert ask(function, *args) == ("done", f"Signal {int(number)} sent to job 7 at pid 70")


@pytest.mark.parametrize(
    ("function", "args", "message"),
    [
        ("saltutil.kill_job", ["9"], "job 9 does not run here (saltutil.running shows those that do)"),
        ("saltutil.signal_job", [7, 4711], "a signal is a number that kill(1) knows, like 15, not 4711"),
        ("saltutil.signal_job", [7, "x"], "a signal is a number that kill(1) knows, like 15, not 'x'"),
    ],
)
def test_what_can_not_be_signalled_is_said(function: str, args: list[Any], message: str) -> None:
    assert ask(function, *args) == ("failed", message)


def test_a_wrong_argument_is_told_by_its_name() -> None:
    outcome, message = ask("saltutil.find_job", jd=7)
    assert outcome == "failed"
    assert "saltutil.find_job" in message
    assert "jd" in message
