"""What a file holds, as a value that compares quickly, prints briefly and never shows a secret.

A state compares two of them, the engine reports them by `diff`, and a step writes one. The bytes are held in memory
or named by another file, so that a large file of the state tree is copied and never loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from saltern.errors import TemporaryError

HELD_BYTES = 1 << 20  # up to this size the bytes are kept, so that a diff can be shown after the file was replaced
DIFF_LINES = 400  # what a person still reads
CHUNK = 1 << 20


class Contents:
    """Bytes that a file holds or should hold: DATA themselves, or SIZE bytes with DIGEST that lie in the file PATH.

    HIDDEN is why a diff must not show them ("holds a secret"), or None. Two are equal when their bytes are.
    """

    __slots__ = ("_data", "_digest", "hidden", "path", "size")

    def __init__(
        self,
        data: bytes | None = None,
        *,
        path: str | None = None,
        digest: str | None = None,
        size: int = 0,
        hidden: str | None = None,
    ) -> None:
        self._data, self._digest, self.path, self.hidden = data, digest, path, hidden
        self.size = size if data is None else len(data)

    @property
    def digest(self) -> str:
        """The SHA-256 in hex."""
        if self._digest is None:
            from hashlib import sha256

            hashed = sha256()
            for chunk in self._chunks():
                hashed.update(chunk)
            self._digest = hashed.hexdigest()
        return self._digest

    @property
    def data(self) -> bytes | None:
        """The bytes, where they are held or few enough to be read now; else None."""
        if self._data is None and self.path is not None and self.size <= HELD_BYTES:
            self._data = b"".join(self._chunks())
        return self._data

    def _chunks(self) -> Iterator[bytes]:
        if self._data is not None:
            yield self._data
        elif self.path is not None:
            with open(self.path, "rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk

    def chunks(self) -> Iterator[bytes]:
        """The bytes in parts, to be written. TemporaryError at the end where they are not what the digest promised."""
        if self._data is not None or self._digest is None:
            yield from self._chunks()
            return
        from hashlib import sha256

        hashed = sha256()
        for chunk in self._chunks():
            hashed.update(chunk)
            yield chunk
        if hashed.hexdigest() != self._digest:
            raise TemporaryError(f"{self.path} changed while it was read: try again")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Contents):
            return NotImplemented
        if self is other:
            return True
        if self.size != other.size:
            return False
        if self._data is not None and other._data is not None:
            return self._data == other._data
        return self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"<{self.hidden or f'{self.size} bytes, sha256 {self.digest[:12]}'}>"

    def diff(self, new: object) -> str:
        """What a change from these contents to NEW looks like: a unified diff, or why none is shown."""
        if not isinstance(new, Contents):
            return f"{self!r} -> {new!r}"
        if hidden := self.hidden or new.hidden:
            return f"<{hidden}>"
        before, after = self.data, new.data
        if before is None or after is None:
            return f"{self!r} -> {new!r} (too long to compare line by line)"
        return unified(before, after)


def read(fd: int, size: int) -> Contents:
    """The contents of the open file FD of about SIZE bytes; a large one as its digest alone."""
    if size <= HELD_BYTES:
        return Contents(drain(fd, size))
    from hashlib import sha256

    hashed, count = sha256(), 0
    while chunk := os.read(fd, CHUNK):
        hashed.update(chunk)
        count += len(chunk)
    return Contents(digest=hashed.hexdigest(), size=count)


def drain(fd: int, size: int) -> bytes:
    """All bytes of the open file FD, of about SIZE of them."""
    first = os.read(fd, size + 1)
    if len(first) <= size and not (chunk := os.read(fd, 1)):
        return first
    parts = [first, chunk if len(first) <= size else b""]
    while chunk := os.read(fd, CHUNK):
        parts.append(chunk)
    return b"".join(parts)


def unified(before: bytes, after: bytes) -> str:
    """The unified diff of two texts, shortened after DIFF_LINES lines; binary contents are only said to differ."""
    if b"\0" in before or b"\0" in after:
        return "Binary files differ"
    try:
        old, new = before.decode(), after.decode()
    except UnicodeDecodeError:
        return "Binary files differ"
    import difflib

    lines: list[str] = []
    for line in difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True)):
        lines.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    left = len(lines) - DIFF_LINES
    if left > 0:
        lines[DIFF_LINES:] = [f"... {left} more lines of this diff are not shown\n"]
    return "".join(lines)
