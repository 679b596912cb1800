"""Lists over a store with 1,000,000 results, beside one look at a single job by its id through the same interface.

The base is what SQLite takes to read as many jobs by their ids as the list shows, so the ratio says how much more it
costs to find them than to read them, whatever the machine.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.report import median_ms, report
from master import history, store
from master.history import Wanted

RESULTS = 1_000_000
MINIONS = 100
LIMIT = 50
ROUNDS = 5
MOST_MS = 100.0

LISTS = {
    "the latest": Wanted(limit=LIMIT),
    "by function": Wanted(limit=LIMIT, function="state.*"),
    "by user": Wanted(limit=LIMIT, user="ops"),
    "by target": Wanted(limit=LIMIT, target="m7"),
    "by minion": Wanted(limit=LIMIT, minion="m7", function="test.*"),
    "by outcome": Wanted(limit=LIMIT, outcome="lost"),
    "by all": Wanted(limit=LIMIT, function="state.apply", user="minion/*", outcome="failed", since=2e5, until=9e5),
    "of none": Wanted(limit=LIMIT, user="nobody", since=5e5),
}


def fill(connection: sqlite3.Connection) -> None:
    """Half of the results are of jobs to all, half are what the minions ran by themselves."""
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("BEGIN")
    kinds: dict[tuple[str, str, str], int] = {}
    jobs, ends = [], []

    def job(number: int, function: str, user: str, target: str, minions: range) -> None:
        kind = kinds.setdefault((function, user, target), len(kinds) + 1)
        jid = f"{number:020d}"
        jobs.append((jid, function, "[]", "{}", target, "glob", user, float(number), kind))
        for one in minions:
            state = "lost" if number % 99_991 == 0 else "failed" if number % 50 == 0 else "done"
            well = state == "done"
            ends.append((jid, b"%032d" % one, f"m{one}", state, well, not well, '{"a": "return"}', 1.0, float(number)))

    number = 0
    while len(ends) < RESULTS // 2:
        number += 1
        user = "ops" if number % 1009 == 0 else "root"
        job(number, "test.ping" if number % 2 else "state.apply", user, "*", range(MINIONS))
    while len(ends) < RESULTS:
        number += 1
        one = number % MINIONS
        function = "state.apply" if number % 3 else "test.version"
        job(number, function, f"minion/m{one}", f"m{one}", range(one, one + 1))
    connection.executemany(
        "INSERT INTO kinds (id, function, user, target, form) VALUES (?, ?, ?, ?, 'glob')",
        [(kind, *key) for key, kind in kinds.items()],
    )
    connection.executemany("INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", jobs)
    connection.executemany("INSERT INTO ends VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", ends)
    connection.execute("COMMIT")


def min_ms(work: Callable[[], object]) -> float:
    """The shortest time of WORK."""
    return min(median_ms(work, 1) for _ in range(ROUNDS))


def main() -> None:
    """The slowest list is reported; it has MOST_MS of its own too."""
    with tempfile.TemporaryDirectory() as folder:
        connection = store.connect(Path(folder) / "master.db")
        fill(connection)
        ids = [row[0] for row in connection.execute("SELECT jid FROM jobs ORDER BY jid DESC LIMIT ?", (LIMIT,))]
        base = median_ms(lambda: [history.lookup(connection, jid) for jid in ids])
        times = {name: median_ms(lambda w=wanted: history.listing(connection, w)) for name, wanted in LISTS.items()}  # type: ignore[misc]
        slowest = max(times, key=lambda name: times[name])
        sys.stderr.write("".join(f"  {name}: {ms:.2f} ms\n" for name, ms in times.items()))
        if min_ms(lambda: history.listing(connection, LISTS[slowest])) > MOST_MS:  # a busy machine is not its fault
            raise SystemExit(f"a list of jobs {slowest} took {times[slowest]:.0f} ms, more than {MOST_MS:.0f}")
        report(
            f"a list of jobs over {RESULTS:,} results, the slowest ({slowest}), to {LIMIT} look-ups",
            measured=times[slowest],
            base=base,
            unit="ms",
            limit=20.0,
        )
        connection.close()


if __name__ == "__main__":
    main()
