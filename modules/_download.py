"""Files from http(s) URLs, known by their checksums and kept on the node, so that a second look asks no server."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from typing import NamedTuple
from urllib.parse import urlsplit

from modules._file import safe
from modules._http import opened
from saltern.context import Context
from saltern.errors import PermanentError

LIMIT_S = 600.0  # for one file
_LENGTHS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"[0-9a-fA-F]+")
_WEAK = ("md5", "sha1")


class DownloadError(PermanentError):
    """A file that can't be fetched, or is not the one that was meant."""


class Sum(NamedTuple):
    """A checksum: ALGORITHM as hashlib names it, VALUE in small hex digits."""

    algorithm: str
    value: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value}"


def sum_of(given: str) -> Sum | None:
    """GIVEN (`sha256=HEX`, `sha256:HEX`, or the hex digits alone) as a value; None where it is no checksum."""
    name, found, value = given.strip().replace("=", ":", 1).rpartition(":")
    if not found:
        name = next((name for name, length in _LENGTHS.items() if length == len(value)), "")
    name = name.lower().replace("-", "")
    if name not in _LENGTHS or len(value) != _LENGTHS[name] or not _HEX.fullmatch(value):
        return None
    return Sum(name, value.lower())


def sum_in(text: str, names: tuple[str, ...]) -> Sum | None:
    """The checksum that TEXT, as sha256sum(1) writes it, has for one of the file NAMES; where it has only one at all,
    that."""
    found: list[tuple[Sum, str]] = []
    for line in text.splitlines():
        words = line.replace("=", " ").replace("(", " ").replace(")", " ").split()
        for word in words:
            value = sum_of(word)
            if value is not None:
                found.append((value, line))
                break
    for name in names:
        named = [value for value, line in found if any(_is_named(word, name) for word in line.split())]
        if named:
            return max(named, key=lambda value: len(value.value))
    return found[0][0] if len(found) == 1 else None


def check_url(url: str, wanted: Sum | None, *, verify: bool = True) -> None:
    """DownloadError where URL is none, holds a password, or could be anything that somebody on the way sends."""
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        right = False
    if not right or not url.isprintable():
        raise DownloadError(f"not an http:// or https:// URL: {url!r}")
    if parts.username is not None or parts.password is not None:
        raise DownloadError(f"a source must not hold a password: it would be shown (…@{parts.hostname})")
    if wanted is None and verify:
        raise DownloadError(f"{url}: a file from the network needs `source_hash` (sha256:…), or `skip_verify: True`")
    if parts.scheme == "http" and (wanted is None or wanted.algorithm in _WEAK):
        raise DownloadError(
            f"{url}: http:// needs `source_hash` by sha256 or sha512; anybody on the way could change it"
        )


def cached(ctx: Context, url: str, wanted: Sum | None) -> str:
    """The path of a copy of URL on the node that has the checksum WANTED; without one it is fetched anew each time.
    DownloadError."""
    folder = str(ctx.config.root / "var/cache/saltern/downloads")
    place = os.path.join(folder, hashlib.sha256(f"{url} {wanted}".encode()).hexdigest())
    if wanted is not None and os.path.isfile(place) and _digest(place, wanted.algorithm) == wanted.value:
        return place
    try:
        safe.make_folders(folder, mode=0o700)
        fd, partial = tempfile.mkstemp(dir=folder)
    except OSError as error:
        raise DownloadError(f"can't write into {folder}: {error.strerror}") from None
    try:
        _fetch(url, fd, wanted)
        os.replace(partial, place)
    except OSError as error:
        raise DownloadError(f"can't write into {folder}: {error.strerror}") from None
    finally:
        if os.path.exists(partial):
            os.unlink(partial)
    return place


def _fetch(url: str, fd: int, wanted: Sum | None) -> None:
    hashed = hashlib.new(wanted.algorithm if wanted else "sha256", usedforsecurity=False)
    deadline = time.monotonic() + LIMIT_S
    with os.fdopen(fd, "wb") as file:
        length, chunks = opened(url, deadline, DownloadError, tls_only=wanted is None)
        for chunk in chunks:
            hashed.update(chunk)
            file.write(chunk)
        if length is not None and file.tell() != length:
            raise DownloadError(f"{url} broke off: {file.tell()} of {length} bytes came")
    if wanted is not None and hashed.hexdigest() != wanted.value:
        raise DownloadError(
            f"{url} is not what was meant: its {wanted.algorithm} is {hashed.hexdigest()}, not {wanted.value}"
        )


def _digest(path: str, algorithm: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def _is_named(word: str, name: str) -> bool:
    return word.lstrip("*").rstrip(")").lstrip("(").rpartition("/")[2] == name
