"""What `clean: True` deletes of a folder, and what it leaves there.

What is kept is kept with all that it holds, and so are the folders above it. Links are entries like others and not
followed; what another file system holds is left alone. A folder in which nothing is kept goes as a whole.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from modules import file
from modules._file import remove as file_remove
from saltern.converge.plan import Step, call

ONE_BY_ONE = 20  # entries that are told one a line; of more, those of one folder share one
NAMED = 3  # entries of such a folder that are named


class Going(NamedTuple):
    """An entry that goes, by its PATH relative to the folder that is cleaned, and how many entries it HOLDS."""

    path: str
    holds: int = 0


class Surplus(NamedTuple):
    """What is in a folder and does not belong there: GOING, by path; and FOREIGN, what is left alone since another file
    system lies there."""

    going: tuple[Going, ...] = ()
    foreign: tuple[str, ...] = ()

    def told(self) -> tuple[str, ...]:
        """What goes, in a few lines."""
        return tuple(_line(folder, group, "") for folder, group in _groups(self.going))

    def left(self, root: str) -> str:
        """What of ROOT is left alone, as the end of a sentence; '' for nothing."""
        names = ", ".join(shown(f"{root}/{path}") for path in self.foreign)
        return f"; left alone, as a mount point or another file system: {names}" if names else ""

    def comment(self, root: str) -> str | None:
        """What to say of ROOT where nothing differs; None where there is nothing to be said."""
        return f"{root} is as declared{self.left(root)}" if self.foreign else None

    def spares(self, paths: Iterable[str]) -> set[str]:
        """Those of PATHS that do not go, alone or with a folder that they lie in."""
        going = {one.path for one in self.going}
        return {path for path in paths if path not in going and going.isdisjoint(above_of(path))}


NOTHING = Surplus()


def above_of(path: str) -> Iterator[str]:
    """The folders above the relative PATH, the outermost first."""
    return (path[:at] for at, character in enumerate(path) if character == "/")


def surplus(root: str, kept: Iterable[str], spared: Callable[[str], bool] = lambda path: False) -> Surplus:
    """What goes of the folder ROOT: all but KEPT (relative paths) and what is SPARED, which is asked by relative path,
    each with all that it holds."""
    own = frozenset(kept)
    ways = {above for path in own for above in above_of(path)}
    real = os.path.realpath(root)
    mounts = {point[len(real.rstrip("/")) + 1 :] for point in file_remove.mounts_in(real)}
    device = os.stat(root).st_dev
    visited: list[str] = []
    stays: set[str] = set()  # folders
    found: dict[str, list[Going]] = {}
    foreign: list[str] = []
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        visited.append(folder)
        found[folder] = []
        for path, status in _entries(root, folder):
            if path in mounts or status.st_dev != device:
                foreign.append(path)
            elif path in own or spared(path):
                pass
            elif stat.S_ISDIR(status.st_mode):
                waiting.append(path)
                if path in ways:
                    stays.add(path)
                continue
            elif path not in ways:
                found[folder].append(Going(path))
                continue
            stays.add(folder)
    return Surplus(tuple(_collapsed(visited, found, stays)), tuple(sorted(foreign)))


def _entries(root: str, folder: str) -> Iterator[tuple[str, os.stat_result]]:
    """What is in FOLDER (relative to ROOT): relative path and status."""
    try:
        with os.scandir(f"{root}/{folder}") as found:
            for entry in found:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                yield f"{folder}/{entry.name}" if folder else entry.name, status
    except (FileNotFoundError, NotADirectoryError):
        return  # it went away in between


def _collapsed(visited: list[str], found: Mapping[str, list[Going]], stays: set[str]) -> list[Going]:
    """What goes, sorted: a folder of which nothing STAYS as one. VISITED has each folder before those in it."""
    going: list[Going] = []
    for folder in reversed(visited):
        above = folder.rpartition("/")[0]
        if folder == "" or folder in stays:
            stays.add(above)
            going += found[folder]
        else:
            holds = sum(1 + one.holds for one in found[folder])
            found[above].append(Going(folder, holds))
    return sorted(going)


def steps(root: str, found: Surplus) -> Iterator[Step]:
    """The steps that delete what FOUND says of ROOT."""
    end = found.left(root)
    for folder, group in _groups(found.going):
        sentence = f"delete {_line(folder, group, f'{root}/')}{end}"
        end = ""
        paths = tuple(f"{root}/{one.path}" for one in group)
        if len(group) == 1:
            yield Step(sentence, paths[0], None, do=call(file.remove, paths[0]))
        else:
            names = tuple(os.path.basename(path) for path in paths)
            full = f"{root}/{folder}" if folder else root
            yield Step(sentence, paths, (), do=call(file.remove_entries, full, names))


def _groups(going: tuple[Going, ...]) -> Iterator[tuple[str, tuple[Going, ...]]]:
    """GOING in groups that share a line, each with its folder."""
    by_folder: dict[str, list[Going]] = {}
    for one in going:
        by_folder.setdefault(one.path.rpartition("/")[0], []).append(one)
    for folder, group in by_folder.items():
        if len(going) > ONE_BY_ONE and len(group) > NAMED:
            yield folder, tuple(group)
        else:
            yield from ((folder, (one,)) for one in group)


def _line(folder: str, group: tuple[Going, ...], prefix: str) -> str:
    """The entries of GROUP, which all lie in FOLDER, in words; PREFIX stands before paths."""
    holds = sum(one.holds for one in group)
    inside = f" with the {entries(holds)} in {'it' if len(group) == 1 else 'them'}" if holds else ""
    if len(group) == 1:
        return shown(prefix + group[0].path) + inside
    where = f" of {shown((prefix + folder).rstrip('/'))}" if prefix or folder else ""
    names = ", ".join(shown(os.path.basename(one.path)) for one in group[:NAMED])
    return f"{entries(len(group))}{where}: {names} and {len(group) - NAMED} more{inside}"


def entries(number: int) -> str:
    """So many entries, in words."""
    return "1 entry" if number == 1 else f"{number} entries"


def shown(path: str) -> str:
    """PATH for people: a name that would not print as it is (a line feed, no UTF-8) is quoted and escaped."""
    return path if path.isprintable() else ascii(path)
