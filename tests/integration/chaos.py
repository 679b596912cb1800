"""Real agents and a real master, killed with SIGKILL at random moments while jobs go on; then the books are checked.

`python -m tests.integration.chaos [--minions N] [--jobs N] [--seed N]` runs it longer than the tests do, and prints the
figures. Each job appends its number to a file of the minion that runs it, so what ran, and how often, is known from
that and not from what anybody says.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import signal
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.integration.system import Daemon, System, wait_for

ENDS = ("done", "lost")  # of a job that is queued for who is away: it is done, or its node died in the middle
FAR_S = 3600  # far beyond the end of the run: nothing expires


@dataclass
class Chaos:
    """MINIONS run at least JOBS in FOLDER while DEATHS daemons are killed; SEED decides who is killed when."""

    folder: Path
    minions: int
    jobs: int
    deaths: int
    seed: int
    pause_s: tuple[float, float] = (0.2, 1.0)  # between two kills
    gap_s: float = 0.1  # between two jobs
    kills: Counter[str] = field(default_factory=Counter)
    retried: int = 0

    def run(self) -> str:
        """Run it and check it: the figures as a line. AssertionError says what was lost or doubled."""
        began = time.monotonic()
        system = System(self.folder / "system")
        self.names = [f"n{number}" for number in range(self.minions)]
        try:
            system.start()
            daemons = [system.prepare(name) for name in self.names]
            for daemon in daemons:
                daemon.start()
            system.wait_up(*self.names)
            self._up = threading.Lock()
            killer = threading.Thread(target=self._kill, args=(system, daemons))
            killer.start()
            number = 0
            while number < self.jobs or killer.is_alive():
                self._publish(system, number)
                number += 1
                time.sleep(self.gap_s)
            self.jobs = number
            killer.join()
            system.wait_up(*self.names)
            wait_for("every job has ended", lambda: not system.runner("jobs.active"), 120)
        finally:
            system.close()
        for daemon in (system.master, *daemons):
            assert "Traceback" not in daemon.log, daemon.log
        outcomes = self._checked(system.master.root / "var/lib/saltern/master/master.db")
        return (
            f"seed {self.seed}: {self.jobs} jobs on {self.minions} minions, {sum(outcomes.values())} ends "
            f"({', '.join(f'{count} {what}' for what, count in sorted(outcomes.items()))}), killed: "
            f"{self.kills['master']} times the master, {self.kills.total() - self.kills['master']} times a minion; "
            f"{self.retried} commands asked again; {time.monotonic() - began:.0f} s"
        )

    def _kill(self, system: System, daemons: list[Daemon]) -> None:
        chance = random.Random(self.seed)
        for death in range(self.deaths):
            time.sleep(chance.uniform(*self.pause_s))
            if death % 3 == 0:
                with self._up:
                    self.kills["master"] += 1
                    system.master.stop(signal.SIGKILL)
                    system.start()
            else:
                victim = chance.choice(daemons)
                self.kills[victim.root.name] += 1
                victim.stop(signal.SIGKILL)
                victim.start()

    def _publish(self, system: System, number: int) -> None:
        """Have all minions note NUMBER; where the master dies meanwhile, ask what became of it and ask again."""
        request = {"op": "publish", "target": "*", "function": "cmd.run", "args": [self._command(number)]}
        while True:
            with contextlib.suppress(OSError, IndexError, ValueError):
                events = system.ask(**request, queue=FAR_S, **{"async": True})
                assert events[0]["event"] == "job", events
                return
            with self._up:  # the master runs again
                listed = system.ask(
                    op="runner", function="jobs.list_jobs", args=[], kwargs={"limit": 20, "function": "cmd.run"}
                )[0]["data"]
            if any(job["Arguments"] == [self._command(number)] for job in listed.values()):
                return
            self.retried += 1

    def _command(self, number: int) -> str:
        who = "tr '\\0' '\\n' < /proc/$PPID/cmdline | tail -n 1"  # the last argument of a worker is the minion's id
        return f"{who} | sed 's/$/ {number}/' >> {self.folder}/marks; sleep 0.0{number % 9}"

    def _checked(self, file: Path) -> Counter[str]:
        """What became of the jobs, if all is as it should be."""
        with contextlib.closing(sqlite3.connect(file)) as db:
            rows = db.execute(
                "SELECT jobs.args, minion, state FROM jobs JOIN ends USING (jid) WHERE function = 'cmd.run'"
            ).fetchall()
        by_job: dict[str, dict[str, str]] = {}
        for args, minion, state in rows:
            assert minion not in by_job.setdefault(args, {}), f"two ends of {args} on {minion}"
            by_job[args][minion] = state
        assert len(by_job) == self.jobs, f"{self.jobs} jobs were published, {len(by_job)} are known"
        ran = Counter((self.folder / "marks").read_text().splitlines())
        twice = [mark for mark, count in ran.items() if count > 1]
        assert not twice, f"ran more than once: {twice}"
        for number in range(self.jobs):
            ends = by_job[json.dumps([self._command(number)])]
            assert set(ends) == set(self.names), f"job {number} has ends on {sorted(ends)}"
            for minion, state in ends.items():
                assert state in ENDS, f"job {number} is {state} on {minion}"
                assert state != "done" or ran[f"{minion} {number}"], f"job {number} is done on {minion}, but never ran"
        return Counter(state for ends in by_job.values() for state in ends.values())


def main(words: list[str]) -> None:
    """Run it once for each seed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minions", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=400)
    parser.add_argument("--deaths", type=int, default=40)
    parser.add_argument("--seed", type=int, nargs="*", default=[1, 2, 3])
    given = parser.parse_args(words)
    for seed in given.seed:
        with tempfile.TemporaryDirectory() as folder:
            print(Chaos(Path(folder), given.minions, given.jobs, given.deaths, seed).run(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
