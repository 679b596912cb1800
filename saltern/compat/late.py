"""Modules that are imported when they are first looked at: in Salt, all of `salt.utils` is there once any of it is."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType


def late(package: str) -> Callable[[str], ModuleType]:
    """The `__getattr__` of PACKAGE, a part of `saltern.compat.shim`."""

    def find(name: str) -> ModuleType:
        full = f"{package}.{name}"
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return importlib.import_module(full)
        except ModuleNotFoundError as error:
            if error.name != full:
                raise
            told = full.replace("saltern.compat.shim", "salt")
            raise AttributeError(f"it needs {told}, which the bridge to Salt's modules has not") from None

    return find
