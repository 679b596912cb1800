"""What `clean: True` keeps in a folder: all that other states of the run have there, by requisites or not.

That is more than Salt keeps, which asks what the folder's state requires. What is deleted here and made again by a
later state would be gone for a while; what another state only knows by name (a guest's disk) would be gone for good.
Below /etc, what Saltern itself keeps for states (the networks for the next boot) stays too: its files bear its name.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from saltern import loader
from saltern.context import Context
from saltern.converge.state import is_state
from saltern.errors import UsageError
from saltern.sls.low import Low
from states._file import clean as _clean
from states._file.recurse import Recursed, matches, wanted_paths
from states._file.shared import Attributes

# what these arguments say goes into a file, and is no place of one
_TEXTS = frozenset({"content", "contents", "context", "dataset", "defaults", "pattern", "repl", "text", "value"})
_OWN_FILE = re.compile(r"(\d+-)?saltern[-.]")
_DEPTH = 50  # of nested arguments
_GONE = frozenset({"absent", "missing"})  # what these states of `file` name is not to be there


def surplus(ctx: Context, root: str, exclude: str | Sequence[str] | None, own: Iterable[str] = ()) -> _clean.Surplus:
    """What goes of the folder ROOT when it is cleaned: all but what its OWN state and the others of the run have there,
    what EXCLUDE matches, and what Saltern itself keeps below /etc."""
    settings = f"{os.path.realpath(root)}/".startswith(f"{os.path.realpath(ctx.config.root / 'etc')}/")

    def spared(path: str) -> bool:
        if settings and _OWN_FILE.match(os.path.basename(path)):
            return True
        return bool(exclude) and matches(path, exclude or ())

    return _clean.surplus(root, {*own, *named_below(ctx, root)}, spared)


def named_below(ctx: Context, root: str) -> set[str]:
    """The paths below ROOT, relative to it, that other states of the run name or bring there."""
    if ctx.around is None:
        return set()
    real, defaults = cache(os.path.realpath), cache(defaults_of)
    below = _below({root, real(root)})
    found: set[str] = set()
    for low in ctx.around.others():
        if low.module == "file" and low.fun in _GONE:
            continue
        for path in named(low, defaults(low.module, low.fun)):
            found.update(below(path))
            found.update(below(f"{real(os.path.dirname(path))}/{os.path.basename(path)}"))
        if low.module == "file" and low.fun == "recurse":
            found.update(path for brought in _brought(ctx, low, root, real) for path in below(brought))
    return found


def named(low: Low, defaults: Mapping[str, Any]) -> Iterator[str]:
    """The absolute paths that LOW names: as its name, in its arguments at any depth and in those that are left at their
    DEFAULTS, as what it creates."""
    given = {key: value for key, value in {**defaults, **low.args}.items() if key not in _TEXTS}
    for text in _texts([low.name, given, low.options.get("creates")]):
        path = os.path.expanduser(text) if text.startswith("~") else text
        if path.startswith("/") and "\0" not in path:
            yield os.path.normpath(path)


def defaults_of(module: str, fun: str) -> dict[str, str]:
    """What arguments of the state MODULE.FUN are if they are not given: `sysctl.present` has the file that it writes
    so."""
    try:
        function = loader.find(f"{module}.{fun}", "states", is_state)
        parameters = inspect.signature(function).parameters.values()
    except (UsageError, TypeError, ValueError):
        return {}  # its own turn tells what is wrong with it
    return {one.name: one.default for one in parameters if isinstance(one.default, str)}


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping) and depth < _DEPTH:
        yield from (text for one in value.values() for text in _texts(one, depth + 1))
    elif isinstance(value, list | tuple | set | frozenset) and depth < _DEPTH:
        yield from (text for one in value for text in _texts(one, depth + 1))


def _below(roots: Iterable[str]) -> Callable[[str], Iterator[str]]:
    """What tells of a path how it is called relative to those of ROOTS that it lies below."""
    prefixes = [f"{root.rstrip('/')}/" for root in roots]
    return lambda path: (path[len(prefix) :] for prefix in prefixes if path.startswith(prefix))


def _brought(ctx: Context, low: Low, root: str, real: Callable[[str], str]) -> Iterator[str]:
    """The files that the `file.recurse` LOW brings, where ROOT is its folder or lies in it."""
    name = os.path.normpath(os.path.expanduser(low.name))
    for folder in {name, real(name)}:
        if any(f"{place}/".startswith(f"{folder.rstrip('/')}/") for place in (root, real(root))):
            args = low.args
            asked = Recursed(
                source=args["source"],
                saltenv=args.get("saltenv", low.saltenv),
                files=Attributes(),
                folders=Attributes(),
                include=args.get("include_pat"),
                exclude=args.get("exclude_pat"),
                max_depth=args.get("maxdepth") if args.get("max_depth") is None else args.get("max_depth"),
            )
            yield from (f"{folder}/{path}" for path in wanted_paths(ctx, asked)[2])
