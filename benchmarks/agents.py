"""Simulated minions: the agent's real code, connection, journal and returns, hundreds of them in each of two processes.

Their schedules stand still, so that none starts a worker process to ask for its pillar.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from benchmarks.place import Place
from minion.agent import Agent
from minion.identity import Identity
from minion.schedule.clock import Clock
from saltern.config import Config
from saltern.wire import messages as m
from saltern.wire import sockets

PROCESSES = 2
STATES = 100


class Still(Clock):
    """A clock by which nothing is ever due."""

    def call_later(self, delay_s: float, then: Any) -> asyncio.TimerHandle:
        handle = super().call_later(0.0, then)
        handle.cancel()
        return handle


def raise_limit() -> None:
    """Let this process open as many files as it may."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def highstate(minion: str) -> bytes:
    """The return of a run with STATES states, one in ten of which changed something, as JSON."""
    return json.dumps(
        {
            f"file_|-configuration {number} of {minion}_|-/etc/service.d/{number}.conf_|-managed": {
                "name": f"/etc/service.d/{number}.conf",
                "result": True,
                "changes": {"contents": {"old": "a line\n" * 5, "new": "another line\n" * 5}} if number % 10 else {},
                "comment": f"The file /etc/service.d/{number}.conf is as it should be",
                "__run_num__": number,
                "__sls__": "service.configuration",
                "__id__": f"configuration {number} of {minion}",
                "start_time": "05:00:00.000000",
                "duration": 1.25,
            }
            for number in range(STATES)
        }
    ).encode()


@contextmanager
def simulated(place: Place) -> Iterator[None]:
    """An agent for each key of PLACE, all connected."""
    context = multiprocessing.get_context("fork")
    names = list(place.minions)
    workers = [context.Process(target=_agents, args=(place, names[part::PROCESSES])) for part in range(PROCESSES)]
    for worker in workers:
        worker.start()
    try:
        place.wait_up(len(names))
        yield
    finally:
        for worker in workers:
            worker.kill()


def _agents(place: Place, names: list[str]) -> None:
    raise_limit()
    logging.disable()  # each would tell that its master is away
    asyncio.run(_run(place, names))


async def _run(place: Place, names: list[str]) -> None:
    context = sockets.new_context()
    agents = []
    for name in names:
        wire, seal = place.minions[name]
        config = replace(Config(), root=place.root / "minions" / name, id=name)
        identity = Identity(
            id=name, wire=wire, seal=seal, host="127.0.0.1", port=place.control_port, master_key=place.master.public
        )
        agent = Agent(config, identity, context, {"id": name, "os": "Debian"}, Still())
        agent._inline["bench.highstate"] = lambda agent=agent, value=highstate(name): _ran(agent, value)
        agent.start()
        agents.append(agent)
        await asyncio.sleep(0)
    await asyncio.Event().wait()  # until it is killed


def _ran(agent: Agent, value: bytes) -> None:
    """Have AGENT tell of a highstate that it ran by itself, as its schedule does."""
    jid = agent._new_jid()
    agent._owe(jid, m.encode(m.Called(jid, "state.apply", b"[]", "done", True, 0, value, 125.0)), sync=True)
