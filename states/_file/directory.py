"""A directory and, where asked for, all that lies below it, as a value; and the steps from one to the other."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from modules import file
from modules._file.safe import kind_of
from saltern.converge.plan import UNSET, Plan, Step, Unset, call
from states._file.clean import NOTHING, Surplus
from states._file.clean import steps as clean_steps
from states._file.shared import Attributes, FileStateError, attribute_steps, observed, parent_steps

KINDS = ("user", "group", "mode")
FILTERS = ("ignore_files", "ignore_dirs")
SILENT = ("silent",)  # a word of Salt's about its output: taken, and without a meaning here


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory as it is, or as it should be. DIFFERING: what is not as it should be deeper down, in words by path
    relative to it; SURPLUS: what does not belong there, in words. Nothing, in the wish; UNSET where that is not
    managed."""

    user: str | Unset = UNSET
    group: str | Unset = UNSET
    mode: str | Unset = UNSET
    differing: Mapping[str, str] | Unset = UNSET
    surplus: tuple[str, ...] | Unset = UNSET


class Recursion(NamedTuple):
    """What is managed below a directory, how deep (None: all the way), and with which modes."""

    files: Attributes
    folders: Attributes
    max_depth: int | None = None
    ignore_files: bool = False
    ignore_dirs: bool = False


def recursion(
    recurse: Sequence[str], wish: Attributes, file_mode: str | Unset, max_depth: int | None
) -> Recursion | None:
    """What RECURSE asks for, with the attributes of WISH; None for nothing. FileStateError for an unknown word, or one
    whose value is not given."""
    if not recurse:
        return None
    for word in recurse:
        if word not in KINDS + FILTERS + SILENT:
            raise FileStateError(f"recurse: {word!r} is not one of {', '.join(KINDS + FILTERS)}")
        if word in ("user", "group") and isinstance(getattr(wish, word), Unset):
            raise FileStateError(f"recurse names {word!r}, but there is no `{word}:` to set")
    user = wish.user if "user" in recurse else UNSET
    group = wish.group if "group" in recurse else UNSET
    folder_mode = wish.mode if "mode" in recurse else UNSET
    deep_mode = (wish.mode if isinstance(file_mode, Unset) else file_mode) if "mode" in recurse else UNSET
    return Recursion(
        Attributes(user, group, deep_mode),
        Attributes(user, group, folder_mode),
        max_depth,
        "ignore_files" in recurse,
        "ignore_dirs" in recurse,
    )


class Below(NamedTuple):
    """What is not as it should be below a directory: in words, and the attributes to be set, by relative path."""

    differing: dict[str, str]
    changes: tuple[tuple[str, dict[str, str]], ...]

    def without(self, surplus: Surplus) -> Below:
        """The same without what is deleted anyway."""
        if not surplus.going or not self.changes:
            return self
        left = surplus.spares(self.differing)
        differing = {path: words for path, words in self.differing.items() if path in left}
        return Below(differing, tuple(change for change in self.changes if change[0] in left))


def scan(root: str, wanted: Recursion) -> Below:
    """What differs below ROOT. Links are neither followed nor managed."""
    words: dict[str, str] = {}
    changes = []
    waiting = [("", 1)]
    while waiting:
        folder, depth = waiting.pop()
        for path, status in entries(root, folder):
            is_folder = stat.S_ISDIR(status.st_mode)
            if is_folder and (wanted.max_depth is None or depth < wanted.max_depth):
                waiting.append((path, depth + 1))
            if wanted.ignore_dirs if is_folder else wanted.ignore_files:
                continue
            should = wanted.folders if is_folder else wanted.files
            have = observed(status, should)
            if have is not None and have != should:
                arguments = should.arguments
                wrong = [key for key in arguments if getattr(have, key) != arguments[key]]
                words[path] = ", ".join(f"{key} {getattr(have, key)} instead of {arguments[key]}" for key in wrong)
                changes.append((path, arguments))
    return Below(words, tuple(changes))


def entries(root: str, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """What is in FOLDER (relative to ROOT) but links, sorted: relative path and status."""
    try:
        with os.scandir(f"{root}/{folder}") as found:
            names = sorted(entry.name for entry in found)
    except (FileNotFoundError, NotADirectoryError):
        return  # it went away in between
    for name in names:
        path = f"{folder}/{name}" if folder else name
        try:
            status = os.lstat(f"{root}/{path}")
        except FileNotFoundError:
            continue
        if not stat.S_ISLNK(status.st_mode):
            yield path, status


def check_place(path: str, status: os.stat_result | None, *, force: bool, allow_symlink: bool) -> bool:
    """Whether something that is no directory is in the way at PATH and FORCE lets it be deleted. FileStateError where
    it does not. STATUS is that of PATH itself, not of what it points to."""
    if status is None or stat.S_ISDIR(status.st_mode):
        return False
    is_link = stat.S_ISLNK(status.st_mode)
    if is_link and allow_symlink and os.path.isdir(path):
        return False
    if force:
        return True
    hint = " or `allow_symlink: True` keeps it" if is_link else ""
    raise FileStateError(f"{path} is there and is {kind_of(status.st_mode)}; `force: True` replaces it{hint}")


def steps(
    path: str,
    current: Directory | None,
    wish: Directory,
    changes: tuple[tuple[str, dict[str, str]], ...] = (),
    *,
    makedirs: bool = False,
    in_the_way: bool = False,
    surplus: Surplus = NOTHING,
) -> Iterator[Step]:
    """The steps from CURRENT (None: no such directory) to WISH, in order. CHANGES: the attributes to be set below;
    SURPLUS: what goes there."""
    attributes = Attributes(wish.user, wish.group, wish.mode)
    if in_the_way:
        yield Step(f"delete {path}, which is no directory", path, None, do=call(file.remove, path))
    if current is None:
        if makedirs:
            yield from parent_steps(path, attributes, wish.mode)
        yield Step(f"make directory {path}", None, path, do=call(file.mkdir, path, **attributes.arguments))
        return
    have = Attributes(current.user, current.group, current.mode)
    yield from attribute_steps(path, have, attributes)
    yield from clean_steps(path, surplus)
    if changes:
        words = f"set owner and mode of {len(changes)} paths below {path}"
        yield Step(words, current.differing, wish.differing, do=call(file.set_tree, path, changes))


def plan(path: str, have: Attributes, wish: Attributes, below: Below | None, surplus: Surplus | None) -> Plan:
    """The plan for the directory PATH that is there: HAVE and WISH are its own attributes; BELOW and SURPLUS what is
    wrong in it (None: not managed)."""
    gone = surplus or NOTHING
    left = None if below is None else below.without(gone)
    current = Directory(*have, UNSET if left is None else left.differing, UNSET if surplus is None else surplus.told())
    wanted = Directory(*wish, UNSET if left is None else {}, UNSET if surplus is None else ())
    todo = steps(path, current, wanted, () if left is None else left.changes, surplus=gone)
    return Plan(current, wanted, todo, comment=gone.comment(path))
