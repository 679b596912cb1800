"""The sockets of both ports, with CURVE on every one and the limits that keep a peer from doing harm."""

from __future__ import annotations

import os
import socket as system_socket

import zmq
from zmq.utils import z85

from saltern.wire.keys import KeyPair

_HEARTBEAT_MS = 10_000  # ZMTP heartbeat (RFC 37): a dead peer is noticed within three of them
_HANDSHAKE_MS = 10_000  # a connection that has not authenticated by then is closed


def new_context(threads: int = 1) -> zmq.Context[zmq.Socket[bytes]]:
    """A ZeroMQ context of its own; the process that makes it also ends it, with `destroy(linger=0)`."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context(io_threads=threads)
    context.max_sockets = 16_384
    return context


def server(
    context: zmq.Context[zmq.Socket[bytes]],
    keys: KeyPair,
    *,
    domain: str,
    address: str,
    max_bytes: int,
    high_water: int,
) -> zmq.Socket[bytes]:
    """A bound ROUTER. DOMAIN is what the ZAP handler is asked with; HIGH_WATER bounds each peer's queue (messages)."""
    router = context.socket(zmq.ROUTER)
    router.curve_server = True
    router.curve_publickey, router.curve_secretkey = keys.z85
    router.zap_domain = domain.encode()
    router.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)
    router.setsockopt(zmq.ROUTER_MANDATORY, 1)  # sending to a peer that is gone is an error, not a silence
    router.setsockopt(zmq.BACKLOG, 4096)
    _limits(router, max_bytes, high_water)
    router.bind(address)
    return router


def client(
    context: zmq.Context[zmq.Socket[bytes]],
    keys: KeyPair,
    master_key: bytes,
    *,
    max_bytes: int,
    high_water: int,
) -> zmq.Socket[bytes]:
    """A DEALER that only speaks to the holder of MASTER_KEY. Not connected yet, so that a monitor can be set first.

    It connects once: reconnecting is the agent's own decision, with its own back-off and without a stale queue.
    """
    dealer = context.socket(zmq.DEALER)
    dealer.curve_serverkey = z85.encode(master_key)
    dealer.curve_publickey, dealer.curve_secretkey = keys.z85
    dealer.setsockopt(zmq.RECONNECT_IVL, -1)
    dealer.setsockopt(zmq.CONNECT_TIMEOUT, 10_000)
    _limits(dealer, max_bytes, high_water)
    return dealer


def _limits(socket: zmq.Socket[bytes], max_bytes: int, high_water: int) -> None:
    socket.linger = 0
    socket.setsockopt(zmq.MAXMSGSIZE, max_bytes)
    socket.setsockopt(zmq.SNDHWM, high_water)
    socket.setsockopt(zmq.RCVHWM, high_water)
    socket.setsockopt(zmq.HANDSHAKE_IVL, _HANDSHAKE_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, _HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, 2 * _HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TTL, 3 * _HEARTBEAT_MS)
    socket.setsockopt(zmq.IPV6, 1)


def sender(frame: zmq.Frame) -> tuple[bytes, int]:
    """Who a received frame is from, as the transport knows it: the public key, and the connection's descriptor."""
    return bytes.fromhex(str(frame.get("User-Id"))), int(frame.get(zmq.SRCFD))


def remote(descriptor: int) -> tuple[str, int] | None:
    """The address and port at the other end of DESCRIPTOR, or None where it is closed. Both together tell a connection
    from a later one that got the same number."""
    try:
        copy = system_socket.socket(fileno=os.dup(descriptor))
    except OSError:
        return None
    with copy:
        try:
            host, port = copy.getpeername()[:2]
        except (OSError, ValueError):
            return None
    return str(host), int(port)


def cut(descriptor: int, end: tuple[str, int] | None) -> None:
    """Cut the connection on DESCRIPTOR, if END is still what `remote` says of it. ZeroMQ has no call for it; a
    shutdown(2) of its descriptor is seen there as the peer's hanging up."""
    if end is None or remote(descriptor) != end:
        return
    try:
        with system_socket.socket(fileno=os.dup(descriptor)) as copy:
            copy.shutdown(system_socket.SHUT_RDWR)
    except OSError:
        return


def endpoint_address(host: str, port: int) -> str:
    """The ZeroMQ address of HOST (a name, IPv4, IPv6 or `*`) and PORT."""
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"


def split_address(text: str, default_port: int) -> tuple[str, int]:
    """`HOST`, `HOST:PORT`, `V6` or `[V6]:PORT` as (host, port). ValueError where the port is none."""
    if text.startswith("["):
        host, found, rest = text[1:].partition("]")
        if not found or (rest and not rest.startswith(":")):
            raise ValueError(f"not an address: {text!r}")
        port = rest[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    if not host or (port and not (port.isdigit() and 0 < int(port) < 65536)):
        raise ValueError(f"not an address: {text!r}")
    return host, int(port) if port else default_port
