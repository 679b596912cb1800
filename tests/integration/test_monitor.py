"""Who stops listening to the events of a socket stops nothing else."""

from __future__ import annotations

import asyncio
import socket

from saltern.wire import monitor, sockets
from saltern.wire.keys import new_pair

WAIT_S = 60.0


def test_a_connection_whose_end_nobody_hears_of_still_ends() -> None:
    """ZeroMQ's thread would wait for a listener for ever, and no connection of the process would go on."""
    asyncio.run(_unheard())


async def _unheard() -> None:
    context = sockets.new_context()
    begun = asyncio.Event()
    dealer = sockets.client(context, new_pair(), new_pair().public, max_bytes=1000, high_water=10)
    watch = monitor.watch(dealer, lambda event, value: begun.set())
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            dealer.connect(f"tcp://127.0.0.1:{server.getsockname()[1]}")
            peer, _ = server.accept()
            with peer:
                await asyncio.wait_for(begun.wait(), WAIT_S)
                watch.close()
                await asyncio.sleep(0.3)  # ZeroMQ takes the listener away in a thread of its own
                peer.shutdown(socket.SHUT_WR)
                peer.settimeout(WAIT_S)
                while peer.recv(4096):  # until ZeroMQ's thread has told of the end and closed its own
                    pass
    finally:
        watch.close()
        context.destroy(linger=0)
