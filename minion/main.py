"""The agent as a process: start-up, signals, joining."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from minion import identity as identities
from minion.agent import Agent
from minion.call_socket import CallSocket
from minion.connection import Connection
from minion.grains import own_id
from minion.identity import Identity
from saltern import __version__
from saltern.cli.daemon import set_up_log
from saltern.config import Config, load_minion
from saltern.errors import SalternError, UsageError
from saltern.wire import messages as m
from saltern.wire import sockets, token
from saltern.wire.keys import fingerprint, load_or_make

logger = logging.getLogger(__name__)

_JOIN_S = 30.0
_FIRST_GRAINS_S = 20.0  # a node whose grains hang joins without them


def configured(root: Path, minion_id: str) -> Config:
    """The configuration, with the id of the command line where one is given."""
    config = load_minion(root)
    return replace(config, id=minion_id) if minion_id else config


def run(root: Path, minion_id: str, log_level: str | None) -> int:
    """Run the agent until SIGTERM or SIGINT."""
    os.umask(0o077)
    config = configured(root, minion_id)
    set_up_log(log_level or config.log_level)
    asyncio.run(_run(config, identities.load(config)))
    return 0


async def _run(config: Config, identity: Identity) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    context = sockets.new_context()
    cached = config.paths.var / "minion" / "grains.json"
    agent = Agent(config, identity, context, _cached_grains(cached, identity.id))
    agent.grains_file = cached
    door = CallSocket(config.paths.run / "minion.sock", agent)
    await door.start()
    agent.refresh_grains()
    if agent.grains_now.keys() <= {"id"}:  # the first start; the first hello has to say what this node is
        await _first([agent.known.wait(), stop.wait()], _FIRST_GRAINS_S)
    agent.start()
    logger.info("%s %s runs, key %s", identity.id, __version__, identity.wire.fingerprint)
    await stop.wait()
    await door.close()
    agent.close()
    context.destroy(linger=0)


async def _first(waits: Sequence[Coroutine[Any, Any, Any]], timeout_s: float) -> None:
    """Wait until one of WAITS is over, or TIMEOUT_S seconds."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _cached_grains(file: Path, minion_id: str) -> Mapping[str, Any]:
    """The grains of the last run, so that the first hello need not wait for the new ones."""
    try:
        read = json.loads(file.read_text())
        return read if isinstance(read, dict) and read.get("id") == minion_id else {"id": minion_id}
    except (OSError, ValueError):
        return {"id": minion_id}


def show_fingerprint(root: Path, minion_id: str) -> int:
    """Print the id and the fingerprint of the key, which is made at first."""
    config = configured(root, minion_id)
    key = load_or_make(identities.folder(config) / "wire.key")
    print(f"{own_id(config)}  {key.fingerprint}")
    return 0


def join(root: Path, minion_id: str, text: str, log_level: str | None) -> int:
    """Join the master that made the token. It is verified by the token before anything is sent to it."""
    os.umask(0o077)
    set_up_log(log_level or "error")
    config = configured(root, minion_id)
    ticket = token.from_text(text)
    try:
        host, port = sockets.split_address(ticket.address, 0)
    except ValueError as error:
        raise UsageError(f"this join token is damaged: {error}") from None
    place = identities.folder(config)
    identity = Identity(
        id=own_id(config),
        wire=load_or_make(place / "wire.key"),
        seal=load_or_make(place / "seal.key"),
        host=host,
        port=port,
        master_key=ticket.master_key,
        secret=ticket.secret,
    )
    print(f"master  {ticket.address}  {fingerprint(ticket.master_key)}")
    print(f"minion  {identity.id}  {identity.wire.fingerprint}")
    accepted_as = asyncio.run(_join(identity))
    identities.remember(config, replace(identity, id=accepted_as, secret=b""))
    print(f"joined as {accepted_as}. Start the agent: systemctl start saltern-minion (or saltern-minion)")
    return 0


async def _join(identity: Identity) -> str:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()

    def denied(reason: str, final: bool) -> None:
        if not answer.done():
            answer.set_exception(SalternError(f"the master refuses this minion: {reason}"))

    def ready(welcome: m.Welcome) -> None:
        if not answer.done():
            answer.set_result(welcome.id)

    context = sockets.new_context()
    connection = Connection(
        context,
        identity,
        hello=None,
        on_ready=ready,
        on_message=lambda message: None,
        on_denied=denied,
        retry=False,
    )
    try:
        connection.open()
        deadline = loop.time() + _JOIN_S
        while not answer.done():
            await asyncio.wait([answer], timeout=0.05)
            if connection.problem and not answer.done() and connection.phase.value == "away":
                raise SalternError(connection.problem)
            if loop.time() > deadline:
                raise SalternError(f"no answer from {identity.host}:{identity.port} within {_JOIN_S:.0f} s")
        return answer.result()
    finally:
        connection.close()
        context.destroy(linger=0)
