"""Every job has one end on every target, none runs twice, and no return is missing, whoever is killed when."""

from __future__ import annotations

from pathlib import Path

from tests.integration.chaos import Chaos


def test_nothing_is_lost_and_nothing_runs_twice(tmp_path: Path) -> None:
    chaos = Chaos(tmp_path, minions=3, jobs=60, deaths=9, seed=7)
    print(chaos.run())
    assert chaos.kills.total() == 9
