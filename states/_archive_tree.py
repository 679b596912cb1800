"""What an archive brings, as values of a state."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from modules._archive.members import Member
from modules.archive import shown_path
from saltern.converge.compare import same
from saltern.converge.plan import UNSET, Unset
from states._file.shared import FileStateError

SHOWN = 5000  # paths in a diff
_STRIP = re.compile(r"--strip(?:-components)?=([0-9]{1,2})")
_LETTERS = re.compile(r"-?[xvzjJfpoq]+")


class Paths:
    """Paths and what is wrong with each ("": nothing); equal where these are. A diff shows at most LIMIT."""

    __slots__ = ("_limit", "_words")

    def __init__(self, words: Mapping[str, str], limit: int = SHOWN) -> None:
        self._words, self._limit = words, limit

    @classmethod
    def of(
        cls,
        members: Iterable[Member],
        limit: int,
        *,
        without: frozenset[str] = frozenset(),
        words: Mapping[str, str] | None = None,
    ) -> Paths:
        """The paths of MEMBERS but WITHOUT some, and what WORDS say of them."""
        known = words or {}
        there = (member for member in members if member.path not in without)
        return cls({shown_path(member): known.get(member.path, "") for member in there}, limit)

    def __eq__(self, other: object) -> bool:
        return self._words == other._words if isinstance(other, Paths) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._words.items()))

    def __repr__(self) -> str:
        right = sum(not word for word in self._words.values())
        return f"<{right} paths>"

    def diff(self, new: object) -> str:
        """The paths that come or change towards NEW, one a line."""
        if not isinstance(new, Paths):
            return f"{self!r} -> {new!r}"
        lines = []
        for path, word in sorted(new._words.items()):
            old = self._words.get(path)
            if old is None:
                lines.append(f"+ {path}\n")
            elif old != word:
                lines.append(f"~ {path} {old or word}\n")
        left = len(lines) - new._limit
        return "".join(lines[: new._limit]) + (f"... {left} more\n" if left > 0 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """What an archive brought, or should: PATHS, and whose they are; SOURCE: which archive came last; IF_MISSING: the
    path that is to be there then (None: it is not)."""

    paths: Paths | Unset = UNSET
    user: str | Unset = UNSET
    group: str | Unset = UNSET
    source: str | Unset | None = UNSET
    if_missing: str | Unset | None = UNSET

    def lacks(self, current: Tree) -> bool:
        """Whether the archive has to be unpacked for CURRENT to become this; for another owner it has not."""
        pairs = ((current.paths, self.paths), (current.source, self.source), (current.if_missing, self.if_missing))
        return not all(same(*pair) for pair in pairs)


def strip_of(options: str | None) -> int:
    """How many folders the OPTIONS of tar or unzip take off the front of each name. FileStateError for other ones."""
    count = 0
    try:
        words = shlex.split(re.sub(r"(--strip(?:-components)?)\s+", r"\1=", options or ""))
    except ValueError as error:
        raise FileStateError(f"options: {options!r} can't be split into words: {error}") from None
    for word in words:
        if found := _STRIP.fullmatch(word):
            count = int(found[1])
        elif not _LETTERS.fullmatch(word):
            raise FileStateError(f"options: {word!r} is not one that is known here: --strip-components=N is")
    return count
