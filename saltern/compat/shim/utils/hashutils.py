"""`salt.utils.hashutils`: digests."""

from __future__ import annotations

import base64
import hashlib


def get_hash(path: str, form: str = "sha256", chunk_size: int = 65536) -> str:
    """The digest of the file PATH in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, form).hexdigest()


def sha256_digest(instr: str) -> str:
    """The SHA-256 of a text in hex."""
    return hashlib.sha256(instr.encode()).hexdigest()


def sha512_digest(instr: str) -> str:
    """The SHA-512 of a text in hex."""
    return hashlib.sha512(instr.encode()).hexdigest()


def base64_b64encode(instr: str) -> str:
    """A text in base 64."""
    return base64.b64encode(instr.encode()).decode()


def base64_b64decode(instr: str) -> str:
    """The text of base 64."""
    return base64.b64decode(instr).decode()
