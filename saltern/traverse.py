"""Walks nested data by a path of keys, as `pillar.get net:bridges:0` and `-G 'ip4_interfaces:br43:*'` write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DELIMITER = ":"


def traverse(data: Any, path: str, default: Any = None, delimiter: str = DELIMITER) -> Any:
    """The value at PATH ("a:b:0") inside DATA, or DEFAULT where a part of the way is missing.

    In a mapping, the longest key that the path begins with wins, so a key that holds the delimiter itself
    ("fe80::1") is found too; a whole number is tried as a text and then as a number. In a sequence a part is an index
    (negative counts from the end); else it is a key looked for in those of its members that are mappings, and the
    first one that leads on wins. An empty path is DATA itself.
    """
    if not path:
        return data
    found = _walk(data, path.split(delimiter) if delimiter else [path], delimiter)
    return default if found is _MISSING else found


_MISSING: Any = object()


def _walk(data: Any, parts: list[str], delimiter: str) -> Any:
    """The value below DATA by PARTS, or _MISSING."""
    if not parts:
        return data
    if isinstance(data, Mapping):
        return _in_mapping(data, parts, delimiter)
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _in_sequence(data, parts, delimiter)
    return _MISSING


def _in_mapping(data: Mapping[Any, Any], parts: list[str], delimiter: str) -> Any:
    for count in range(len(parts), 0, -1):
        key = delimiter.join(parts[:count])
        for candidate in (key, number(key)):
            if candidate is not None and candidate in data:
                found = _walk(data[candidate], parts[count:], delimiter)
                if found is not _MISSING:
                    return found
    return _MISSING


def _in_sequence(data: Sequence[Any], parts: list[str], delimiter: str) -> Any:
    index = number(parts[0])
    if index is not None:
        inside = -len(data) <= index < len(data)
        return _walk(data[index], parts[1:], delimiter) if inside else _MISSING
    for member in data:
        if isinstance(member, Mapping):
            found = _in_mapping(member, parts, delimiter)
            if found is not _MISSING:
                return found
    return _MISSING


def number(text: str) -> int | None:
    """TEXT as a whole number ("0", "-1"), or None."""
    digits = text[1:] if text.startswith("-") else text
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 9 else None
