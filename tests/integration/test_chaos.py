"""Every job has one end on every target, none runs twice, no return is missing, whoever is killed or cut off when."""

from __future__ import annotations

from pathlib import Path

from tests.integration.chaos import BLOWS, Chaos


def test_nothing_is_lost_and_nothing_runs_twice(tmp_path: Path) -> None:
    chaos = Chaos(tmp_path, minions=50, jobs=1200, blows=3 * len(BLOWS), seed=7, together=5)
    print(chaos.run())
    assert chaos.fallen == dict.fromkeys(BLOWS, 3)
    assert chaos.connections_cut > 0
