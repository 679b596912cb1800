"""Who may connect: the ZAP handler (ZeroMQ RFC 27), tied to the key store.

Each CURVE connection asks here once, before any message of it is delivered. The answer binds the connection to its
public key (the `User-Id` of every message). Anything unexpected is answered with a refusal: it fails closed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import zmq

from saltern.wire.endpoint import Endpoint

logger = logging.getLogger(__name__)

ADDRESS = "inproc://zeromq.zap.01"


class Zap:
    """Answers for all server sockets of CONTEXT. ADMIT(domain, public key) says whether a key may connect."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], admit: Callable[[str, bytes], bool]) -> None:
        self._admit = admit
        socket = context.socket(zmq.ROUTER)
        socket.linger = 0
        socket.bind(ADDRESS)
        self._endpoint = Endpoint(socket, self._asked)

    def close(self) -> None:
        """Stop answering: from then on nobody is admitted."""
        self._endpoint.close()

    def _asked(self, frames: list[zmq.Frame]) -> None:
        parts = [frame.bytes for frame in frames]
        if len(parts) < 8 or b"" not in parts[:-6]:
            logger.error("a malformed ZAP request was left unanswered")
            return
        start = parts.index(b"") + 1
        version, request, domain, _address, _identity, mechanism, *credentials = parts[start:]
        code, text, user = b"400", b"refused", b""
        try:
            known = version == b"1.0" and mechanism == b"CURVE" and len(credentials) == 1 and len(credentials[0]) == 32
            if known and self._admit(domain.decode("ascii"), credentials[0]):
                code, text, user = b"200", b"", credentials[0].hex().encode()
        except Exception:
            logger.exception("admission failed; the connection is refused")
            code, text, user = b"500", b"internal error", b""
        self._endpoint.send([*parts[:start], b"1.0", request, code, text, user, b""])
