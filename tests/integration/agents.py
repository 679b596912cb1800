"""Several agents in one process: `python -m tests.integration.agents FOLDER ID…`, each with FOLDER/ID as its root.

Each is the agent that `saltern-minion` runs, with a journal, a connection and worker processes of its own. What the
daemon has besides and this leaves out: the socket of saltern-call, and the look at the node's grains.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from minion import identity, main
from minion.agent import Agent
from saltern.cli.daemon import set_up_log
from saltern.wire import sockets


async def run(folder: Path, names: list[str]) -> None:
    """Run the agents until the process is killed."""
    set_up_log("info")
    context = sockets.new_context()
    agents = []
    for name in names:
        config = main.configured(folder / name, "")
        agents.append(Agent(config, identity.load(config), context, {"id": name}))
        agents[-1].start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]), sys.argv[2:]))
