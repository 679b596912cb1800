"""The text of a file that may not be there."""

from __future__ import annotations


def read(path: str) -> str:
    """What the file PATH holds, "" where there is none. Bytes that are no UTF-8 and line ends are kept as they are."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return ""
