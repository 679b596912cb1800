"""Real agents and a real master, killed with SIGKILL at random moments, their connections held and cut, while jobs go
on; then the books are checked (see `books`).

What is real: the master is the daemon; the agents are the daemon's own code, each with its journal, its keys, its
connection through a line that is cut, and its worker processes. With TOGETHER = 1 each is a `saltern-minion` process;
with more, so many agents share a process (`agents`), and SIGKILL ends them all at once, as a power cut does hosts of
one rack. What is not: the clock runs as it does, and all stand on one machine.

`python -m tests.integration.chaos [--minions N] [--jobs N] [--blows N] [--seed N…]` runs it longer than the tests do.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from master import keys, store
from saltern.wire.keys import KeyPair, load_or_make, new_pair
from saltern.wire.private import write_file
from tests.integration import books
from tests.integration.system import Daemon, System, wait_for
from tests.integration.tap import Tap
from tests.patience import patient

FAR_S = 3600  # far beyond the end of the run: nothing expires
BLOWS = ("master", "minions", "both", "some cut", "all cut", "held", "held and cut")
WAIT_S = patient(180.0)  # for what must happen in the end


@dataclass
class Chaos:
    """MINIONS run JOBS in FOLDER, each on one or some or all of them, while so many BLOWS fall; SEED decides when and
    on whom. HELD_S: how long the line may be dead."""

    folder: Path
    minions: int
    jobs: int
    blows: int
    seed: int
    together: int = 1
    held_s: float = 2.0
    fallen: Counter[str] = field(default_factory=Counter)
    connections_cut: int = 0
    retried: int = 0

    def __post_init__(self) -> None:
        self.names = [f"n{number}" for number in range(self.minions)]
        chance = random.Random(f"jobs {self.seed}")
        self.targets = {number: self._chosen(chance) for number in range(self.jobs)}
        self.marks = self.folder / "marks"
        self._up = threading.Lock()  # held while the master is away
        self._published = 0
        self._next_blow = self.jobs + 1

    def _chosen(self, chance: random.Random) -> frozenset[str]:
        draw = chance.random()
        count = self.minions if draw < 0.005 else min(3, self.minions) if draw < 0.1 else 1
        return frozenset(chance.sample(self.names, count))

    def run(self) -> str:
        """Run it and check it: the figures as a line. AssertionError says what was lost or doubled."""
        began = time.monotonic()
        self.marks.mkdir()
        self.system = System(self.folder / "system")
        groups = self._groups()
        tap = Tap(self.system.control_port, self.system.files_port, keep=False)
        try:
            self.system.start()
            for daemon in groups:
                daemon.start()
            self._wait_up()
            storm = threading.Thread(target=self._storm, args=(groups, tap), daemon=True)
            storm.start()
            while self._published < self.jobs:
                self._publish(self._published)
                self._published += 1
                self._breathe()
            storm.join()
            self._wait_up()
            wait_for("every job has ended", lambda: not self.system.runner("jobs.active"), WAIT_S)
        finally:
            tap.close()
            for daemon in groups:
                daemon.stop(signal.SIGKILL)
            self.system.close()
        assert self.fallen.total() == self.blows, f"only {self.fallen} of {self.blows} blows fell"
        for daemon in (self.system.master, *groups):
            assert "Traceback" not in daemon.log, daemon.log
        outcomes = books.check(self._database, self.marks, self.targets)
        return (
            f"seed {self.seed}: {self.jobs} jobs on {self.minions} minions in {len(groups)} processes, "
            f"{outcomes.total()} ends ({', '.join(f'{count} {what}' for what, count in sorted(outcomes.items()))}); "
            f"blows: {', '.join(f'{count} {what}' for what, count in sorted(self.fallen.items()))}; "
            f"{self.connections_cut} connections cut, {self.retried} commands asked again; "
            f"{time.monotonic() - began:.0f} s"
        )

    # --- the fleet -------------------------------------------------------------------------------------------------

    @property
    def _database(self) -> Path:
        return self.system.master.root / "var/lib/saltern/master/master.db"

    def _groups(self) -> list[Daemon]:
        """The processes of the minions, not started yet. The master has accepted their keys."""
        master = load_or_make(self._database.parent / "keys/master.key").public
        rows = []
        for name in self.names:
            wire, seal = new_pair(), new_pair()
            self._prepare(name, wire, seal, master)
            rows.append((wire.public, name, keys.ACCEPTED, seal.public, time.time()))
        with contextlib.closing(store.connect(self._database)) as db:
            db.executemany("INSERT INTO keys VALUES (?, ?, ?, ?, ?)", rows)
        folder = self.system.folder
        if self.together == 1:
            command = str(Path(sys.executable).with_name("saltern-minion"))
            return [Daemon(folder / name, [command, "--root", str(folder / name), "-l", "info"]) for name in self.names]
        parts = [self.names[first : first + self.together] for first in range(0, self.minions, self.together)]
        python = [sys.executable, "-m", "tests.integration.agents", str(folder)]
        return [Daemon(folder / part[0], [*python, *part]) for part in parts]

    def _prepare(self, name: str, wire: KeyPair, seal: KeyPair, master: bytes) -> None:
        root = self.system.folder / name
        (root / "etc/saltern").mkdir(parents=True)
        (root / "etc/saltern/minion").write_text(
            f"id: {name}\nmaster: 127.0.0.2:{self.system.control_port}\nmaster_key: '{master.hex()}'\n"
            "reconnect_min_s: 0.05\nreconnect_max_s: 0.5\nworker_idle_s: 60\n"
        )
        folder = root / "var/lib/saltern/minion/keys"
        folder.mkdir(parents=True, mode=0o700)
        for file, pair in (("wire.key", wire), ("seal.key", seal)):
            write_file(folder / file, f"{pair.public.hex()}\n{pair.secret.reveal()}\n".encode())

    def _wait_up(self) -> None:
        wait_for("all are up", lambda: len(self.system.runner("manage.up")) == self.minions, WAIT_S)

    # --- the blows -------------------------------------------------------------------------------------------------

    def _storm(self, groups: list[Daemon], tap: Tap) -> None:
        """Strike each time when so many jobs are published, in the midst of them."""
        chance = random.Random(f"blows {self.seed}")
        kinds = [BLOWS[number % len(BLOWS)] for number in range(self.blows)]
        chance.shuffle(kinds)
        for kind, after in zip(kinds, sorted(chance.sample(range(self.jobs), self.blows)), strict=True):
            self._next_blow = after
            while self._published < after:
                time.sleep(0.001)
            self._next_blow = self.jobs + 1  # this one falls while more is published
            time.sleep(chance.uniform(0, 0.05))
            self._strike(kind, chance, groups, tap)
            self.fallen[kind] += 1

    def _strike(self, kind: str, chance: random.Random, groups: list[Daemon], tap: Tap) -> None:
        victim = chance.choice(groups)
        if kind == "minions":
            victim.stop(signal.SIGKILL)
            time.sleep(chance.uniform(0, 0.5))
            victim.start()
        elif kind in ("master", "both"):
            with self._up:
                self.system.master.stop(signal.SIGKILL)
                if kind == "both":
                    victim.stop(signal.SIGKILL)
                    victim.start()
                self.system.start()
        elif kind in ("some cut", "all cut"):
            self.connections_cut += tap.cut(lambda: kind == "all cut" or chance.random() < 0.3)
        else:
            tap.hold()
            time.sleep(chance.uniform(0.1, self.held_s))
            if kind == "held and cut":
                self.connections_cut += tap.cut()
            tap.release()

    def _breathe(self) -> None:
        """Let the minions come along, so that they are busy but not buried, and let the blow fall that is due."""
        deadline = time.monotonic() + 1.0
        while self._published >= self._next_blow or (
            not self._published % 25 and self._behind() > 2 * self.minions and time.monotonic() < deadline
        ):
            time.sleep(0.005)

    def _behind(self) -> int:
        """How many runs are under way or lost."""
        asked = sum(len(self.targets[number]) for number in range(self._published))
        return asked - sum(file.read_bytes().count(b"\n") for file in self.marks.iterdir())

    # --- the jobs --------------------------------------------------------------------------------------------------

    def _publish(self, number: int) -> None:
        """Publish job NUMBER; where the master dies meanwhile, ask what became of it and ask again."""
        line = books.command(self.marks, number)
        target = {"target": ",".join(sorted(self.targets[number])), "form": "list"}
        while True:
            with contextlib.suppress(OSError, IndexError, ValueError):
                asked = {"op": "publish", "function": "cmd.run", "args": [line], "queue": FAR_S, "async": True}
                events = self.system.ask(**asked, **target)
                assert events[0]["event"] == "job", f"{events} {self.system.master.log[-3000:]}"
                return
            with self._up:  # the master runs again
                wanted = {"limit": 20, "function": "cmd.run"}
                listed = self.system.ask(op="runner", function="jobs.list_jobs", args=[], kwargs=wanted)[0]["data"]
            if any(job["Arguments"] == [line] for job in listed.values()):
                return
            self.retried += 1


def main(words: list[str]) -> None:
    """Run it once for each seed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minions", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--blows", type=int, default=70)
    parser.add_argument("--together", type=int, default=1, help="agents in a process")
    parser.add_argument("--held", type=float, default=8.0, help="the longest that the line is dead, in seconds")
    parser.add_argument("--seed", type=int, nargs="*", default=[1])
    given = parser.parse_args(words)
    for seed in given.seed:
        with tempfile.TemporaryDirectory() as folder:
            chaos = Chaos(Path(folder), given.minions, given.jobs, given.blows, seed, given.together, held_s=given.held)
            print(chaos.run(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
