"""Sizes of disks and memory as people write them: units of 1024, and a mere number is MiB. Pure."""

from __future__ import annotations

import re

from saltern.errors import PermanentError

_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*(?:([KMGTP])(?:i?B)?)?", re.IGNORECASE)
_UNITS = {"K": 10, "M": 20, "G": 30, "T": 40, "P": 50}
_NAMES = ((50, "PiB"), (40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB"))
LEAST = 1 << 16  # bytes; less is a typing error rather than a disk
MOST = 1 << 50  # as well
SECTOR = 512


class BadSize(PermanentError, ValueError):
    """A text or number is not the size of a disk."""


def in_bytes(given: object) -> float | None:
    """GIVEN ("20G", "1.5 TiB", "512M", 512) in bytes, None where it is no size. What is too much or too little, or no
    whole number, is for the caller to say."""
    match = _SIZE.fullmatch(given.strip()) if isinstance(given, str) else None
    if match is not None:
        return float(match[1]) * (1 << _UNITS[(match[2] or "M").upper()])
    return float(given) * (1 << 20) if isinstance(given, int | float) and not isinstance(given, bool) else None


def size_bytes(given: object) -> int:
    """GIVEN as the size of a disk in bytes, a multiple of 512. BadSize for anything else."""
    size = in_bytes(given)
    if size is None:
        raise BadSize(f"not the size of a disk: {given!r}; write it like 20G or 1.5T, or as a number of MiB")
    if not LEAST <= size <= MOST or size % SECTOR:
        raise BadSize(f"not the size of a disk: {given!r} (64K to 1024T, whole sectors of {SECTOR} bytes)")
    return int(size)


def shown(size: int) -> str:
    """SIZE bytes for people, exactly: "20 GiB", "1536 MiB", "1000 bytes"."""
    for shift, name in _NAMES:
        if size >= 1 << shift and size % (1 << shift) == 0:
            return f"{size >> shift} {name}"
    return f"{size} bytes"
