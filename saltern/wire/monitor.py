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


def watch(socket: zmq.Socket[bytes], on_event: Callable[[int, int], None]) -> Endpoint:
    """Call ON_EVENT(event, value) for each event; the value of connected and cut is the file descriptor."""
    events = CONNECTED | DISCONNECTED | REFUSED | TCP_CONNECTED | RETRIED | CLOSED

    def received(frames: list[zmq.Frame]) -> None:
        if len(frames[0].bytes) == 6:
            event, value = struct.unpack("=HI", frames[0].bytes)
            on_event(event, value)

    return Endpoint(socket.get_monitor_socket(events), received)
