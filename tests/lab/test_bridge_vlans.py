"""VLANs where this machine's own kernel has none: bridges that filter them, service tags, and 50 of them at once."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.lab.lab import Lab

HERE = Path(__file__).parents[2]


def test_vlans_of_bridges_and_all_options_of_bonds_converge(lab: Lab) -> None:
    argv = [sys.executable, "-m", "pytest", "-x", "--no-header", "tests/lab/inside/vlans.py"]
    ran = lab["on-node1"].run(argv, cwd=str(HERE), timeout_s=100, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_50_vlans_and_50_bridges_take_under_2_s_and_3_times_a_bare_loop(lab: Lab) -> None:
    ran = lab["on-node1"].run([sys.executable, "-m", "benchmarks.network"], cwd=str(HERE), timeout_s=110)
    figures = [json.loads(line) for line in ran.stdout.splitlines()]
    print(ran.stdout)
    assert "50 vlans and 50 bridges" in figures[0]["benchmark"]
    assert [figure["kept"] for figure in figures] == [True, True, True], ran.stdout
