"""A ZeroMQ socket on an asyncio loop, without a future per message.

ZeroMQ's file descriptor is edge-triggered: it says once that something may have happened, and also a send may take
that notice away. So the socket is drained until it is empty, in bounded turns, whenever the descriptor is readable
and after each turn in which something was sent (zmq_getsockopt(3), ZMQ_FD and ZMQ_EVENTS).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import zmq

_TURN = 256  # messages handled before other work on the loop gets its turn
_COPIED = 64 * 1024  # a frame below that is copied, since lending it to ZeroMQ costs more


class Endpoint:
    """Gives each message of SOCKET to ON_MESSAGE, as its list of frames. A message that ON_MESSAGE raises on is its
    own affair: it has to catch what it expects; anything else goes to the loop's exception handler."""

    def __init__(self, socket: zmq.Socket[bytes], on_message: Callable[[list[zmq.Frame]], None]) -> None:
        self.socket = socket
        self._on_message = on_message
        self._loop = asyncio.get_running_loop()
        self._scheduled = False
        self._closed = False
        self._descriptor = int(socket.getsockopt(zmq.FD))
        self._loop.add_reader(self._descriptor, self._drain)
        self._again()

    def send(self, frames: Sequence[bytes]) -> bool:
        """Send a message now. False where the peer is gone, or so slow that its queue is full."""
        try:
            self.socket.send_multipart(frames, zmq.NOBLOCK, copy=max(map(len, frames)) < _COPIED)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno in (zmq.EHOSTUNREACH, zmq.ENOTSOCK, zmq.ETERM):
                return False
            raise
        finally:
            self._again()
        return True

    def close(self) -> None:
        """Leave the loop and close the socket; what is queued is dropped after the socket's LINGER."""
        if not self._closed:
            self._closed = True
            self._loop.remove_reader(self._descriptor)
            self.socket.close()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def _again(self) -> None:
        if not self._scheduled and not self._closed:
            self._scheduled = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._scheduled = False
        if self.closed:
            return
        for _ in range(_TURN):
            if self.socket.closed:
                return
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            except zmq.ZMQError as error:
                if error.errno in (zmq.ENOTSOCK, zmq.ETERM):
                    return
                raise
            try:
                self._on_message(frames)
            except Exception as error:
                self._loop.call_exception_handler({"message": "a message could not be handled", "exception": error})
        self._again()
