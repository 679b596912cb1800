"""How a look of the beacon `drift` asks the master: through the agent's socket, as `saltern-call` does, and not before
a state asks for something."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minion.connected import AskThrough
from minion.pipe import Blocking
from saltern.asks import WAIT_S, MasterAway

_MORE_S = 10.0  # the agent answers within WAIT_S; a busy node is given more


class Asking:
    """`Context.ask` over the agent's socket FILE. AWAY is why the master could not be asked, if that was so: what a
    look found then is not the whole truth. It is not asked again."""

    def __init__(self, file: Path) -> None:
        self._file, self.away = file, ""
        self._through: AskThrough | None = None

    def __call__(self, what: str, args: Mapping[str, Any], /) -> Any:
        """See `saltern.asks.Ask`."""
        if self.away:
            raise MasterAway(self.away)
        try:
            if self._through is None:
                self._through = self._connected()
            return self._through(what, args)
        except MasterAway as error:
            self.away = f"{what}: {error}"
            raise

    def _connected(self) -> AskThrough:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(WAIT_S + _MORE_S)
        try:
            connection.connect(str(self._file))
        except OSError as error:
            connection.close()
            raise MasterAway(f"the agent does not answer on {self._file}: {error.strerror or error}") from None
        return AskThrough(Blocking(connection))
