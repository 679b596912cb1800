"""What an environment holds: every file's path, digest, mode and blob, as one deterministic, checked document.

The manifest is itself a blob. Who holds its key can read the environment's files and no other, so that key is what is
sealed to each minion.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Annotated

import msgspec

from saltern.errors import PermanentError

VERSION = 1
MAX_PATH_BYTES = 4096  # PATH_MAX of Linux (limits.h)
MAX_NAME_BYTES = 255  # NAME_MAX
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\\\u2028\u2029\ud800-\udfff]")  # with lone surrogates: not UTF-8

Digest = Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Key = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_DIGEST = re.compile(r"[0-9a-f]{64}")


class BadManifest(PermanentError, ValueError):
    """A manifest, or a path that was to go into one, has a form that is not allowed."""


class Entry(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One file: PATH below the root, DIGEST (SHA-256 of its bytes), SIZE in bytes, MODE (permission bits), and the
    BLOB that holds it under KEY."""

    path: str
    digest: Digest
    size: Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
    mode: Annotated[int, msgspec.Meta(ge=0, le=0o777)]
    blob: Digest
    key: Key


class Manifest(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The files of SALTENV, sorted by path."""

    version: Annotated[int, msgspec.Meta(ge=VERSION, le=VERSION)]
    saltenv: str
    entries: list[Entry]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Manifest)


def is_digest(text: object) -> bool:
    """Whether TEXT is a SHA-256 in 64 lower-case hex digits, the only form that a blob is asked for by."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def check_path(path: str) -> str:
    """PATH if it may name a file below a root on any node; BadManifest otherwise.

    Refused are absolute paths, empty, `.` and `..` parts, control characters, backslashes, what is not UTF-8, and what
    Linux could not store.
    """
    if _CONTROL.search(path):
        raise BadManifest(f"not a path of a state tree: {path!r}: control characters and backslashes are not allowed")
    if not path or len(path) > MAX_PATH_BYTES or len(path.encode()) > MAX_PATH_BYTES:
        raise BadManifest(f"not a path of a state tree: {path[:80]!r}: empty or longer than {MAX_PATH_BYTES} bytes")
    for part in path.split("/"):
        if part in ("", ".", "..") or len(part.encode()) > MAX_NAME_BYTES:
            raise BadManifest(f"not a path of a state tree: {path[:80]!r}: the part {part[:80]!r} is not allowed")
    return path


def encode(saltenv: str, entries: Iterable[Entry]) -> bytes:
    """The manifest's bytes: the same files give the same bytes. BadManifest where a path is not allowed."""
    manifest = Manifest(VERSION, saltenv, sorted(entries, key=lambda entry: entry.path))
    _check(manifest)
    return _encoder.encode(manifest)


def decode(data: bytes, saltenv: str) -> Manifest:
    """The manifest of SALTENV in DATA. BadManifest for anything that `encode` would not have written."""
    try:
        manifest = _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadManifest(f"a manifest can't be read: {error}") from None
    if manifest.saltenv != saltenv:
        raise BadManifest(f"a manifest is of environment {manifest.saltenv!r}, not of {saltenv!r}")
    _check(manifest)
    return manifest


def digest(data: bytes) -> str:
    """What jobs name a manifest by: the SHA-256 of its bytes, hex."""
    return hashlib.sha256(data).hexdigest()


def _check(manifest: Manifest) -> None:
    before = ""
    files: set[str] = set()
    for entry in manifest.entries:
        path = check_path(entry.path)
        if path <= before:
            raise BadManifest(f"a manifest names {path!r} twice or out of order")
        parent = path
        while (parent := parent.rpartition("/")[0]) and parent not in files:
            pass
        if parent:
            raise BadManifest(f"a manifest has {parent!r} both as a file and as a folder")
        files.add(path)
        before = path
