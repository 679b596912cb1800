"""Asks the master, over a connection of its own, whether it is reached: the proof that a changed network works."""

from __future__ import annotations

import os

import zmq

from saltern.wire import messages as m
from saltern.wire import sockets
from saltern.wire.keys import KeyPair


def confirmed(keys: KeyPair, master_key: bytes, host: str, port: int, timeout_s: float) -> bool:
    """Whether the holder of MASTER_KEY answers at HOST and PORT within TIMEOUT_S seconds: by a new connection, on which
    both sides prove their keys, and with the nonce that was just made."""
    nonce = os.urandom(16)
    context = sockets.new_context()
    try:
        dealer = sockets.client(context, keys, master_key, max_bytes=m.MAX_CONTROL_BYTES, high_water=10)
        dealer.connect(sockets.endpoint_address(host, port))
        dealer.send(m.encode(m.Confirm(nonce)))
        if not dealer.poll(int(timeout_s * 1000), zmq.POLLIN):
            return False
        answer = m.from_master(dealer.recv())
        return isinstance(answer, m.Confirmed) and answer.nonce == nonce
    except (zmq.ZMQError, m.BadMessage):
        return False
    finally:
        context.destroy(linger=0)
