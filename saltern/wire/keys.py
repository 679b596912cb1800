"""The keys of both ends: a CURVE pair (Curve25519, ZMTP RFC 26) for the connection, an X25519 pair for sealing.

Keys lie in files of mode 0600 that are created so, as lines of hex, and are shown by fingerprint: the SHA-256 of the
public key in colon-separated hex, the same on both sides.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import zmq
from zmq.utils import z85

from saltern.errors import ConfigError
from saltern.secret import Secret
from saltern.wire.private import write_file


def fingerprint(public: bytes) -> str:
    """The fingerprint of a public key of 32 bytes, as `a1:b2:…` (32 pairs)."""
    return ":".join(f"{byte:02x}" for byte in hashlib.sha256(public).digest())


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A Curve25519 pair; PUBLIC are 32 bytes, SECRET their secret half in hex."""

    public: bytes
    secret: Secret

    @property
    def z85(self) -> tuple[bytes, bytes]:
        """(public, secret) in the form that ZeroMQ takes (RFC 32)."""
        return z85.encode(self.public), z85.encode(bytes.fromhex(self.secret.reveal()))

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the public half."""
        return fingerprint(self.public)


def new_pair() -> KeyPair:
    """A fresh pair from the system's random source."""
    public, secret = zmq.curve_keypair()
    return KeyPair(z85.decode(public), Secret(z85.decode(secret).hex()))


def load_or_make(file: Path) -> KeyPair:
    """The pair kept in FILE (two lines of hex: public, secret), made there at first. The folder is made with 0700.

    ConfigError where the file is readable by others or damaged: a key that others may know is no key.
    """
    try:
        return _load(file)
    except FileNotFoundError:
        return make(file)


def make(file: Path) -> KeyPair:
    """A fresh pair, kept in FILE from now on, whatever is there."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pair = new_pair()
    write_file(file, f"{pair.public.hex()}\n{pair.secret.reveal()}\n".encode())
    return pair


def _load(file: Path) -> KeyPair:
    with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), encoding="ascii") as stream:
        if os.fstat(stream.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(
                f"{file}: refused, since others may read this key: chmod 600 it, or delete it and join anew"
            )
        lines = stream.read().split()
    try:
        public, secret = (bytes.fromhex(line) for line in lines)
        if len(public) != 32 or len(secret) != 32 or zmq.curve_public(z85.encode(secret)) != z85.encode(public):
            raise ValueError
    except ValueError:
        raise ConfigError(f"{file}: not a key file: restore it, or delete it and join anew") from None
    return KeyPair(public, Secret(secret.hex()))


def parse_public(text: str) -> bytes:
    """A public key from its 64 hex digits; ValueError otherwise."""
    key = bytes.fromhex(text.strip())
    if len(key) != 32:
        raise ValueError(f"a public key has 64 hex digits, not {len(text.strip())}")
    return key
