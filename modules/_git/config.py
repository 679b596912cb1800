"""Git's settings in one place: a repository's own, or those of a user (git-config(1))."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from modules._git import command as git_command
from modules._git.command import Who, checked, git, told
from modules._git.values import GitError, checked_key
from saltern.marks import acting, reading


class Place(NamedTuple):
    """Where settings are: in the repository REPO, or for the user of WHO where that is None."""

    who: Who
    repo: str | None = None

    def __str__(self) -> str:
        if self.repo is not None:
            return f"in {self.repo}"
        return f"for {self.who.user}" if self.who.user else "for the user of the agent"

    @property
    def option(self) -> str:
        """The word that tells git."""
        return "--global" if self.repo is None else "--local"


def missing(place: Place) -> str | None:
    """Why nothing can be said of PLACE yet, or None."""
    if reason := git_command.missing(place.who):
        return reason
    if place.repo is not None and not os.path.isdir(place.repo):
        return f"there is no repository {place.repo} yet"
    return None


def value_of(value: str | int | float | bool) -> str:
    """VALUE as git writes it: `true` and `false` for truths."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@reading
def values(key: str, place: Place) -> tuple[str, ...]:
    """The values of KEY, in their order."""
    said = git("config", place.option, "--null", "--get-all", checked_key(key), target=place.repo, who=place.who)
    if said.code not in (0, 1):
        raise GitError(f"the settings {place} can't be read: {told(said)}")
    return tuple(said.out.split("\0")[:-1])


@reading
def matching(pattern: str, place: Place) -> dict[str, tuple[str, ...]]:
    """The values of all keys that the regular expression PATTERN matches as a whole, in small letters as git has
    them."""
    wanted = checked_pattern(pattern)
    said = git("config", place.option, "--null", "--list", target=place.repo, who=place.who)
    if said.code != 0 and "unable to read config file" not in said.err:
        raise GitError(f"the settings {place} can't be read: {told(said)}")
    found: dict[str, tuple[str, ...]] = {}
    for entry in said.out.split("\0")[:-1]:
        key, _, value = entry.partition("\n")
        if wanted.fullmatch(key):
            found[key] = (*found.get(key, ()), value)
    return found


@acting
def put(key: str, wanted: tuple[str, ...], place: Place) -> None:
    """Make WANTED the values of KEY, and the only ones; none takes it away."""
    key, have = checked_key(key), values(key, place)
    words = ["config", place.option]
    if len(wanted) == 1:
        checked(*words, "--replace-all", "--", key, *wanted, target=place.repo, who=place.who)
        return
    if have:
        checked(*words, "--unset-all", "--", key, target=place.repo, who=place.who)
    for value in wanted:
        checked(*words, "--add", "--", key, value, target=place.repo, who=place.who)


def without(have: tuple[str, ...], pattern: str | None) -> tuple[str, ...]:
    """HAVE without the values that the regular expression PATTERN is found in (None: all)."""
    if pattern is None:
        return ()
    return tuple(value for value in have if not re.search(pattern, value))


def checked_pattern(pattern: str) -> re.Pattern[str]:
    """PATTERN as a regular expression where case does not count. GitError where it is none."""
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise GitError(f"not a regular expression: {pattern!r}: {error}") from None
