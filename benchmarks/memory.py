"""The proportional set size (PSS) of an idle master, all its processes, and of an idle minion.

PSS shares a page among those who map it, so the figure of one minion is taken with no second Python beside it that
has the same libraries open, but this one and the master: what it shows is near what a node of its own would.
"""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.commands import real_minions
from benchmarks.place import master
from benchmarks.report import report

MINION_MB, MASTER_MB = 30.0, 80.0
_IDLE_S = 6.0  # the workers of the minion (kept for 2 s here) are gone by then


def pss_mb(pid: int) -> float:
    """The PSS of a process and its descendants in MB (proc(5), smaps_rollup)."""
    total = 0
    for process in [pid, *_descendants(pid)]:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def _descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


def main() -> None:
    """Both figures, beside their limits."""
    with master(1) as place, real_minions(place) as minions:
        place.publish("test.ping")
        time.sleep(_IDLE_S)
        report("idle minion, PSS", measured=pss_mb(minions[0].pid), base=MINION_MB, unit="MB", limit=1)
        report(
            "idle master, PSS of all its processes",
            measured=pss_mb(place.process.pid),
            base=MASTER_MB,
            unit="MB",
            limit=1,
        )


if __name__ == "__main__":
    main()
