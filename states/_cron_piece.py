"""The lines of a crontab that a state manages, as a value."""

from __future__ import annotations

from dataclasses import dataclass


class Piece:
    """The lines OWN of the crontab WHOLE: two are equal when their own lines are, and the diff is one of the whole
    crontabs. HIDDEN is why neither must be shown, or None."""

    __slots__ = ("_hidden", "own", "whole")

    def __init__(self, own: str, whole: str, hidden: str | None = None) -> None:
        self.own, self.whole, self._hidden = own, whole, hidden

    def __eq__(self, other: object) -> bool:
        return self.own == other.own if isinstance(other, Piece) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.own)

    def __str__(self) -> str:
        return f"<{self._hidden}>" if self._hidden else _shown(self.own)

    def __repr__(self) -> str:
        return repr(str(self))

    def diff(self, new: object) -> str:
        """The lines that change towards NEW, as a unified diff of the crontabs. The lines around them, which may be
        somebody's secrets, are not shown."""
        if not isinstance(new, Piece) or self._hidden or new._hidden:
            return f"{self} -> {new}"
        import difflib

        old, now = (piece.whole.splitlines(keepends=True) for piece in (self, new))
        return _shown("".join(difflib.unified_diff(old, now, n=0)))


def _shown(text: str) -> str:
    """TEXT for people: bytes that are no UTF-8 are replaced."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Crontab:
    """What a crontab has of a job or a variable."""

    crontab: Piece
