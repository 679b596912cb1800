"""CurveZMQ (ZMTP RFC 26) as a thief sees it: the boxes of a recording, and keys to try on them.

The primitive is libsodium's, which libzmq has loaded already: so what opens here would open for libzmq.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import zmq

# Command → what its nonce begins with, where the nonce and the box stand, and how long they are (RFC 26).
_HELLO, _WELCOME, _MESSAGE = b"\x05HELLO", b"\x07WELCOME", b"\x07MESSAGE"


@dataclass(frozen=True)
class Box:
    """DATA, sealed under NONCE. KIND is the command that it came in."""

    kind: str
    nonce: bytes
    data: bytes

    def opened(self, public: bytes, secret: bytes) -> bytes | None:
        """What is in it, where it was sealed between these keys."""
        plain = ctypes.create_string_buffer(max(len(self.data) - 16, 1))
        done = _sodium().crypto_box_open_easy(
            plain, self.data, ctypes.c_ulonglong(len(self.data)), self.nonce, public, secret
        )
        return plain.raw[: len(self.data) - 16] if done == 0 else None


@dataclass(frozen=True)
class Recording:
    """One recorded connection: the client's TRANSIENT key, which is sent in clear, and the boxes."""

    transient: bytes
    hello: Box
    welcome: Box
    messages: tuple[Box, ...]


def recorded(seen: bytes) -> Recording:
    """The last connection of the bytes SEEN, of both directions."""
    at = seen.rindex(_HELLO) + len(_HELLO) + 2 + 72
    transient, short, box = seen[at : at + 32], seen[at + 32 : at + 40], seen[at + 40 : at + 120]
    hello = Box("HELLO", b"CurveZMQHELLO---" + short, box)
    at = seen.rindex(_WELCOME) + len(_WELCOME)
    welcome = Box("WELCOME", b"WELCOME-" + seen[at : at + 16], seen[at + 16 : at + 160])
    return Recording(transient, hello, welcome, tuple(_messages(seen)))


def _messages(seen: bytes) -> Iterator[Box]:
    """The short messages: a frame of up to 255 bytes is not torn apart."""
    at = -1
    while (at := seen.find(_MESSAGE, at + 1)) >= 0:
        if at < 2 or seen[at - 2] & 0x02:
            continue
        body = seen[at + len(_MESSAGE) : at + seen[at - 1]]
        for side in (b"C", b"S"):
            yield Box("MESSAGE", b"CurveZMQMESSAGE" + side + body[:8], body[8:])


@cache
def _sodium() -> ctypes.CDLL:
    assert zmq.has("curve")
    maps = Path("/proc/self/maps").read_text().split()
    return ctypes.CDLL(next(word for word in maps if "libsodium" in word))
