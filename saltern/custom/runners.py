"""Finds, checks and calls the runners of a tree: `_runners/NAME.py`. For the process that runs one, not for the master.

A public function of a file is a runner. One whose first parameter is called `master` gets a `Master`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from saltern.custom.custom import Custom
from saltern.custom.errors import CustomFailed, words_of
from saltern.custom.master import Master
from saltern.errors import SalternError, UsageError, nearest
from saltern.files import LocalFiles
from saltern.marks import permit_acting

if TYPE_CHECKING:
    from saltern.compat.surroundings import Surroundings


def call(
    roots: Mapping[str, Sequence[str]], function: str, args: Sequence[Any], kwargs: Mapping[str, Any], root: str
) -> Any:
    """What the runner FUNCTION of the trees ROOTS gives; ROOT is the master's. SalternError."""
    space, _, name = function.partition(".")
    code = _Runners(LocalFiles(roots), Master(root), roots)
    found = code.functions(space)
    if name not in found:
        raise UsageError(f"there is no runner {function!r}.{nearest(name, found)}")
    runner = found[name]
    wants_master = next(iter(inspect.signature(runner).parameters), "") == "master"
    given = (Master(root), *args) if wants_master else tuple(args)
    try:
        inspect.signature(runner).bind(*given, **kwargs)
    except TypeError as error:
        raise UsageError(f"{function}: {error}") from None
    try:
        with permit_acting():  # what is made for Salt is taken for acting
            value = runner(*given, **kwargs)
        if inspect.iscoroutine(value):
            import asyncio

            value = asyncio.run(value)
    except SalternError as error:
        raise CustomFailed(f"{function}: {error}") from None
    except (Exception, SystemExit) as error:
        raise CustomFailed(f"{function}: {words_of(error, f'_runners/{space}.py')}") from None
    return value


class _Runners(Custom):
    """The runners in FILES."""

    def __init__(self, files: LocalFiles, master: Master, roots: Mapping[str, Sequence[str]]) -> None:
        super().__init__(files=files)
        self._master, self._roots = master, roots

    @property
    def bridge(self) -> Surroundings:
        """See `Custom`."""
        if self._bridge is None:
            from saltern.compat.master import RunnerBridge

            self._bridge = RunnerBridge(self, self._master, self._roots)
        return self._bridge

    def functions(self, space: str) -> Mapping[str, Callable[..., Any]]:
        """The runners of the namespace SPACE. BrokenModule, NotOffered."""
        full = f"saltern_tree_runners.{space}"
        for origin in self.origins("runners", space):
            module = ModuleType(full)
            self.loaded(full, module)
            self.load(module, origin)
            return _offered(module)
        return {}


def _offered(module: ModuleType) -> Mapping[str, Callable[..., Any]]:
    table = vars(module).get("__saltern_offers__")
    if isinstance(table, dict):
        return table
    return {
        name.rstrip("_"): value
        for name, value in vars(module).items()
        if isinstance(value, FunctionType) and not name.startswith("_") and value.__module__ == module.__name__
    }
