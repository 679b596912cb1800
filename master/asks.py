"""What functions on the minions may ask of the master: one table with typed arguments, and a turn for each.

Who asks is the key of the connection, never an argument. What is not in the table is refused. A minion's questions are
answered one after the other, at most RATE_S a second after a burst; so none can keep the others waiting. Every answer
must hold when the same question comes twice: see `saltern.asks`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from master import event_asks, peer_asks, vnet_asks
from master.asking import Asking, Entry, Pillar
from master.events import Bus
from master.presence import Minion, Presence
from master.store import Store
from saltern.asks import MAX_VALUE_BYTES
from saltern.errors import SalternError
from saltern.wire import messages as m

logger = logging.getLogger(__name__)

TABLE: Mapping[str, Entry] = {**vnet_asks.TABLE, **event_asks.TABLE, **peer_asks.TABLE}

MOST_WAITING = 64  # questions of one minion; it has eight workers, each with one question at a time
RATE_S = 100.0  # questions of one minion in a second, in the long run
BURST = 400.0  # and at once

__all__ = ["TABLE", "Asks", "Pillar"]


@dataclass(slots=True)
class _Turn:
    """The questions of one minion that wait, and how many it may put now."""

    waiting: deque[m.Ask] = field(default_factory=deque)
    allowed: float = BURST
    at: float = 0.0
    task: asyncio.Task[None] | None = None

    def pause_s(self, now: float) -> float:
        """Take one question off the account: how long to wait before it is answered."""
        self.allowed = min(BURST, self.allowed + (now - self.at) * RATE_S) - 1
        self.at = now
        return max(0.0, -self.allowed / RATE_S)


class Asks:
    """Answers questions. PILLAR renders a minion's; SEND brings an answer to a minion; BUS hears of events; CLOCK
    counts seconds."""

    def __init__(
        self,
        presence: Presence,
        store: Store,
        pillar: Pillar,
        send: Callable[[Minion, m.Answer], object],
        bus: Bus,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.asking = Asking(presence, store, pillar, bus)
        self._presence, self._send = presence, send
        self._clock, self._sleep = clock, sleep
        self._turns: dict[bytes, _Turn] = {}

    def take(self, minion: Minion, ask: m.Ask) -> None:
        """Answer ASK when its turn comes; refuse it at once where too many wait."""
        for public in [key for key in self._turns if key not in self._presence.minions]:
            del self._turns[public]
        turn = self._turns.setdefault(minion.record.public, _Turn(at=self._clock()))
        if len(turn.waiting) >= MOST_WAITING:
            error = f"{MOST_WAITING} questions of this minion wait already: ask again in a while"
            self._send(minion, m.Answer(ask.id, False, b"", error))
            return
        turn.waiting.append(ask)
        if turn.task is None:
            turn.task = asyncio.get_running_loop().create_task(self._serve(minion, turn))

    async def _serve(self, minion: Minion, turn: _Turn) -> None:
        try:
            while turn.waiting:
                ask = turn.waiting.popleft()
                if pause := turn.pause_s(self._clock()):
                    await self._sleep(pause)
                if self._presence.minions.get(minion.record.public) is not minion:  # its key was taken back meanwhile
                    turn.waiting.clear()
                    return
                self._send(minion, await self.answer(minion, ask))
        finally:
            turn.task = None

    async def answer(self, minion: Minion, ask: m.Ask) -> m.Answer:
        """The answer to one question."""
        try:
            value = await self._value(minion, ask)
        except SalternError as error:
            return m.Answer(ask.id, False, b"", str(error)[:60_000])
        except Exception:  # the outermost loop of a question
            logger.exception("%s asked %s", minion.id, ask.what)
            return m.Answer(ask.id, False, b"", "an error of Saltern itself, see the master's log")
        return m.Answer(ask.id, True, value, "")

    async def _value(self, minion: Minion, ask: m.Ask) -> bytes:
        entry = TABLE.get(ask.what)
        if entry is None:
            logger.warning("%s asked %s, which no one may", minion.id, ask.what)
            raise NotAnswered(f"this master answers no question {ask.what!r}")
        try:
            arguments = msgspec.json.decode(ask.args, type=entry.arguments)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            raise NotAnswered(f"{ask.what}: its arguments are wrong: {error}") from None
        value = msgspec.json.encode(await entry.answer(self.asking, minion, arguments))
        if len(value) > MAX_VALUE_BYTES:
            raise NotAnswered(f"{ask.what}: the answer has {len(value)} bytes, more than {MAX_VALUE_BYTES}")
        return value


class NotAnswered(SalternError):
    """A question that the table does not know, or arguments that do not fit it."""
