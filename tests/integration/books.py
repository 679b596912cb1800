"""The books of a run in which nothing may be lost or run twice: what was asked, what ran, and what the master tells.

What ran is known from the marks that the jobs left, one file a minion, and not from what anybody says.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

ENDS = ("done", "lost")  # of a job that is queued for who is away: it is done, or its node died in the middle


def command(marks: Path, number: int) -> str:
    """What job NUMBER runs: it appends its number to the file of its minion, takes some time, and returns the number.

    The file is named after the last words of the worker's command line, its root and its id: `IDID` for a minion whose
    root is named after its id. The shell needs no other program for it, but for the sleep.
    """
    who = "read -r who < /proc/$PPID/cmdline"  # dash(1) leaves the zero bytes out
    return f'{who}; echo {number} >> "{marks}/${{who##*/}}"; sleep 0.0{number % 9}; echo {number}'


def check(database: Path, marks: Path, targets: Mapping[int, frozenset[str]]) -> Counter[str]:
    """How the jobs ended, where TARGETS says who was to run each. AssertionError names what was lost or doubled."""
    with contextlib.closing(sqlite3.connect(database)) as db:
        rows = db.execute(
            "SELECT jobs.args, minion, state, value FROM jobs JOIN ends USING (jid) WHERE function = 'cmd.run'"
        ).fetchall()
    ends: dict[int, dict[str, str]] = {}
    numbers = {json.dumps([command(marks, number)]): number for number in targets}
    for args, minion, state, value in rows:
        of_job = ends.setdefault(numbers[args], {})
        assert minion not in of_job, f"two ends of job {numbers[args]} on {minion}"
        assert state in ENDS, f"job {numbers[args]} is {state} on {minion}"
        assert state != "done" or json.loads(value) == str(numbers[args]), f"{minion} returned {value} for {args}"
        of_job[minion] = state
    assert ends.keys() == targets.keys(), f"these jobs are not known: {sorted(targets.keys() - ends.keys())}"
    ran = Counter(
        (file.name[: len(file.name) // 2], int(line)) for file in marks.iterdir() for line in file.read_text().split()
    )
    for number, wanted in targets.items():
        assert ends[number].keys() == wanted, f"job {number} was for {sorted(wanted)}, ends: {sorted(ends[number])}"
    asked = {(name, number) for number, wanted in targets.items() for name in wanted}
    assert ran.keys() <= asked, f"ran where it was not asked: {sorted(ran.keys() - asked)}"
    twice = sorted(one for one, count in ran.items() if count > 1)
    assert not twice, f"ran more than once: {twice}"
    done = {(name, number) for number, of_job in ends.items() for name, state in of_job.items() if state == "done"}
    assert done <= ran.keys(), f"done, but never ran: {sorted(done - ran.keys())}"
    return Counter(state for of_job in ends.values() for state in of_job.values())
