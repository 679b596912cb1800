"""`saltern-run` against a master's control socket: what it asks, what it prints, how it exits."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saltern.cli import run
from tests.integration.control_events import END, JID, states
from tests.integration.fake_master import fake_master
from tests.integration.system import BIN, wait_for
from tests.patience import WAIT_S


def test_a_runner_is_called_with_its_arguments_and_its_data_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with fake_master(tmp_path, [{"event": "data", "data": ["a", "b"], "out": "nested"}, END]) as master:
        assert run.main(["--root", str(tmp_path), "manage.up", "5", "limit=[1]"]) == 0
        assert run.main(["--root", str(tmp_path), "manage.up", "--out", "json"]) == 0
    assert master.requests[0] == {"op": "runner", "function": "manage.up", "args": [5], "kwargs": {"limit": [1]}}
    shown = capsys.readouterr().out
    assert shown.startswith("- a\n- b\n")
    assert json.loads(shown.removeprefix("- a\n- b\n")) == ["a", "b"]


def test_a_looked_up_job_shows_what_each_target_returned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ends = {
        "a": {"outcome": "done", "success": True, "retcode": 0, "return": states(), "duration_ms": 1.0},
        "b": {"outcome": "received", "success": None, "retcode": None, "return": None, "duration_ms": None},
    }
    data = {"Function": "state.apply", "Arguments": [], "Result": ends}
    with fake_master(tmp_path, [{"event": "data", "data": data, "out": "job"}, END]):
        assert run.main(["--root", str(tmp_path), "jobs.lookup_jid", JID]) == 0
        assert run.main(["--root", str(tmp_path), "jobs.lookup_jid", JID, "--out", "json"]) == 0
    out = capsys.readouterr().out
    assert "Function:\n    state.apply\n" in out
    assert "Summary for a\n" in out
    assert "b:\n    The job is on the minion, which has not returned yet\n" in out
    assert json.loads(out[out.index("\n{\n") :]) == data


def test_an_unknown_runner_is_the_masters_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = "there is no runner 'jobs.lst'. Did you mean 'jobs.list_jobs'?"
    with fake_master(tmp_path, [{"event": "error", "kind": "usage", "message": message, "exit": 2}]):
        assert run.main(["--root", str(tmp_path), "jobs.lst"]) == 2
    assert capsys.readouterr().err == f"saltern-run: {message}\n"


def test_ctrl_c_before_an_orchestration_is_known_to_have_begun_says_where_to_look(tmp_path: Path) -> None:
    release = threading.Event()

    def answer(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        release.wait(WAIT_S)
        yield from ()

    argv = [str(BIN / "saltern-run"), "--root", str(tmp_path), "state.orchestrate", "platform"]
    with fake_master(tmp_path, answer) as master:
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            wait_for("it asks", lambda: master.requests)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=WAIT_S)[1]
        release.set()
    assert process.returncode == 130
    assert said.startswith(f"If it had begun by then, it goes on: saltern-run --root {tmp_path} jobs.active\n")
