"""A folder of the state tree on the node: which files and folders differ from it, and the steps that mend them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from modules import file
from modules._file.contents import Contents
from saltern.context import Context, iter_under, split_uri
from saltern.converge.plan import UNSET, Step, Unset, call
from saltern.errors import nearest
from states._file.clean import NOTHING, Surplus
from states._file.clean import steps as clean_steps
from states._file.contents import Origin, rendered_file, template_text
from states._file.managed import steps as managed_steps
from states._file.shared import Attributes, File, FileStateError, as_file, attribute_steps, observed


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder as it is, or as it should be."""

    user: str | Unset = UNSET
    group: str | Unset = UNSET
    mode: str | Unset = UNSET


# what is at each path (None: nothing), and under SURPLUS what does not belong there, in words
Tree = dict[str, File | Folder | tuple[str, ...] | None]
SURPLUS = "surplus"


class Recursed(NamedTuple):
    """What `file.recurse` was asked for."""

    source: str
    saltenv: str
    files: Attributes
    folders: Attributes
    keep_mode: bool = False
    include: str | Sequence[str] | None = None
    exclude: str | Sequence[str] | None = None
    max_depth: int | None = None
    template: str | None = None
    variables: Mapping[str, Any] | None = None
    replace: bool = True


def matches(path: str, patterns: str | Sequence[str]) -> bool:
    """Whether PATH matches one of PATTERNS, globs or `E@` and a regular expression."""
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        if pattern.startswith("E@"):
            try:
                if re.search(pattern[2:], path):
                    return True
            except re.error as error:
                raise FileStateError(f"not a regular expression: {pattern[2:]!r}: {error}") from None
        elif fnmatchcase(path, pattern):
            return True
    return False


def wanted_paths(ctx: Context, asked: Recursed) -> tuple[str, str, list[str]]:
    """The folder of the tree, its environment, and the paths below it that are wanted. FileStateError for no folder."""
    try:
        folder, env = split_uri(asked.source.rstrip("/"), asked.saltenv)
    except ValueError as error:
        raise FileStateError(str(error)) from None
    start = len(folder) + 1
    below = [path[start:] for path in iter_under(ctx.files, folder, env)]
    if not below:
        folders = {path.rpartition("/")[0] for path in ctx.files.list(env)}
        raise FileStateError(
            f"there is no folder salt://{folder} in the environment {env!r}.{nearest(folder, folders)}"
        )
    return folder, env, [path for path in below if _is_wanted(path, asked)]


def _is_wanted(path: str, asked: Recursed) -> bool:
    if asked.max_depth is not None and path.count("/") > asked.max_depth:
        return False
    if asked.include and not matches(path, asked.include):
        return False
    return not (asked.exclude and matches(path, asked.exclude))


def compare(ctx: Context, root: str, asked: Recursed, surplus: Surplus | None = None) -> tuple[Tree, Tree]:
    """What is at ROOT and below, of all that is wanted, and what should be; by absolute path, the folders first.
    SURPLUS: what goes there; None: nothing is cleaned."""
    folder, env, paths = wanted_paths(ctx, asked)
    have: Tree = {}
    wish: Tree = {}
    folders = {""} | {path[:at] for path in paths for at in range(len(path)) if path[at] == "/"}
    for name in sorted(folders):
        full = f"{root}/{name}" if name else root
        found = observed(_status(full, stat.S_ISDIR), asked.folders)
        have[full] = None if found is None else Folder(*found)
        wish[full] = Folder(*asked.folders)
    for path in paths:
        full = f"{root}/{path}"
        have[full], wish[full] = _compare_file(ctx, full, Origin(f"{folder}/{path}", env, None), asked)
    if surplus is not None:
        have[SURPLUS], wish[SURPLUS] = surplus.told(), ()
    return have, wish


def _status(path: str, wanted: Any) -> os.stat_result | None:
    """The status of PATH, or None. FileStateError where it is something else than WANTED tells."""
    status = file.status(path)
    if status is not None and not wanted(status.st_mode):
        raise FileStateError(f"{path} is there and is {file.stats(path)['type']}: it is in the way")
    return status


def _compare_file(ctx: Context, path: str, source: Origin, asked: Recursed) -> tuple[File | None, File]:
    attributes = asked.files
    if asked.keep_mode:
        attributes = Attributes(attributes.user, attributes.group, f"{source.mode(ctx):04o}")
    status = _status(path, stat.S_ISREG)
    have = observed(status, attributes)
    if status is None or have is None:
        return None, as_file(_wished(ctx, source, asked, None), attributes)
    if not asked.replace:
        return as_file(Contents(path=path, size=status.st_size), have), as_file(UNSET, attributes)
    held = file.held(path, status.st_size)
    wished = _wished(ctx, source, asked, held)
    held.hidden = wished.hidden  # what a secret replaces may be one too
    return as_file(held, have), as_file(wished, attributes)


def _wished(ctx: Context, source: Origin, asked: Recursed, held: Contents | None) -> Contents:
    assert source.env is not None
    if asked.template is not None:
        text = template_text(ctx, source)
        names = {"source": f"salt://{source.path}", **(asked.variables or {})}
        return rendered_file(ctx, text, asked.template, names, place=source.path, saltenv=asked.saltenv)
    digest = ctx.files.digest(source.path, source.env)
    if held is not None and held.digest == digest:
        return held
    return Origin(source.path, source.env, digest).contents(ctx)


def steps(root: str, current: Tree, wish: Tree, surplus: Surplus | None = None) -> Iterator[Step]:
    """The steps from CURRENT to WISH, path by path: folders, files, then the SURPLUS that goes."""
    for path, wanted in wish.items():
        have = current[path]
        if isinstance(wanted, File):
            yield from managed_steps(path, have if isinstance(have, File) else None, wanted, parents=False)
        elif isinstance(wanted, Folder) and isinstance(have, Folder):
            yield from attribute_steps(path, _attributes(have), _attributes(wanted))
        elif isinstance(wanted, Folder):
            arguments = _attributes(wanted).arguments
            yield Step(f"make directory {path}", None, path, do=call(file.mkdir, path, **arguments))
    yield from clean_steps(root, surplus or NOTHING)


def _attributes(folder: Folder) -> Attributes:
    return Attributes(folder.user, folder.group, folder.mode)
