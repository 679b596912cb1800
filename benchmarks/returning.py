"""1,000 simulated minions return a highstate of 100 states at once; then the master is killed and started anew.

The base of the returns is a bare CURVE echo whose 1,000 peers answer with as many bytes: what ZeroMQ itself costs. The
minions tell of runs of their own, as their schedules do, since those are what comes at once.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from benchmarks.agents import highstate, raise_limit, simulated
from benchmarks.fleet import echo_ms
from benchmarks.place import Place, master
from benchmarks.report import report

MINIONS = 1000
BACK_S = 10.0
PEAK_MB = 200.0
ROUNDS = 3


def _until(what: str, true: Callable[[], bool], timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(0.02)


def _peak_mb(pid: int) -> float:
    """The most memory that a process had so far, in MB (proc(5), VmHWM)."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def _stored_ms(place: Place, database: sqlite3.Connection) -> float:
    """From the command to return, until the store has all."""

    def count() -> int:
        query = "SELECT count(*) FROM runs JOIN ends USING (jid) WHERE state = 'done'"
        return int(database.execute(query).fetchone()[0])

    wanted = count() + MINIONS
    began = time.perf_counter()
    place.publish("bench.highstate")
    _until("all returns are stored", lambda: count() == wanted)
    return (time.perf_counter() - began) * 1000


def _back(place: Place) -> tuple[float, int]:
    """Kill the master and start it: the seconds until all minions are back, and how many came in the busiest one."""
    place.process.kill()
    place.process.wait()
    time.sleep(3.0)  # all know that it is gone, and try again
    began = time.monotonic()
    place.start()
    place.wait_up(MINIONS)
    took = time.monotonic() - began
    status = place.runner("manage.status")[0]
    return took, max(Counter(one["since"] for one in status["data"]["up"].values()).values())  # type: ignore[index]


def measured() -> None:
    """All figures, in a process that has not used ZeroMQ before it forks."""
    size = len(highstate("sim-0000"))
    with master(MINIONS) as place, simulated(place):
        idle = _peak_mb(place.process.pid)
        with closing(sqlite3.connect(f"file:{place.root}/var/lib/saltern/master/master.db?mode=ro", uri=True)) as db:
            times = sorted(_stored_ms(place, db) for _ in range(ROUNDS))
        peak = _peak_mb(place.process.pid)
        took, busiest = _back(place)
    print(
        json.dumps(
            {"size": size, "stored": times[ROUNDS // 2], "idle": idle, "peak": peak, "took": took, "most": busiest}
        )
    )


def _alone(*words: str) -> str:
    argv = [sys.executable, "-m", "benchmarks.returning", *words]
    return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=600).stdout


def main(words: list[str]) -> None:
    """All figures. With `echo BYTES` or `returns`: that measurement alone."""
    raise_limit()
    if words == ["returns"]:
        return measured()
    if words:
        return print(echo_ms(MINIONS, int(words[1])))
    found = json.loads(_alone("returns"))
    base = float(_alone("echo", str(found["size"])))
    report(
        f"{MINIONS:,} minions return 100 states at once, until all are stored",
        measured=found["stored"],
        base=base,
        unit="ms",
        limit=20.0,
        bytes_each=found["size"],
    )
    report(
        "the master's peak memory then", measured=found["peak"], base=PEAK_MB, unit="MB", limit=1.0, idle=found["idle"]
    )
    report(
        f"master killed and started: until all {MINIONS:,} are back",
        measured=found["took"],
        base=BACK_S,
        unit="s",
        limit=1.0,
    )
    report(
        "of them in the busiest second",
        measured=found["most"],
        base=MINIONS,
        unit="minions",
        limit=0.6,
    )
    return None


if __name__ == "__main__":
    main(sys.argv[1:])
