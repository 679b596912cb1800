"""What functions ask of the master, on its way there and back: the agent's side.

A question that is under way when the connection breaks is sent again over the next one, and one that comes soon
after the break waits for that; so a master that is started anew costs a pause and no failure. Each question is answered
in bounded time, by the master or by "it is away".
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
    """The open questions. SEND gives a message to the connection, False where there is none. GRACE_S: how long after
    the connection broke the next one is waited for; WAIT_S: how long an answer, while there is one."""

    def __init__(self, send: Callable[[m.Ask], bool], grace_s: float, wait_s: float = WAIT_S) -> None:
        self._send, self._wait_s, self._grace_s = send, wait_s, grace_s
        self._loop = asyncio.get_running_loop()
        self._open: dict[int, _Open] = {}
        self._last = 0
        self._patient_until: float | None = None  # after a break, by the loop's clock

    def put(self, question: AskMaster, reply: Reply, problem: str) -> None:
        """Ask; REPLY gets the answer. PROBLEM says why the master is away, if it is."""
        self._last += 1
        message = m.Ask(self._last, question.what, question.args)
        now = self._loop.time()
        if self._send(message):
            self._wait(message, reply, now + self._wait_s, f"the master did not answer within {self._wait_s:g} s")
            return
        why = f"the master is not connected: {problem}"
        if self._patient_until is not None and now < self._patient_until:
            self._wait(message, reply, self._patient_until, why)
        else:
            reply(MasterSays(False, error=why, away=True))

    def answered(self, answer: m.Answer) -> None:
        """The master answered. What nobody waits for any more is passed over."""
        found = self._open.pop(answer.id, None)
        if found:
            found.timer.cancel()
            found.reply(MasterSays(answer.ok, answer.value, answer.error))

    def broken(self, problem: str) -> None:
        """The connection is gone, since PROBLEM: what waits for an answer waits for the next one."""
        self._patient_until = self._loop.time() + self._grace_s
        for question in list(self._open.values()):
            if question.timer.when() < self._patient_until:
                question.timer.cancel()
                why = f"the master is not connected: {problem}"
                self._wait(question.message, question.reply, self._patient_until, why)

    def send_again(self) -> None:
        """There is a new connection."""
        now = self._loop.time()
        for question in list(self._open.values()):
            if self._send(question.message):
                question.timer.cancel()
                why = f"the master did not answer within {self._wait_s:g} s"
                self._wait(question.message, question.reply, now + self._wait_s, why)

    def _wait(self, message: m.Ask, reply: Reply, until: float, why: str) -> None:
        timer = self._loop.call_at(until, self._give_up, message.id, why)
        self._open[message.id] = _Open(message, reply, timer)

    def _give_up(self, id: int, why: str) -> None:
        self._open.pop(id).reply(MasterSays(False, error=why, away=True))
