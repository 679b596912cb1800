"""A day without a master, under a clock that the test drives: the minions go on, and their returns come afterwards.

The master is the real daemon, killed with SIGKILL. The agents are the daemon's code with their journals, connections
and worker processes; only the clock of their schedules is another.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
import shutil
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

from minion import cache, identity, main
from minion.agent import Agent
from minion.pipe import BundleIs
from minion.schedule.ahead import SPREAD_S
from minion.schedule.bring import Run, bring
from minion.schedule.clock import Clock
from saltern.wire import sockets
from tests.integration.system import System, system, wait_for
from tests.patience import patient

HOUR_S, DAY_H = 3600.0, 24
NAMES = ("on-node1", "on-node2")
WAIT_S = patient(120.0)


class DrivenClock(Clock):
    """Stands still until the test moves it on; what is due on the way is called in its order."""

    def __init__(self) -> None:
        self._now = time.time()
        self._due: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._number = itertools.count()

    def now(self) -> float:
        return self._now

    def call_later(self, delay_s: float, then: Callable[[], object]) -> asyncio.TimerHandle:
        loop = asyncio.get_running_loop()
        handle = asyncio.TimerHandle(loop.time(), then, (), loop)
        heapq.heappush(self._due, (self._now + delay_s, next(self._number), handle))
        return handle

    async def move(self, seconds: float) -> None:
        end = self._now + seconds
        while self._due and self._due[0][0] <= end:
            self._now, _, handle = heapq.heappop(self._due)
            if not handle.cancelled():
                handle._run()
        self._now = end


class Fleet:
    """Agents on a loop in a thread of their own. CLOCK is the one of their schedules."""

    def __init__(self, made: System) -> None:
        self._made = made
        self.clock = DrivenClock()
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._context = sockets.new_context()
        self.agents: list[Agent] = []

    async def start(self) -> None:
        """Start an agent for each that has joined."""
        for name in NAMES:
            config = main.configured(self._made.folder / name, "")
            self.agents.append(Agent(config, identity.load(config), self._context, {"id": name}, self.clock))
            self.agents[-1].start()

    async def hour(self) -> None:
        """Let an hour pass, and wait until what it began has ended."""
        await self.clock.move(HOUR_S)
        for _ in range(int(WAIT_S / 0.01)):
            if not any(agent.running for agent in self.agents):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("a run of the schedule does not end")

    async def stop(self) -> None:
        """Close the agents."""
        for agent in self.agents:
            agent.close()

    def bundle(self, agent: Agent, pillarenv: str) -> BundleIs:
        """A bundle that AGENT asks its master for."""
        answer: Future[BundleIs] = Future()
        self.loop.call_soon_threadsafe(agent.need_bundle, pillarenv, answer.set_result)
        return answer.result(WAIT_S)

    def do(self, work: Callable[[], object]) -> None:
        """Run a coroutine function on the agents' loop."""
        asyncio.run_coroutine_threadsafe(work(), self.loop).result(WAIT_S)  # type: ignore[arg-type]

    def close(self) -> None:
        """End all."""
        self.do(self.stop)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()
        self._context.destroy(linger=0)


@contextmanager
def fleet(made: System) -> Iterator[Fleet]:
    """Agents of the minions NAMES, started."""
    for name in NAMES:
        made.prepare(name)
    found = Fleet(made)
    try:
        found.do(found.start)
        wait_for("they know the master", lambda: all(agent.is_connected() for agent in found.agents))
        yield found
    finally:
        found.close()


def highstates(made: System) -> list[tuple[str, str, bool, str, list[str]]]:
    """What the master's store has of state.apply: minion, outcome, success, user, the states that ran."""
    with closing(sqlite3.connect(made.master.root / "var/lib/saltern/master/master.db")) as db:
        rows = db.execute(
            "SELECT minion, state, success, user, value FROM ends JOIN jobs USING (jid) WHERE function = 'state.apply'"
        ).fetchall()
    return [(minion, state, bool(well), user, sorted(json.loads(value))) for minion, state, well, user, value in rows]


