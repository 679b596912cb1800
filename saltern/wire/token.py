"""The join token: one string with all that a new minion needs to find its master, to know it, and to be let in.

It names the master's address and public key, so the minion verifies the master with it (there is no trust on first
use), and holds a secret that the master accepts a limited number of times until it expires.
"""

from __future__ import annotations

import base64
import binascii

import msgspec

from saltern.errors import UsageError
from saltern.wire.messages import Key

_PREFIX = "saltern1."


class Token(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """ADDRESS is `HOST:PORT` of the control port; EXPIRES counts seconds since the epoch, by the master's clock."""

    address: str
    master_key: Key
    secret: bytes
    minion: str
    expires: float


def to_text(token: Token) -> str:
    """The token as one word without characters that a shell or a mail changes."""
    return _PREFIX + base64.urlsafe_b64encode(msgspec.msgpack.encode(token)).rstrip(b"=").decode()


def from_text(text: str) -> Token:
    """The token that `to_text` wrote; UsageError for anything else."""
    word = text.strip()
    if not word.startswith(_PREFIX):
        raise UsageError(f"not a join token: it starts with {_PREFIX!r}. Make one on the master: saltern-key token")
    body = word.removeprefix(_PREFIX)
    try:
        return msgspec.msgpack.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=Token)
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        raise UsageError("this join token is damaged: copy it again, whole, as saltern-key token printed it") from None
