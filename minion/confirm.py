"""Asks the master, over a connection of its own, whether it is reached: the proof that a changed network works."""

from __future__ import annotations

import os
import socket
import threading

from minion.identity import Identity
from saltern.wire import messages as m
from saltern.wire import sockets


def addresses(host: str, timeout_s: float = 5.0) -> tuple[str, ...]:
    """The addresses of HOST, looked up once, before the network changes. Nothing where that takes over TIMEOUT_S."""
    found: list[str] = []

    def look_up() -> None:
        try:
            found.extend(str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM))
        except OSError:
            return

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(timeout_s)
    return tuple(dict.fromkeys(found))


def confirmed(identity: Identity, host: str, timeout_s: float) -> bool:
    """Whether the master at the address HOST answers within TIMEOUT_S seconds: by a new connection that proves both
    keys, and with the nonce that was just made."""
    import zmq

    nonce = os.urandom(16)
    context = sockets.new_context()
    try:
        dealer = sockets.client(
            context, identity.wire, identity.master_key, max_bytes=m.MAX_CONTROL_BYTES, high_water=10
        )
        dealer.connect(sockets.endpoint_address(host, identity.port))
        dealer.send(m.encode(m.Confirm(nonce)))
        if not dealer.poll(int(timeout_s * 1000), zmq.POLLIN):
            return False
        answer = m.from_master(dealer.recv())
        return isinstance(answer, m.Confirmed) and answer.nonce == nonce
    except (zmq.ZMQError, m.BadMessage):
        return False
    finally:
        context.destroy(linger=0)
