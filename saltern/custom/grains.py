"""Runs the `_grains` of a tree: each public function of a file gives a mapping of grains."""

from __future__ import annotations

import inspect
import logging
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from saltern.custom.errors import words_of
from saltern.errors import SalternError
from saltern.marks import permit_acting

if TYPE_CHECKING:
    from saltern.custom.custom import Custom
    from saltern.custom.source import Origin

LONGEST_S = 30.0  # for one file: a job that asks for a grain waits for it

_log = logging.getLogger(__name__)


class _TooLong(BaseException):  # no code of a tree takes it for an error of its own
    pass


def found(custom: Custom, core: Mapping[str, Any]) -> dict[str, Any]:
    """The grains by name; of two files that give one, the later wins."""
    values: dict[str, Any] = {}
    for origin in custom.source.origins("grains"):
        try:
            with _limited():
                values.update(_of_file(custom, origin, core))
        except SalternError as error:
            _log.warning("the grains of %s are left out: %s", origin.path, error)
        except _TooLong:
            _log.warning("the grains of %s are left out: it took longer than %g s", origin.path, LONGEST_S)
        except (Exception, SystemExit) as error:
            _log.warning("the grains of %s are left out: %s", origin.path, words_of(error, origin.path))
    return values


def _of_file(custom: Custom, origin: Origin, core: Mapping[str, Any]) -> dict[str, Any]:
    name = f"saltern_tree_grains.{origin.stem}"
    module = ModuleType(name)
    custom.loaded(name, module)
    custom.load(module, origin)
    values: dict[str, Any] = {}
    for word, function in list(vars(module).items()):
        if word.startswith("_") or not isinstance(function, FunctionType) or function.__module__ != name:
            continue
        taken = inspect.signature(function).parameters
        with permit_acting():
            given = function(**({"grains": core} if "grains" in taken else {}))
        if isinstance(given, Mapping):
            values.update({str(key): value for key, value in given.items()})
        elif given is not None:
            _log.warning("%s: %s gives %s, not a mapping of grains", origin.path, word, type(given).__name__)
    return values


@contextmanager
def _limited() -> Iterator[None]:
    """Break off what is in the block after LONGEST_S (in the main thread, where Python can)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S, 1.0)  # and again, where the first was swallowed
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
