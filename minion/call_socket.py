"""The door for `saltern-call` on this node: a Unix socket of mode 0600, so for root (or the agent's user) only.

It speaks the workers' language: `saltern-call` runs the function itself, asks for trees and pillar like a worker, and
tells the end like one.
"""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

from minion.agent import Agent
from minion.pipe import AskMaster, Evented, Mine, NeedBundle, NetworkChanged, Noted
from saltern.errors import SalternError


class CallSocket:
    """Listens on FILE for the AGENT."""

    def __init__(self, file: Path, agent: Agent) -> None:
        self._file, self._agent = file, agent
        self._listener: socket.socket | None = None
        self._open: set[Evented] = set()

    async def start(self) -> None:
        """Listen. SalternError where another agent answers there."""
        self._file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._file))
            except OSError:
                self._file.unlink(missing_ok=True)
            else:
                raise SalternError(f"another agent runs already: it answers on {self._file}")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.setblocking(False)
        try:
            self._listener.bind(str(self._file))  # the umask of the agent gives it mode 0600
        except OSError as error:
            raise SalternError(f"{self._file}: the agent's socket can't be made: {error.strerror or error}") from None
        self._file.chmod(0o600)
        self._listener.listen(16)
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    async def close(self) -> None:
        """Stop listening and remove the socket."""
        if self._listener:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()
            self._file.unlink(missing_ok=True)
        for pipe in list(self._open):
            pipe.close()

    def _accept(self) -> None:
        assert self._listener
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        pipe = Evented(connection, lambda message: self._heard(pipe, message), lambda: self._open.discard(pipe))
        self._open.add(pipe)

    def _heard(self, pipe: Evented, message: Any) -> None:
        if isinstance(message, NeedBundle):
            self._agent.need_bundle(message.pillarenv, pipe.send)
        elif isinstance(message, AskMaster):
            self._agent.ask_master(message, pipe.send)
        elif isinstance(message, NetworkChanged):
            self._agent.network_changed()
        elif isinstance(message, Mine):
            pipe.send(Noted(self._agent.mine(message)))
