"""How a benchmark tells its figures: one JSON line each."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence


def report(name: str, *, measured: float, base: float, unit: str, limit: float | None, **more: object) -> None:
    """Print MEASURED and BASE in UNIT, their ratio, and whether it keeps its LIMIT (at most; None: no limit)."""
    ratio = measured / base if base else float("inf")
    line = {
        "benchmark": name,
        "measured": round(measured, 3),
        "base": round(base, 3),
        "unit": unit,
        "ratio": round(ratio, 2),
        "limit": limit,
        "kept": limit is None or ratio <= limit,
        **more,
    }
    print(json.dumps(line), flush=True)


def median_ms(work: Callable[[], object], runs: int = 7) -> float:
    """The median duration of WORK in milliseconds, after one run that does not count."""
    work()
    return statistics.median(_timed(work) for _ in range(runs))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def command_ms(argv: Sequence[str], runs: int = 9) -> float:
    """The median duration of a whole command in milliseconds. RuntimeError where it fails."""

    def once() -> None:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{argv}: exit {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")

    return median_ms(once, runs)


def python_pass_ms() -> float:
    """What it takes to start Python and do nothing: the base of whole commands."""
    return command_ms([sys.executable, "-c", "pass"], 15)
