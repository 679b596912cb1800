"""A real minion that converges by itself once it has started."""

from __future__ import annotations

import functools
from pathlib import Path

from tests.integration.system import System, system, wait_for


def test_a_minion_runs_its_startup_states_once_for_each_start_and_reports(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    with system(tmp_path) as made:
        states = made.folder / "master/srv/saltern/states"
        (states / "mark.sls").write_text(f"note:\n  cmd.run:\n    - name: echo x >> {marks}\n")
        (states / "boot.sls").write_text("base: {'*': [mark]}\n")
        made.prepare("m1")
        with (made.folder / "m1/etc/saltern/minion").open("a") as file:
            file.write("startup_states: top\ntop_file: boot.sls\n")
        for start in (1, 2):
            made.minions["m1"].start()
            made.wait_up("m1")
            wait_for("it ran", functools.partial(ran, marks, start))
            wait_for("it is reported", functools.partial(reported, made, start))
            made.minions["m1"].stop()


def ran(marks: Path, times: int) -> bool:
    return marks.exists() and len(marks.read_text().split()) == times


def reported(made: System, times: int) -> bool:
    return bool(sum(job["Function"] == "state.top" for job in made.runner("jobs.list_jobs").values()) == times)
