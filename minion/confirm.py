"""Where the master is, and whether it confirms over a new connection that it is reached."""

from __future__ import annotations

import socket
import threading

from minion.identity import Identity


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


def confirmed(identity: Identity, address: str, timeout_s: float) -> bool:
    """Whether the master of IDENTITY answers at ADDRESS within TIMEOUT_S seconds, see `saltern.wire.confirm`."""
    from saltern.wire import confirm

    return confirm.confirmed(identity.wire, identity.master_key, address, identity.port, timeout_s)
