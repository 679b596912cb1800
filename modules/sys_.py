"""What functions and states there are, and how they are called (the namespace `sys`)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from saltern.converge.state import is_state
from saltern.loader import functions, namespaces, usable
from saltern.marks import kind_of, reading


@reading
def list_modules(*patterns: str) -> list[str]:
    """The namespaces of functions, or those that match one of the globs PATTERNS."""
    return _matching(namespaces("modules"), patterns)


@reading
def list_functions(*names: str) -> list[str]:
    """The functions there are; of the namespaces NAMES ("grains"), or that match the globs NAMES ("grains.*")."""
    return sorted(_offered("modules", kind_of, names))


@reading
def list_state_modules(*patterns: str) -> list[str]:
    """The namespaces of states, or those that match one of the globs PATTERNS."""
    return _matching(namespaces("states"), patterns)


@reading
def list_state_functions(*names: str) -> list[str]:
    """The states there are, as `list_functions`."""
    return sorted(_offered("states", is_state, names))


@reading
def doc(*names: str) -> dict[str, str]:
    """What functions say of themselves: of NAMES ("grains.get"), of a namespace ("grains"), or of all."""
    return _docs("modules", kind_of, names)


@reading
def state_doc(*names: str) -> dict[str, str]:
    """What states say of themselves, as `doc`."""
    return _docs("states", is_state, names)


@reading
def argspec(*names: str) -> dict[str, dict[str, Any]]:
    """The arguments of functions: {"args": names, "defaults": values, "varargs": name, "kwargs": name}."""
    return {name: _argspec(found) for name, found in sorted(_offered("modules", kind_of, names).items())}


@reading
def state_argspec(*names: str) -> dict[str, dict[str, Any]]:
    """The arguments of states, as `argspec`."""
    return {name: _argspec(found) for name, found in sorted(_offered("states", is_state, names).items())}


@reading
def list_renderers(*patterns: str) -> list[str]:
    """The renderers that `#!` may name, or those that match one of the globs PATTERNS."""
    from saltern.sls.render import RENDERERS

    return _matching(RENDERERS, patterns)


@reading
def reload_modules() -> bool:
    """Have Python modules that were installed meanwhile found; functions themselves are read anew by each worker."""
    import importlib

    importlib.invalidate_caches()
    return True


def _matching(found: tuple[str, ...], patterns: tuple[str, ...]) -> list[str]:
    return [name for name in found if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)]


def _offered(
    package: str, offered: Callable[[object], object], names: tuple[str, ...]
) -> dict[str, Callable[..., Any]]:
    """The functions of PACKAGE by full name, as far as NAMES want them; a namespace that no name wants stays unread."""
    wanted = [name if "." in name else f"{name}.*" for name in names] or ["*.*"]
    found = {}
    spaces = [pattern.partition(".")[0] for pattern in wanted]
    for space, module in usable(package, lambda space: any(fnmatchcase(space, pattern) for pattern in spaces)):
        for name, function in functions(module, offered).items():
            full = f"{space}.{name}"
            if any(fnmatchcase(full, pattern) for pattern in wanted):
                found[full] = function
    return found


def _docs(package: str, offered: Callable[[object], object], names: tuple[str, ...]) -> dict[str, str]:
    return {name: inspect.getdoc(found) or "" for name, found in sorted(_offered(package, offered, names).items())}


def _argspec(function: Callable[..., Any]) -> dict[str, Any]:
    spec = inspect.getfullargspec(inspect.unwrap(function))
    args = spec.args[1:] if spec.args[:1] == ["ctx"] else spec.args
    keyword_only = spec.kwonlydefaults or {}
    defaults = [*(spec.defaults or ()), *keyword_only.values()]
    return {
        "args": args + spec.kwonlyargs,
        "defaults": [
            value if isinstance(value, str | int | float | bool | None) else repr(value) for value in defaults
        ],
        "varargs": spec.varargs,
        "kwargs": spec.varkw,
    }
