"""What functions ask of the master, on its way there and back: the agent's side.

A question that is under way when the connection breaks is sent again over the next one, so that a master that is
started anew costs a pause and no failure. Each is answered within WAIT_S, by the master or by "it is away".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from minion.pipe import AskMaster, MasterSays
from saltern.asks import WAIT_S
from saltern.wire import messages as m

Reply = Callable[[MasterSays], None]


@dataclass(slots=True)
class _Open:
    message: m.Ask
    reply: Reply
    timer: asyncio.TimerHandle


class Questions:
    """The open questions. SEND gives a message to the connection, False where there is none."""

    def __init__(self, send: Callable[[m.Ask], bool], wait_s: float = WAIT_S) -> None:
        self._send, self._wait_s = send, wait_s
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, _Open] = {}
        self._last = 0

    def put(self, question: AskMaster, reply: Reply, problem: str) -> None:
        """Ask; REPLY gets the answer. PROBLEM says why the master is away, if it is."""
        self._last += 1
        message = m.Ask(self._last, question.what, question.args)
        if not self._send(message):
            reply(MasterSays(False, error=f"the master is not connected: {problem}", away=True))
            return
        timer = self._loop.call_later(self._wait_s, self._give_up, message.id)
        self._open[message.id] = _Open(message, reply, timer)

    def answered(self, answer: m.Answer) -> None:
        """The master answered. What nobody waits for any more is passed over."""
        found = self._open.pop(answer.id, None)
        if found:
            found.timer.cancel()
            found.reply(MasterSays(answer.ok, answer.value, answer.error))

    def send_again(self) -> None:
        """There is a new connection."""
        for question in list(self._open.values()):
            self._send(question.message)

    def _give_up(self, id: int) -> None:
        found = self._open.pop(id)
        found.reply(MasterSays(False, error=f"the master did not answer within {self._wait_s:g} s", away=True))
