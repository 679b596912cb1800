"""The agent's eye on a network transaction whose process died, or that waits for a person: that a guard is there, what
came of it, and that the connection to the master is made anew then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from saltern.config import Config

if TYPE_CHECKING:
    from modules._transaction.store import Store

logger = logging.getLogger(__name__)

_POLL_S = 0.5
_RESTART_S = 5.0  # between two attempts to have a guard
_GRACE_S = 45.0  # after the deadline; by then the outcome of a job is told without waiting on


class Aftermath:
    """Looks while there is something to see. RENEW is called each time a transaction has ended."""

    def __init__(self, config: Config, renew: Callable[[], None]) -> None:
        self._config, self._renew = config, renew
        self._folder = config.paths.var / "minion" / "network"
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, Callable[[str], None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._started_at = -_RESTART_S

    def look(self) -> None:
        """Something may have happened: see to what is pending, if anything is."""
        if self._timer is None and (self._folder / "pending").exists():
            self._look()

    def of_job(self, jid: str, tell: Callable[[str], None]) -> None:
        """TELL what became of the network transaction of the job JID, whose process died: now, or when it has ended.
        '' where it had none."""
        if (self._folder / "pending").exists():
            pending = self._store.pending()
            if pending is not None and pending.jid == jid:
                self._waiting[jid] = tell
                self.look()
                return
        outcome = self._outcome(jid)
        if outcome:
            self._renew()  # the process died before it could ask for that
        tell(outcome)

    def close(self) -> None:
        """Look no more."""
        if self._timer:
            self._timer.cancel()

    @property
    def _store(self) -> Store:
        from modules._transaction.store import Store  # late: most agents never see a transaction

        return Store(self._folder)

    def _outcome(self, jid: str) -> str:
        if not (self._folder / "last").exists():
            return ""
        last = self._store.last()
        return f"Its network transaction: {last.words}." if last is not None and last.jid == jid else ""

    def _look(self) -> None:
        from modules._checkpoint.checkpoint import BadCheckpoint

        self._timer = None
        try:
            pending = self._store.pending()
        except BadCheckpoint as error:
            logger.error("%s", error)
            pending = None
        late = pending is not None and pending.left_s < -_GRACE_S
        if pending is None or late:
            waiting, self._waiting = self._waiting, {}
            for jid, tell in waiting.items():
                tell(self._outcome(jid) or "Its network transaction has not ended (network.pending).")
            self._renew()
            if pending is None:
                return
        elif self._store.armed() != pending.id and self._loop.time() - self._started_at > _RESTART_S:
            from minion import arming

            self._started_at = self._loop.time()
            logger.warning("the network transaction of job %s has no guard: one is started", pending.jid)
            self._loop.run_in_executor(None, arming.start, self._config.root)
        self._timer = self._loop.call_later(_POLL_S if not late else 10 * _POLL_S, self._look)
