"""Jinja filters of Salt that look at the node or ask its network: its files, names, and what an URL gives.

Templates of the pillar, which run on the master, don't have them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from saltern.errors import PermanentError

_BLOCK = 512  # bytes that tell whether a file is text, as many as Salt reads
_TEXT = frozenset(range(32, 127)) | frozenset(b"\n\r\t\b\f")
_FILES_LIMIT = 100_000
_LOOKUP_S = 10.0
_ANSWER_S = 20.0
_ANSWER_BYTES = 8 << 20


class NodeFilterError(PermanentError):
    """The node has no such file, or no answer came."""


def is_text_file(path: str) -> bool | None:
    """Whether the file PATH is text: no NUL and few other control characters in its beginning; None where it can't be
    read."""
    block = _beginning(path)
    if block is None:
        return None
    if b"\0" in block:
        return False
    if not block or _is_utf8(block):
        return True
    return sum(byte not in _TEXT for byte in block) / len(block) <= 0.3


def is_binary_file(path: str) -> bool | None:
    """Whether the file PATH is no text; None where it can't be read."""
    found = is_text_file(path)
    return None if found is None else not found


def is_empty_file(path: str) -> bool:
    """Whether the file PATH has no bytes."""
    try:
        return os.path.getsize(path) == 0
    except OSError as error:
        raise NodeFilterError(f"{path}: {error.strerror}") from None


def file_hashsum(path: str, form: str = "sha256") -> str:
    """The digest of the file PATH in hex."""
    import hashlib

    if not os.path.isfile(path):
        raise NodeFilterError(f"there is no file {path}")
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, form).hexdigest()
    except OSError as error:
        raise NodeFilterError(f"{path}: {error.strerror}") from None
    except ValueError:
        raise NodeFilterError(f"there is no hash {form!r}: use sha256, sha512, …") from None


def list_files(path: str) -> list[str]:
    """PATH and all files and directories below it, sorted; PATH alone where it is a file."""
    found = [path]
    for folder, folders, files in os.walk(path):
        found += (os.path.join(folder, name) for name in (*folders, *files))
        if len(found) > _FILES_LIMIT:
            raise NodeFilterError(f"{path} holds more than {_FILES_LIMIT} files")
    return sorted(found)


def dns_check(addr: str, port: int = 80, safe: bool = False, ipv6: bool | None = None) -> str:
    """The first address of the name ADDR, of IPv6 or not (IPV6 None: as the node prefers). SAFE gives "" where there is
    none."""
    import socket
    import threading

    family = {None: socket.AF_UNSPEC, True: socket.AF_INET6, False: socket.AF_INET}[ipv6]
    found: list[str] = []
    wrong = [f"no answer in {_LOOKUP_S:g} s"]

    def look_up() -> None:
        try:
            found.append(str(socket.getaddrinfo(addr, port, family, socket.SOCK_STREAM)[0][4][0]))
        except (OSError, UnicodeError) as error:
            wrong[0] = getattr(error, "strerror", None) or "it is no name"

    thread = threading.Thread(target=look_up, daemon=True)  # the resolver itself knows no bound
    thread.start()
    thread.join(_LOOKUP_S)
    if found:
        return found[0]
    if safe:
        return ""
    raise NodeFilterError(f"can't find an address of {addr}: {wrong[0]}")


def http_query(url: str, method: str = "GET", header_dict: Mapping[str, str] | None = None, **options: Any) -> Any:
    """What URL answers: {"body": text, "status": number}, and "dict" with DECODE; "error" where it did not."""
    import json
    from http.client import HTTPException
    from urllib import error, request

    if not url.startswith(("http://", "https://")):
        raise NodeFilterError(f"http_query asks http:// or https://, not {url!r}")
    unknown = [name for name in options if name not in ("decode", "decode_type", "status", "text", "data")]
    if unknown:
        raise NodeFilterError(f"http_query takes no option {unknown[0]!r}: method, header_dict, data, decode")
    data = options.get("data")
    asked = request.Request(  # noqa: S310 - the scheme is checked above
        url, data.encode() if isinstance(data, str) else None, dict(header_dict or {}), method=method
    )
    try:
        with request.urlopen(asked, timeout=_ANSWER_S) as answer:  # noqa: S310
            body = answer.read(_ANSWER_BYTES + 1)
            status = answer.status
    except (error.URLError, OSError, HTTPException, ValueError) as failure:
        return {"error": str(getattr(failure, "reason", None) or failure), "status": getattr(failure, "code", 0)}
    if len(body) > _ANSWER_BYTES:
        return {"error": f"the answer is longer than {_ANSWER_BYTES >> 20} MiB", "status": status}
    text = body.decode("utf-8", "replace")
    if options.get("decode"):
        try:
            return {"body": text, "status": status, "dict": json.loads(text)}
        except ValueError as wrong:
            return {"body": text, "status": status, "error": f"not JSON: {wrong}"}
    return {"body": text, "status": status}


def _beginning(path: str) -> bytes | None:
    try:
        if not os.path.isfile(path):
            return None
        with open(path, "rb") as file:
            return file.read(_BLOCK)
    except OSError:
        return None


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode()
    except UnicodeDecodeError as error:
        return error.end == len(block) and error.reason == "unexpected end of data"
    return True


FILTERS = {
    function.__name__: function
    for function in (is_text_file, is_binary_file, is_empty_file, file_hashsum, list_files, dns_check, http_query)
}
