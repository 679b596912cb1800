"""Sealing: a small thing (a tree key, a pillar) is encrypted so that one minion alone can open it, once and in place.

HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and AES-256-GCM, one message for each
encapsulation. What the box is for and who and what asked for it go into HPKE's `info`, which is part of the key
schedule (section 5.1): a box that is moved to another minion, purpose or request does not open. Base mode does not say
who sealed; boxes travel only on connections whose other end CURVE has proved, and their contents are named there.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from saltern.errors import PermanentError
from saltern.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hpke import Suite

KEY_BYTES = 32
OVERHEAD_BYTES = 32 + 16  # the encapsulated key and the tag
_LABEL = b"saltern seal 1"


class CannotOpen(PermanentError):
    """A sealed box was not made for this key, purpose and context, or was changed on its way."""


def new_private() -> Secret:
    """A fresh private seal key (X25519), as 64 hex digits."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return Secret(X25519PrivateKey.generate().private_bytes_raw().hex())


def public_of(private: Secret) -> bytes:
    """The public half of a private seal key: 32 raw bytes (RFC 7748, section 5)."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.from_private_bytes(_raw(private)).public_key().public_bytes_raw()


def seal(public: bytes, purpose: str, context: bytes, plain: bytes) -> bytes:
    """PLAIN, sealed to the holder of PUBLIC's private half for PURPOSE in CONTEXT.

    PURPOSE is one of a few fixed words; CONTEXT names the minion and the request. ValueError where PUBLIC is no usable
    key (not 32 bytes, or a point of small order, RFC 7748 section 6.1).
    """
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

    return _suite().encrypt(plain, X25519PublicKey.from_public_bytes(public), info=_info(purpose, context))


def open_sealed(private: Secret, purpose: str, context: bytes, sealed: bytes) -> bytes:
    """What `seal` was given. CannotOpen where anything differs: the key, the purpose, the context or one bit."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    key = X25519PrivateKey.from_private_bytes(_raw(private))
    try:
        return _suite().decrypt(sealed, key, info=_info(purpose, context))
    except (InvalidTag, ValueError):
        raise CannotOpen(
            f"a sealed {purpose} does not open with this minion's key: it was made for another minion or request, "
            "or was changed on its way"
        ) from None


def context_of(*parts: bytes | str) -> bytes:
    """PARTS as one context: each with its length before it, so that no two lists of parts give the same bytes."""
    raw = [part.encode() if isinstance(part, str) else part for part in parts]
    return b"".join(len(part).to_bytes(8, "big") + part for part in raw)


def _info(purpose: str, context: bytes) -> bytes:
    return context_of(_LABEL, purpose, context)


def _raw(private: Secret) -> bytes:
    return bytes.fromhex(private.reveal())


@cache
def _suite() -> Suite:
    from cryptography.hazmat.primitives import hpke

    return hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)
