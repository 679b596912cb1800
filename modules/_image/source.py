"""Where an image comes from, and by what digest it is known. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from modules._image.qcow2 import BadImage

_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = re.compile(r"[0-9a-fA-F]+")


class Digest(NamedTuple):
    """A checksum: its ALGORITHM ("sha256", "sha512") and its value in small hex digits."""

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


def digest_of(given: str) -> Digest:
    """GIVEN ("sha256:HEX", "sha512=HEX", or the hex digits alone) as a value. BadImage for anything else: weaker sums
    can be forged."""
    name, found, value = given.strip().replace("=", ":", 1).rpartition(":")
    if not found:
        name = next((name for name, length in _LENGTHS.items() if length == len(value)), "")
    name = name.lower()
    if name not in _LENGTHS or len(value) != _LENGTHS[name] or not _HEX.fullmatch(value):
        raise BadImage(f"not a checksum: {given!r}; write sha256:… with 64 hex digits, or sha512:… with 128")
    return Digest(name, value.lower())


def kind_of(source: str, has_digest: bool) -> str:
    """ "salt", "path" or "http". BadImage for another kind of source, and for http without a digest: whoever sits on
    the way could send anything."""
    if source.startswith("/"):
        if "/../" in f"{source}/" or "\0" in source or not source.isprintable():
            raise BadImage(f"not a path of an image: {source!r}")
        return "path"
    try:
        parts = urlsplit(source)
        host, port_is_right = parts.hostname, parts.port is None or parts.port > 0
    except ValueError:
        host, port_is_right, parts = None, False, urlsplit("")
    if parts.scheme == "salt":
        return "salt"
    if parts.scheme not in ("http", "https") or not host or not port_is_right or not source.isprintable():
        raise BadImage(f"not a source of an image: {source!r}; it is salt://…, an absolute path, http://… or https://…")
    if parts.username is not None or parts.password is not None:
        raise BadImage(f"a source must not hold a password: it would be shown (…@{host})")
    if not has_digest:
        raise BadImage(f"{source}: an image from the network needs `source_hash` (sha256:… or sha512:…)")
    return "http"
