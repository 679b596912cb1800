"""Reading small files of the kernel and the distribution: whatever they hold becomes plain, printable text."""

from __future__ import annotations

import os

MAX_BYTES = 4 << 20


def text(path: str) -> str:
    """The contents of PATH (at most MAX_BYTES), '' where it can't be read. Bytes that are no UTF-8 become U+FFFD."""
    try:
        with open(path, "rb", buffering=0) as file:
            parts, size = [], 0
            while size < MAX_BYTES and (part := file.read(min(1 << 16, MAX_BYTES - size))):
                parts.append(part)
                size += len(part)
    except OSError:
        return ""
    return b"".join(parts).decode("utf-8", "replace")


def line(path: str) -> str:
    """The first line of PATH without blanks around it, '' where there is none."""
    return text(path).strip().partition("\n")[0].strip()


def listing(path: str) -> list[str]:
    """The names in the folder PATH, sorted; none where it can't be read."""
    try:
        return sorted(plain(name) for name in os.listdir(path))
    except OSError:
        return []


def link(path: str) -> str:
    """Where the symbolic link PATH leads, '' where it is none."""
    try:
        return plain(os.readlink(path))
    except OSError:
        return ""


def plain(name: str) -> str:
    """NAME without the lone surrogates that Python uses for bytes that are no UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def pairs(source: str, separator: str = "=") -> dict[str, str]:
    """`NAME=value` lines as a mapping: comments and quotes removed, as in os-release(5). The last of a name counts."""
    found = {}
    for entry in source.split("\n"):
        name, present, value = entry.strip().partition(separator)
        if not present or not name or name.startswith("#"):
            continue
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
            for char in '"$`\\':
                value = value.replace("\\" + char, char)
        found[name.strip()] = value
    return found
