"""Things at a path that are no files: links, and what is only to be deleted."""

from __future__ import annotations

from dataclasses import dataclass

from saltern.converge.plan import UNSET, Unset


@dataclass(frozen=True, slots=True)
class Entry:
    """Something at a path; KIND in words."""

    kind: str


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link; TARGET is what it holds (or the kind of what is in its place)."""

    target: str
    user: str | Unset = UNSET
    group: str | Unset = UNSET
