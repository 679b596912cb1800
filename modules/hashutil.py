"""Digests and encodings of texts, for templates."""

from __future__ import annotations

import base64
import hashlib
import hmac

from modules import file
from saltern.errors import PermanentError, UsageError, nearest
from saltern.marks import reading

_KNOWN = ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")


class HashError(PermanentError):
    """A text that can't be decoded."""


@reading
def digest(instr: str, checksum: str = "md5") -> str:
    """The digest of the text INSTR in hex."""
    if checksum not in _KNOWN:
        raise UsageError(f"there is no hash {checksum!r}.{nearest(checksum, _KNOWN)} There are {', '.join(_KNOWN)}.")
    return hashlib.new(checksum, str(instr).encode(), usedforsecurity=False).hexdigest()


@reading
def digest_file(infile: str, checksum: str = "md5") -> str:
    """The digest of the file INFILE in hex."""
    return file.get_hash(infile, checksum)


@reading
def md5_digest(instr: str) -> str:
    """The MD5 of the text INSTR in hex."""
    return digest(instr, "md5")


@reading
def sha256_digest(instr: str) -> str:
    """The SHA-256 of the text INSTR in hex."""
    return digest(instr, "sha256")


@reading
def sha512_digest(instr: str) -> str:
    """The SHA-512 of the text INSTR in hex."""
    return digest(instr, "sha512")


@reading
def hmac_signature(string: str, shared_secret: str, challenge_hmac: str) -> bool:
    """Whether CHALLENGE_HMAC is the HMAC-SHA-256 of STRING under SHARED_SECRET, in base64."""
    return hmac.compare_digest(hmac_compute(string, shared_secret), challenge_hmac)


@reading
def hmac_compute(string: str, shared_secret: str) -> str:
    """The HMAC-SHA-256 of STRING under SHARED_SECRET, in base64."""
    return base64.b64encode(hmac.digest(shared_secret.encode(), string.encode(), "sha256")).decode()


@reading
def base64_b64encode(instr: str) -> str:
    """The text INSTR in base64, on one line."""
    return base64.b64encode(str(instr).encode()).decode()


@reading
def base64_b64decode(instr: str) -> str:
    """The text that base64 INSTR stands for."""
    try:
        return base64.b64decode(instr, validate=True).decode()
    except ValueError as error:
        raise HashError(f"not base64 of a text: {error}") from None


@reading
def base64_encodestring(instr: str) -> str:
    """The text INSTR in base64, in lines of 76 characters with a newline at their end."""
    return base64.encodebytes(str(instr).encode()).decode()


@reading
def base64_decodestring(instr: str) -> str:
    """As `hashutil.base64_b64decode`; line ends don't count."""
    return base64_b64decode("".join(instr.split()))
