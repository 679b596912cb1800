"""What a template calls `salt`: the execution functions, by `salt['grains.get'](…)` and `salt.grains.get(…)`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from types import FrameType
from typing import Any

from saltern.context import Context
from saltern.errors import UsageError
from saltern.marks import permit_acting
from saltern.sls.fence import open_for_programs

Function = Callable[..., Any]
ACTS = "acts_of_templates"  # the key of `Context.extra` below which a run in test mode notes them


class Functions(Mapping[str, Function]):
    """The functions of a job. OFFERED replaces the execution functions (pillar on the master); MAY_ACT says whether
    those that change the node are allowed."""

    def __init__(self, ctx: Context, offered: Mapping[str, Function] | None = None, *, may_act: bool = True) -> None:
        self._ctx, self._offered, self._may_act = ctx, offered, may_act
        self._known: dict[str, Function] = {}

    def __getitem__(self, name: str) -> Function:
        """The function NAME. UsageError with the nearest name where there is none."""
        if name not in self._known:
            self._known[name] = self._made(name)
        return self._known[name]

    def __getattr__(self, name: str) -> _Namespace:
        if name.startswith("_"):
            raise AttributeError(name)
        return _Namespace(self, name)

    def get(self, name: str, default: Any = None) -> Any:
        """The function NAME, or DEFAULT."""
        try:
            return self[name]
        except UsageError:
            return default

    def __contains__(self, name: object) -> bool:
        try:
            return isinstance(name, str) and self[name] is not None
        except UsageError:
            return False

    def __iter__(self) -> Iterator[str]:
        if self._offered is not None:
            yield from self._offered
            return
        from saltern.loader import functions, usable

        for space, module in usable("modules"):
            yield from (f"{space}.{name}" for name in functions(module))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _made(self, name: str) -> Function:
        if name.startswith("log."):
            return _log_function(name)
        if self._offered is not None:
            if name not in self._offered:
                from saltern.errors import nearest

                raise UsageError(f"there is no function {name!r} here.{nearest(name, self._offered)}")
            function = self._offered[name]
        else:
            function = self._execution(name)
        if not self._may_act:
            return function
        told = self._ctx.test and self._offered is None

        def permitted(*args: Any, **kwargs: Any) -> Any:
            with permit_acting(), open_for_programs():
                if told:
                    note_act(self._ctx, name)
                return function(*args, **kwargs)

        return permitted

    def _execution(self, name: str) -> Function:
        from saltern.loader import find

        found = find(name)
        if self._ctx.call is not None:
            call = self._ctx.call
            return lambda *args, **kwargs: call(name, *args, **kwargs)
        import inspect

        first = next(iter(inspect.signature(found).parameters), "")
        return (lambda *args, **kwargs: found(self._ctx, *args, **kwargs)) if first == "ctx" else found


def note_act(ctx: Context, name: str) -> None:
    """Note, for the result of the run CTX in test mode, that a template calls NAME, where that acts."""
    from saltern.loader import find
    from saltern.marks import kind_of

    if kind_of(find(name)) != "acting" or not isinstance(ctx.extra, MutableMapping):
        return
    place = ""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and not place:
        template = frame.f_globals.get("__jinja_template__")
        if template is not None:
            place = f"{template.name}:{template.get_corresponding_lineno(frame.f_lineno)}: "
        frame = frame.f_back
    noted: list[str] = ctx.extra.setdefault(ACTS, [])
    text = f"{place}the template called {name} while it was rendered: that ran, although this is a test"
    if text not in noted:
        noted.append(text)


class _Namespace:
    """`salt.grains`, on the way to `salt.grains.get`."""

    def __init__(self, functions: Functions, name: str) -> None:
        self._functions, self._name = functions, name

    def __getattr__(self, name: str) -> Function:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._functions[f"{self._name}.{name}"]

    def __getitem__(self, name: str) -> Function:
        return self._functions[f"{self._name}.{name}"]


class Log:
    """`log.info("…")` in a template: a line in Saltern's own log."""

    def __getattr__(self, level: str) -> Function:
        return _log_function(f"log.{level}")


_LEVELS = {"debug": 10, "trace": 10, "info": 20, "warning": 30, "warn": 30, "error": 40, "critical": 50}


def _log_function(name: str) -> Function:
    level = _LEVELS.get(name.partition(".")[2])
    if level is None:
        from saltern.errors import nearest

        raise UsageError(f"there is no log level {name!r}.{nearest(name, [f'log.{known}' for known in _LEVELS])}")

    def write(message: Any, *args: Any) -> str:
        import logging  # a template seldom logs, and starting without it is quicker

        logging.getLogger("saltern.template").log(level, str(message), *args)
        return ""

    return write
