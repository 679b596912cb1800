"""The connection to the master: made, kept, and made again with a jittered back-off.

Each attempt is a fresh socket, so nothing stale waits in a queue, and no bytes from a past session are sent in a new
one. What is found on the way (no answer, another key, key pending, denied) is told once when it changes.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from enum import Enum
from typing import Any

from minion.identity import Identity
from saltern import __version__
from saltern.wire import messages as m
from saltern.wire import monitor, sockets
from saltern.wire.endpoint import Endpoint
from saltern.wire.keys import fingerprint

logger = logging.getLogger(__name__)

_ANSWER_S = 20.0  # how long an authenticated master may take to answer hello or join
_DENIED = 5.0  # times the longest pause: there is no hurry to hear again that the master refuses
_SILENT_S = 60.0  # the master pings four times in this time; without any sign the connection is dead


class Phase(Enum):
    """Where a connection is."""

    AWAY = "away"
    CONNECTING = "connecting"
    GREETING = "greeting"
    PENDING = "pending"
    READY = "ready"


class Connection:
    """Keeps one DEALER to the master of IDENTITY.

    HELLO() gives the message to greet with (None: only join). ON_READY is called after each welcome, ON_MESSAGE with
    all that follows, ON_DENIED(reason, final) when the master refuses, ON_BROKEN(why) when a connection that was
    welcome is gone.
    """

    def __init__(
        self,
        context: Any,
        identity: Identity,
        *,
        hello: Callable[[], m.Hello] | None,
        on_ready: Callable[[m.Welcome], None],
        on_message: Callable[[m.FromMaster], None],
        on_denied: Callable[[str, bool], None] = lambda reason, final: None,
        on_broken: Callable[[str], None] = lambda why: None,
        retry_min_s: float = 0.2,
        retry_max_s: float = 6.0,
        retry: bool = True,
    ) -> None:
        self._context, self._identity = context, identity
        self._hello, self._on_ready, self._on_message = hello, on_ready, on_message
        self._on_denied, self._on_broken = on_denied, on_broken
        self._min_s, self._max_s, self._retry = retry_min_s, retry_max_s, retry
        self._loop = asyncio.get_running_loop()
        self.phase = Phase.AWAY
        self.problem = ""
        self._failures = 0
        self._endpoint: Endpoint | None = None
        self._monitor: Endpoint | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._joining = bool(identity.secret)
        self._closed = False
        self._heard = 0.0

    def open(self) -> None:
        """Start an attempt."""
        if self._closed:
            return
        identity = self._identity
        self.phase = Phase.CONNECTING
        socket = sockets.client(
            self._context,
            identity.wire,
            identity.master_key,
            max_bytes=m.MAX_CONTROL_BYTES,
            high_water=10_000,
        )
        self._endpoint = Endpoint(socket, self._received)
        self._monitor = monitor.watch(socket, self._event)
        self._after(_ANSWER_S, self._silent)
        try:
            socket.connect(sockets.endpoint_address(identity.host, identity.port))
        except OSError as error:
            self._lost(f"the address {identity.host}:{identity.port} can't be used: {error}")

    def send(self, message: Any) -> bool:
        """Send a message if the master is there."""
        return self.send_encoded(m.encode(message))

    def send_encoded(self, data: bytes) -> bool:
        """Send an encoded message if the master is there."""
        return self.phase is Phase.READY and self._endpoint is not None and self._endpoint.send((data,))

    def renew(self) -> None:
        """Make the connection anew at once: the network has become another."""
        if not self._closed:
            self._drop("it is made anew")
            self._failures = 0
            self.open()

    def close(self) -> None:
        """End the connection for good."""
        self._closed = True
        self._drop("it is closed")

    # --- what happens --------------------------------------------------------------------------------------------

    def _event(self, event: int, value: int) -> None:
        place = f"{self._identity.host}:{self._identity.port}"
        if event == monitor.CONNECTED:
            self._greet()
        elif event & monitor.REFUSED or (event == monitor.DISCONNECTED and self.phase is Phase.CONNECTING):
            # a peer that hangs up before it has proven its key is told as one that has another
            self._lost(
                f"the master at {place} does not hold the key that this minion trusts "
                f"({fingerprint(self._identity.master_key)}), or refuses this minion's key: nothing was sent to it. "
                "If the master was made anew, join again with a token of it"
            )
        elif event == monitor.DISCONNECTED:
            self._lost(f"the connection to the master at {place} was cut")
        elif event == monitor.CLOSED and self.phase is Phase.CONNECTING:
            self._lost(f"no master answers at {place}")

    def _greet(self) -> None:
        self.phase = Phase.GREETING
        identity = self._identity
        first: Any = self._hello() if self._hello else None
        if self._joining or first is None:
            first = m.Join(m.PROTOCOL, __version__, identity.id, identity.secret, identity.seal.public)
        if self._endpoint:
            self._endpoint.send((m.encode(first),))
        self._after(_ANSWER_S, self._silent)

    def _received(self, frames: list[Any]) -> None:
        try:
            message = m.from_master(frames[-1].buffer)
        except m.BadMessage as error:
            logger.warning("a message of the master was dropped: %s", error)
            return
        self._heard = self._loop.time()
        if isinstance(message, m.Welcome):
            self._welcomed(message)
        elif isinstance(message, m.Ping):
            if self._endpoint:
                self._endpoint.send((m.encode(m.Pong(message.nonce)),))
        elif isinstance(message, m.Pending):
            self.phase = Phase.PENDING
            self._after(None)
            self._tell(f"waiting until the master accepts the key {message.fingerprint} (saltern-key accept)")
        elif isinstance(message, m.Denied):
            self._denied(message)
        elif self.phase is Phase.READY:
            self._on_message(message)

    def _welcomed(self, message: m.Welcome) -> None:
        if self._hello is not None and (self._joining or self.phase is Phase.PENDING):  # now it may say hello
            self._joining = False
            self._greet()
            return
        self._failures, self.problem = 0, ""
        if self.phase is not Phase.READY:
            self.phase = Phase.READY
            self._after(_SILENT_S / 2, self._listen)
            self._on_ready(message)

    def _denied(self, message: m.Denied) -> None:
        if not message.final and not self._joining:  # an unknown key asks once to be let in
            self._joining = True
            self._greet()
            return
        self._on_denied(message.reason, message.final)
        self._lost(f"the master refuses this minion: {message.reason}", _DENIED * self._max_s)

    def _listen(self) -> None:
        if self._loop.time() - self._heard > _SILENT_S:
            self._lost("the master went silent")
        else:
            self._after(_SILENT_S / 2, self._listen)

    def _silent(self) -> None:
        place = f"{self._identity.host}:{self._identity.port}"
        self._lost(f"no answer from the master at {place}")

    def _lost(self, why: str, most_s: float = 0.0) -> None:
        """The connection is gone; the next attempt comes within MOST_S, or as `_pause` says."""
        if self._closed or self._endpoint is None:
            return
        self._drop(why)
        self._tell(why)
        if self._retry:
            self._after(self._pause(most_s), self.open)

    def _pause(self, most_s: float) -> float:
        """Full jitter between the least and an exponentially growing pause, so that a fleet does not come at once."""
        ceiling = most_s or min(self._max_s, self._min_s * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        return random.uniform(self._min_s / 2, max(ceiling, self._min_s))  # noqa: S311 - spreading, not secrecy

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            logger.warning("%s", problem)

    def _drop(self, why: str) -> None:
        self._after(None)
        was_ready, self.phase = self.phase is Phase.READY, Phase.AWAY
        for endpoint in (self._monitor, self._endpoint):
            if endpoint:
                endpoint.close()
        self._monitor = self._endpoint = None
        if was_ready:
            self._on_broken(why)

    def _after(self, delay_s: float | None, then: Callable[[], None] | None = None) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if delay_s is not None and then is not None:
            self._timer = self._loop.call_later(delay_s, then)
