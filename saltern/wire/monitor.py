"""What happens to a socket's connections: made, refused, cut (zmq_socket_monitor(3))."""

from __future__ import annotations

import struct
from collections.abc import Callable

import zmq

from saltern.wire.endpoint import Endpoint

CONNECTED = int(zmq.EVENT_HANDSHAKE_SUCCEEDED)
DISCONNECTED = int(zmq.EVENT_DISCONNECTED)
REFUSED = (
    int(zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL)
    | int(zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
    | int(zmq.EVENT_HANDSHAKE_FAILED_AUTH)
)
TCP_CONNECTED = int(zmq.EVENT_CONNECTED)
RETRIED = int(zmq.EVENT_CONNECT_RETRIED)
CLOSED = int(zmq.EVENT_CLOSED)


class Monitor(Endpoint):
    """Hears of the connections of WATCHED until it is closed.

    ZeroMQ's own thread waits to hand over an event that nobody takes any more, and with it stand all connections of
    the process. So WATCHED is told to stop before the end that listens is closed, and what waits has no bound.
    """

    def __init__(self, watched: zmq.Socket[bytes], on_event: Callable[[int, int], None], events: int) -> None:
        address = f"inproc://monitor.s-{watched.FD}"
        watched.monitor(address, events)
        pair = watched.context.socket(zmq.PAIR)
        pair.rcvhwm = 0
        pair.connect(address)
        self._watched, self._on_event = watched, on_event
        super().__init__(pair, self._received)

    def close(self) -> None:
        """Hear no more."""
        if not self.closed and not self._watched.closed:
            self._watched.disable_monitor()
        super().close()

    def _received(self, frames: list[zmq.Frame]) -> None:
        if len(frames[0].bytes) == 6:
            event, value = struct.unpack("=HI", frames[0].bytes)
            self._on_event(event, value)


def watch(socket: zmq.Socket[bytes], on_event: Callable[[int, int], None]) -> Monitor:
    """Call ON_EVENT(event, value) for each event; the value of connected and cut is the file descriptor."""
    return Monitor(socket, on_event, CONNECTED | DISCONNECTED | REFUSED | TCP_CONNECTED | RETRIED | CLOSED)
