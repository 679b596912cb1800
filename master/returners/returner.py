"""One returner: a thread that brings what the outbox holds to its place, again and again until it is there."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, Protocol

from master.returners import outbox
from master.returners.outbox import Batch, Return
from saltern.secret import MASK, Secret

logger = logging.getLogger(__name__)

FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 60.0
_IDLE_S = 5.0  # what ends without a return (a job expired) is seen within this time
_NOTE_S, _NOTE_MOST = 60.0, 1000  # what was passed over is noted after so long, or so much


class Refused(Exception):
    """The place is there, but does not take this return, and never will."""


class Sink(Protocol):
    """Where returns are delivered."""

    def deliver(self, returns: Sequence[Return]) -> None:
        """Bring RETURNS there, all or none: OSError where that is not possible now, `Refused` where one of them can't
        be taken at all."""

    def close(self) -> None:
        """No more will come."""


class Source(Protocol):
    """Where a returner reads from; see `outbox.Outbox`."""

    def reader(self) -> sqlite3.Connection:
        """A connection for one thread, which may read alone."""

    def delivered(self, name: str, last: int) -> None:
        """The returner NAME has delivered all up to LAST. Does not wait."""


class Returner:
    """Brings the returns of FUNCTIONS (globs) to SINK. SECRETS are masked in what is told of a failure. PAUSE(seconds)
    waits, and says True when it is to end."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        functions: Sequence[str] = ("*",),
        secrets: Sequence[Secret] = (),
        pause: Callable[[float], bool] | None = None,
    ) -> None:
        self.name, self._sink, self._functions, self._secrets = name, sink, functions, secrets
        self._more, self._end = threading.Event(), threading.Event()
        self._pause = pause or self._end.wait
        self.position = self._noted = 0
        self._noted_at = time.monotonic()
        self.delivered = self.dropped = self.failures = 0
        self.problem = ""
        self._thread: threading.Thread | None = None

    def start(self, source: Source, position: int) -> None:
        """Deliver what SOURCE has after POSITION, and what comes."""
        self.position = self._noted = position
        self._thread = threading.Thread(target=self._run, args=(source,), name=f"returner {self.name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is more. Never waits."""
        self._more.set()

    def counts(self) -> dict[str, Any]:
        """How it goes, since the master was started."""
        return {
            "delivered": self.delivered,
            "dropped": self.dropped,
            "failures": self.failures,
            "problem": self.problem or None,
        }

    def stop(self) -> None:
        """End soon, without waiting for it."""
        self._end.set()
        self._more.set()

    def close(self, wait_s: float = 2.0) -> None:
        """End, after the delivery that is under way if that is quick. What was not delivered is later."""
        self.stop()
        if self._thread:
            self._thread.join(wait_s)

    def _run(self, source: Source) -> None:
        with closing(source.reader()) as connection:
            pause_s = FIRST_PAUSE_S
            while not self._end.is_set():
                try:
                    self._more.clear()
                    batch = outbox.read(connection, self.position, self._functions)
                    if batch.returns:
                        self._deliver(batch.returns)
                except Exception as error:  # whatever a server makes of it, the others go on
                    self._failed(error)
                    if self._pause(pause_s):
                        break
                    pause_s = min(pause_s * 2, LAST_PAUSE_S)
                    continue
                pause_s = FIRST_PAUSE_S
                if not self._went_on(batch, source):
                    self._more.wait(_IDLE_S)
        self._sink.close()

    def _deliver(self, returns: Sequence[Return]) -> None:
        """All of RETURNS; where one is refused, the others one by one."""
        try:
            self._sink.deliver(returns)
            self.delivered += len(returns)
        except Refused as error:
            if len(returns) > 1:
                for one in returns:
                    self._deliver([one])
                return
            self.dropped += 1
            job = f"of job {returns[0].jid} on {returns[0].minion}"
            logger.error("returner %s: the return %s is not taken there: %s", self.name, job, self._masked(str(error)))

    def _went_on(self, batch: Batch, source: Source) -> bool:
        """Note BATCH as delivered; False where it held nothing."""
        if batch.last == self.position:
            return False
        if batch.lost:
            self.dropped += batch.lost
            logger.error("returner %s: the store forgot %d returns before they could go", self.name, batch.lost)
        self.position, self.problem = batch.last, ""
        now = time.monotonic()
        if batch.returns or self.position - self._noted >= _NOTE_MOST or now - self._noted_at >= _NOTE_S:
            source.delivered(self.name, self.position)
            self._noted, self._noted_at = self.position, now
        return True

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        text = self._masked(str(error)) or type(error).__name__
        if text != self.problem:
            self.problem = text
            logger.error("returner %s: not delivered, it is tried again: %s", self.name, text)

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            for shown in {secret.reveal(), json.dumps(secret.reveal())[1:-1]} - {""}:
                text = text.replace(shown, MASK)
        return " ".join(text.split())[:500]
