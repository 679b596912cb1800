"""`import` as Salt-style code sees it: `salt` and what is below it are the few modules of `saltern.compat.shim`.

It is put into the `__builtins__` of such a module alone, so nothing else in the process ever sees a module `salt`.
"""

from __future__ import annotations

import builtins
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any


class NoSuchShim(ModuleNotFoundError):
    """A module of Salt that the bridge has not."""


def import_(
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Any = (),
    level: int = 0,
) -> Any:
    """See `builtins.__import__`. NoSuchShim or ImportError name what of `salt` is not there."""
    if level or name.partition(".")[0] != "salt":
        return builtins.__import__(name, globals, locals, fromlist, level)
    top, leaf = importlib.import_module("saltern.compat.shim"), _shim(name)
    for part in fromlist or ():
        if part != "*" and not hasattr(leaf, part):
            try:
                _shim(f"{name}.{part}")
            except NoSuchShim:
                raise ImportError(
                    f"it needs {part!r} of {name}, which the bridge to Salt's modules has not", name=name
                ) from None
    return leaf if fromlist else top


def _shim(name: str) -> ModuleType:
    full = f"saltern.compat.shim{name.removeprefix('salt')}"
    try:
        return importlib.import_module(full)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("saltern.compat.shim"):
            raise
        raise NoSuchShim(f"it needs {name}, which the bridge to Salt's modules has not", name=name) from None
