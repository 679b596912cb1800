"""A value that lives encrypted in a pillar tree: `SEALED[MINIONS:BOX]`, opened by the master alone.

BOX is base64 (RFC 4648, section 5) of four bytes that tell the master's key and an HPKE box (see `seal`) whose context
holds MINIONS, a glob of minion ids. So a box that is moved to another minion's pillar does not open there, unless
MINIONS says that it may; the glob can't be changed without breaking the box.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from saltern.errors import PermanentError
from saltern.secret import Secret
from saltern.wire import seal

MARK = "SEALED["
PATTERN = re.compile(r"SEALED\[(?P<minions>[^\s:]+):(?P<box>[A-Za-z0-9_=\s-]+)\]")
_PURPOSE = "pillar value"
_KEY_BYTES = 4


class NotOpened(PermanentError):
    """A sealed value is not what this master sealed for this place."""


def sealed(public: bytes, value: Secret, minions: str = "*") -> str:
    """VALUE for the pillar of MINIONS (a glob without blanks or colons), sealed to the holder of PUBLIC's secret."""
    box = seal.seal(public, _PURPOSE, _context(minions), value.reveal().encode())
    return f"{MARK}{minions}:{urlsafe_b64encode(_name(public) + box).decode()}]"


def name_of(public: bytes) -> str:
    """What a box tells of its key: eight hex digits."""
    return _name(public).hex()


def key_name(box: str) -> str:
    """The name of the key that BOX is sealed for. NotOpened where it is no box."""
    return _raw(box)[:_KEY_BYTES].hex()


def opened(secret: Secret, minions: str, box: str) -> Secret:
    """What was sealed. NotOpened says why it can't be told; never a part of it."""
    raw = _raw(box)
    public = seal.public_of(secret)
    if raw[:_KEY_BYTES] != _name(public):
        raise NotOpened(
            f"a value is sealed for the key {raw[:_KEY_BYTES].hex()}, and this master has {_name(public).hex()}"
        )
    try:
        return Secret(seal.open_sealed(secret, _PURPOSE, _context(minions), raw[_KEY_BYTES:]).decode())
    except (seal.CannotOpen, UnicodeDecodeError):
        raise NotOpened("a sealed value does not open: it, or the minions that it names, were changed") from None


def _raw(box: str) -> bytes:
    try:
        return urlsafe_b64decode("".join(box.split()))
    except ValueError:
        raise NotOpened("a sealed value is damaged: it is no base64") from None


def _context(minions: str) -> bytes:
    return seal.context_of("minions", minions)


def _name(public: bytes) -> bytes:
    return hashlib.sha256(public).digest()[:_KEY_BYTES]
