"""Public keys of OpenPGP: from armor to bytes and back, and what keys a file holds. Pure; no signature is checked.

Sources: RFC 9580, 4.2 (packets), 5.5 (keys), 5.5.4 (fingerprints), 6 (armor).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from typing import NamedTuple

from saltern.errors import PermanentError

BYTES = 1 << 20  # more than any key ring of a repository
_BLOCK = re.compile(
    rb"-----BEGIN PGP (?P<kind>[A-Z ]+)-----[ \t]*\r?\n(?P<body>.*?)-----END PGP (?P=kind)-----", re.DOTALL
)
_PUBLIC, _SUBKEY = 6, 14
_WITH_KEYS = {2, 6, 10, 12, 13, 14, 17, 21}  # what may stand in a public key: signatures, users, padding, …
_SECRET = {5, 7}


class BadKeyring(PermanentError):
    """Bytes that are no public keys of OpenPGP."""


class Keyring(NamedTuple):
    """Public keys: their packets as bytes, the fingerprints of the KEYS themselves, and those of all, subkeys too, in
    small hex digits."""

    data: bytes
    keys: tuple[str, ...]
    fingerprints: tuple[str, ...]

    def __str__(self) -> str:
        return f"{', '.join(one.upper() for one in self.keys)} (sha256 {hashlib.sha256(self.data).hexdigest()[:12]})"

    def has(self, keyid: str) -> bool:
        """Whether one of the keys has the fingerprint KEYID, or one that ends so."""
        wanted = normal_keyid(keyid)
        return any(one.endswith(wanted) for one in self.fingerprints)


def normal_keyid(keyid: str) -> str:
    """KEYID in small hex digits. BadKeyring for what is none of 8 to 64 digits."""
    digits = "".join(keyid.lower().split()).removeprefix("0x")
    if not re.fullmatch(r"[0-9a-f]{8,64}", digits):
        raise BadKeyring(f"not the id of a key: {keyid!r}; it is the end of a fingerprint, best all its 40 hex digits")
    return digits


def is_fingerprint(keyid: str) -> bool:
    """Whether KEYID is a whole fingerprint, which tells a key from all others."""
    return len(normal_keyid(keyid)) >= 40


def keyring(data: bytes) -> Keyring:
    """The public keys that DATA, in armor or not, holds. BadKeyring where it holds anything else."""
    if len(data) > BYTES:
        raise BadKeyring(f"it is too long to be a key: {len(data)} bytes")
    plain = dearmored(data) if is_armored(data) else data
    found: list[tuple[int, str]] = []
    for tag, body in packets(plain):
        if tag in _SECRET:
            raise BadKeyring("it holds a secret key, which must never leave its owner: export the public one")
        if tag not in _WITH_KEYS:
            raise BadKeyring(f"it is no public key: it holds an OpenPGP packet of the kind {tag}")
        if not found and tag not in (_PUBLIC, 10):
            raise BadKeyring("it is no public key: none stands first")
        if tag in (_PUBLIC, _SUBKEY):
            found.append((tag, fingerprint(body)))
    if not found:
        raise BadKeyring("it holds no key")
    own = tuple(one for tag, one in found if tag == _PUBLIC)
    return Keyring(plain, own, tuple(one for _, one in found))


def is_armored(data: bytes) -> bool:
    """Whether DATA is a text that holds keys."""
    return b"-----BEGIN PGP" in data


def dearmored(data: bytes) -> bytes:
    """The bytes of all blocks of public keys in the armored text DATA. BadKeyring where there is another kind, or a
    broken one."""
    found = []
    for block in _BLOCK.finditer(data):
        kind = block["kind"].decode()
        if kind != "PUBLIC KEY BLOCK":
            secret = "PRIVATE" in kind
            raise BadKeyring("it holds a secret key: export the public one" if secret else f"it is a {kind.lower()}")
        found.append(_decoded(block["body"]))
    if not found:
        raise BadKeyring("its armor is broken: no block of a public key ends in it")
    return b"".join(found)


def _decoded(body: bytes) -> bytes:
    lines = [line.strip() for line in body.splitlines()]
    start = lines.index(b"") + 1 if b"" in lines else 0
    if any(b":" not in line for line in lines[:start] if line):
        start = 0  # no headers: the empty line is one of many
    text = [line for line in lines[start:] if line]
    checksum = text.pop() if text and text[-1].startswith(b"=") and len(text[-1]) == 5 else None
    try:
        plain = base64.b64decode(b"".join(text), validate=True)
        wanted = None if checksum is None else base64.b64decode(checksum[1:], validate=True)
    except (binascii.Error, ValueError):
        raise BadKeyring("its armor is broken: it is no base64") from None
    if wanted is not None and wanted != crc24(plain).to_bytes(3, "big"):
        raise BadKeyring("its armor is broken: the checksum is another")
    return plain


def armored(data: bytes) -> bytes:
    """DATA as a text."""
    text = base64.b64encode(data).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    checksum = base64.b64encode(crc24(data).to_bytes(3, "big")).decode()
    head, tail = "-----BEGIN PGP PUBLIC KEY BLOCK-----", "-----END PGP PUBLIC KEY BLOCK-----"
    return "\n".join([head, "", *lines, f"={checksum}", tail, ""]).encode()


def crc24(data: bytes) -> int:
    """The checksum of armor (RFC 9580, 6.1.1)."""
    found = 0xB704CE
    for byte in data:
        found ^= byte << 16
        for _ in range(8):
            found <<= 1
            if found & 0x1000000:
                found ^= 0x1864CFB
    return found & 0xFFFFFF


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The packets of DATA as (kind, body). BadKeyring where they are none, or cut off."""
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise BadKeyring("it is no OpenPGP key")
        kind, length, at = _new_length(data, at) if head & 0x40 else _old_length(data, at)
        if at + length > len(data):
            raise BadKeyring("it is cut off, or no OpenPGP key")
        yield kind, data[at : at + length]
        at += length


def _new_length(data: bytes, at: int) -> tuple[int, int, int]:
    kind, first = data[at] & 0x3F, data[at + 1] if at + 1 < len(data) else 224
    if first < 192:
        return kind, first, at + 2
    if first < 224:
        return kind, ((first - 192) << 8) + _number(data, at + 2, 1) + 192, at + 3
    if first == 255:
        return kind, _number(data, at + 2, 4), at + 6
    raise BadKeyring("it is cut off, or no OpenPGP key")


def _old_length(data: bytes, at: int) -> tuple[int, int, int]:
    kind, size = (data[at] >> 2) & 0xF, 1 << (data[at] & 3)
    if size == 8:
        raise BadKeyring("it is no OpenPGP key: a part of it has no length")
    return kind, _number(data, at + 1, size), at + 1 + size


def _number(data: bytes, at: int, size: int) -> int:
    if at + size > len(data):
        raise BadKeyring("it is cut off, or no OpenPGP key")
    return int.from_bytes(data[at : at + size], "big")


def fingerprint(body: bytes) -> str:
    """The fingerprint of the key with this BODY of its packet, in small hex digits."""
    version = body[0] if body else 0
    if version == 4:
        return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False).hexdigest()
    if version in (5, 6):
        head = b"\x9a" if version == 5 else b"\x9b"
        return hashlib.sha256(head + len(body).to_bytes(4, "big") + body).hexdigest()
    raise BadKeyring(f"its key has the version {version}, which is too old to be trusted or none")
