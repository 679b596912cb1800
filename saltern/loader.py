"""Finds a function by the name that users write: `bridge.add` in `modules/`, `bridge.present` in `states/`. What a
state tree brings stands beside them while a job runs (`saltern.custom`).

A namespace is imported when it is first asked for and never before, so the cost of a call is that of what it uses.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from saltern.errors import PermanentError, UsageError, nearest
from saltern.marks import kind_of

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,63}\.[a-z][a-z0-9_]{0,63}$")


def is_name(text: str) -> bool:
    """Whether TEXT has the form of a function's name."""
    return _NAME.fullmatch(text) is not None


def namespaces(package: str) -> tuple[str, ...]:
    """The namespaces of PACKAGE ("modules" or "states") and those that the tree adds, without importing them."""
    found = built_in(package)
    for finder in sys.meta_path:
        if further := getattr(finder, "saltern_namespaces", None):
            found = tuple(sorted({*found, *further(package)}))
    return found


def built_in(package: str) -> tuple[str, ...]:
    """The namespaces of PACKAGE that Saltern itself has."""
    found = importlib.import_module(package)
    return tuple(
        sorted(
            entry.name.rstrip("_") for entry in pkgutil.iter_modules(found.__path__) if not entry.name.startswith("_")
        )
    )


def usable(package: str, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[tuple[str, ModuleType]]:
    """The namespaces of PACKAGE that are WANTED, with their modules; without those of the tree that are broken or not
    for this node."""
    for name in namespaces(package):
        try:
            module = namespace(package, name) if wanted(name) else None
        except UsageError:
            continue
        if module is not None:
            yield name, module


def namespace(package: str, name: str) -> ModuleType | None:
    """The module of namespace NAME, or None. A name that Python reserves has a file with a trailing underscore.
    PermanentError where it needs a Python module that is not installed."""
    for candidate in (name, name + "_"):
        full = f"{package}.{candidate}"
        try:
            return importlib.import_module(full)
        except ModuleNotFoundError as error:
            if error.name != full:
                raise PermanentError(
                    f"{package} {name!r} needs the Python module {error.name!r}, which is not installed here"
                ) from None
    return None


def functions(module: ModuleType, offered: Callable[[object], object] = kind_of) -> dict[str, Callable[..., Any]]:
    """The offered functions that MODULE itself defines, by the name that users write (`list_` is `list`). What it
    imports from a part of itself counts too: `modules._virt.pool` is one of `modules.virt`, and of a tree's `web` is
    `_web_words`. A module that was made for Salt has a table of them, `__saltern_offers__` (see `saltern.compat`)."""
    if isinstance(table := vars(module).get("__saltern_offers__"), dict):
        return {name: value for name, value in table.items() if offered(value)}
    package, _, own = module.__name__.rpartition(".")
    parts = (f"{package}._{own}.", f"{package}._{own}_")
    return {
        name.rstrip("_"): value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and callable(value)
        and offered(value)
        and (value.__module__ == module.__name__ or value.__module__.startswith(parts))
    }


def find(full_name: str, package: str = "modules", offered: Callable[[object], object] = kind_of) -> Callable[..., Any]:
    """The function FULL_NAME ("test.ping") of PACKAGE. UsageError with the nearest name where there is none."""
    kind = "state" if package == "states" else "function"
    if not is_name(full_name):
        raise UsageError(f"{full_name!r} is not the name of a {kind}: write it as NAMESPACE.NAME, like test.ping")
    space, _, name = full_name.partition(".")
    module = namespace(package, space)
    if module is None:
        raise UsageError(
            f"there is no {kind} {full_name!r}: no namespace {space!r}.{nearest(space, namespaces(package))}"
            + "".join(getattr(finder, "saltern_hint", "") for finder in sys.meta_path)
        )
    known = functions(module, offered)
    if name not in known:
        raise UsageError(f"there is no {kind} {full_name!r}.{nearest(full_name, [f'{space}.{k}' for k in known])}")
    return known[name]