def test_a_day_without_a_master_has_its_24_highstates_and_their_returns_arrive(tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    with system(tmp_path / "system") as made:
        (made.states / "top.sls").write_text("base: {'*': [mark]}")
        command = f"echo ran >> {marks}/{{{{ grains.id }}}}"
        (made.states / "mark.sls").write_text(f"note:\n  cmd.run:\n    - name: {json.dumps(command)}\n")
        (made.pillar / "top.sls").write_text("base: {'*': [schedule]}")
        (made.pillar / "schedule.sls").write_text("schedule:\n  highstate: {function: state.apply, hours: 1}\n")
        with fleet(made) as minions:
            minions.do(lambda: minions.clock.move(1))  # they ask for their pillar
            wait_for("the pillar is there", lambda: all("highstate" in known(agent) for agent in minions.agents))
            first = made.publish("*", "state.apply", test=True)
            assert {name: event["success"] for name, event in first.items()} == dict.fromkeys(NAMES, True), first
            made.master.stop(signal.SIGKILL)
            for hour in range(1, DAY_H + 1):
                minions.do(minions.hour)
                assert {name: ran(marks, name) for name in NAMES} == dict.fromkeys(NAMES, hour)
            made.start()
            made.wait_up(*NAMES)

            def returns() -> Counter[str]:
                return Counter(minion for minion, *_, user, _ in highstates(made) if user == f"minion/{minion}")

            wait_for("all returns are here", lambda: returns() == dict.fromkeys(NAMES, DAY_H), WAIT_S)
            own = [row for row in highstates(made) if row[3] != "root"]
            assert {row[1:3] for row in own} == {("done", True)}, own
            assert all(len(states) == 1 and "note" in states[0] for *_, states in own), own
            wait_for("none is owed any more", lambda: not any(agent._journal.owed for agent in minions.agents), WAIT_S)


def test_a_minion_that_never_ran_a_highstate_runs_its_first_one_without_the_master(tmp_path: Path) -> None:
    target = tmp_path / "written"
    target.mkdir()
    with system(tmp_path / "system") as made:
        (made.states / "top.sls").write_text("base: {'*': [web]}")
        (made.states / "web/parts").mkdir(parents=True)
        (made.states / "web/init.sls").write_text(
            "{% from 'names.jinja' import text with context %}\ninclude: [.parts]\n"
            f"{target}/{{{{ grains.id }}}}:\n  file.managed:\n    - source: salt://web/files/conf\n"
            "    - template: jinja\n    - context: {text: {{ text }}}\n"
        )
        (made.states / "names.jinja").write_text("{% set text = pillar['text'] %}")
        (made.states / "web/parts/init.sls").write_text(
            f"{target}/folder-{{{{ grains.id }}}}:\n  file.recurse:\n    - source: salt://web/folder\n"
        )
        for file, text in (("web/files/conf", "{{ text }}\n"), ("web/folder/a", "a\n"), ("other.sls", "broken: [\n")):
            (made.states / file).parent.mkdir(exist_ok=True)
            (made.states / file).write_text(text)
        (made.pillar / "top.sls").write_text("base: {'*': [schedule]}")
        (made.pillar / "schedule.sls").write_text(
            "text: hello\nschedule:\n  highstate: {function: state.apply, hours: 1, kwargs: {queue: true}}\n"
        )
        with fleet(made) as minions:
            minions.do(lambda: minions.clock.move(1))  # they ask for their pillar
            wait_for("the pillar is there", lambda: all("highstate" in known(agent) for agent in minions.agents))
            minions.do(lambda: minions.clock.move(SPREAD_S))
            wait_for("all is here", lambda: all(agent._schedule.ahead._key for agent in minions.agents), WAIT_S)
            assert not any(target.iterdir()), "nothing was run"
            assert not highstates(made)
            assert all(len(brought(made, name)) == 6 for name in NAMES), "no more than that"
            old = (cache.folder(minions.agents[0]._config) / "bundle").read_bytes()
            made.master.stop(signal.SIGKILL)
            minions.do(minions.hour)
            assert {name: (target / name).read_text() for name in NAMES} == dict.fromkeys(NAMES, "hello\n")
            assert {name: (target / f"folder-{name}/a").read_text() for name in NAMES} == dict.fromkeys(NAMES, "a\n")
            shutil.rmtree(made.master.root / "var/lib/saltern/master/trees")  # it makes all anew, with other keys
            made.start()
            made.wait_up(*NAMES)
            wait_for("the returns are here", lambda: {row[0] for row in highstates(made)} == set(NAMES), WAIT_S)
            assert {row[1:4] for row in highstates(made)} == {("done", True, f"minion/{name}") for name in NAMES}

            agent = minions.agents[0]
            shutil.rmtree(cache.folder(agent._config))
            cache.save_bundle(agent._config, old)
            runs: list[Run] = [("state.apply", [], {})]
            port, ask = agent.files_port, partial(minions.bundle, agent)
            found = bring(agent._config, identity.load(agent._config), port, "", runs, ask)
            assert (found["problems"], found["failed"]) == ([], "")
            assert (cache.folder(agent._config) / "bundle").read_bytes() != old, "it gave another bundle"
            assert len(brought(made, NAMES[0])) == 6


def brought(made: System, name: str) -> list[Path]:
    """The files of the trees in a minion's cache."""
    return [path for path in (made.folder / name / "var/lib/saltern/minion/cache/files").rglob("*") if path.is_file()]


def known(agent: Agent) -> dict[str, object]:
    """The items of an agent's schedule."""
    return agent._schedule.list()["schedule"]  # type: ignore[no-any-return]


def ran(marks: Path, name: str) -> int:
    """How often the state ran on a minion."""
    file = marks / name
    return len(file.read_text().splitlines()) if file.exists() else 0
