"""Runs one execution function for a user: finds it, checks the arguments before the call, and words what went wrong."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from saltern.context import Context
from saltern.errors import SalternError, UsageError, nearest
from saltern.loader import find
from saltern.marks import permit_acting

_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class FunctionResult(NamedTuple):
    """VALUE is what the function returned, or the one line that says why it failed. RETCODE is 0 where all is well.
    MISUSED: nothing ran, since the function or its arguments were wrong."""

    value: Any
    success: bool = True
    retcode: int = 0
    misused: bool = False


class Returned:
    """What a function may return instead of a bare VALUE, to say that something in it failed (RETCODE not 0)."""

    __slots__ = ("retcode", "value")  # no dataclass: making one costs each command a millisecond

    def __init__(self, value: Any, retcode: int) -> None:
        self.value, self.retcode = value, retcode


class _Shape(NamedTuple):
    """The parameters of a function, without `ctx`."""

    wants_ctx: bool
    by_place: tuple[str, ...]
    by_name: frozenset[str]
    required: tuple[str, ...]
    any_args: bool
    any_kwargs: bool


def run_function(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], ctx: Context) -> FunctionResult:
    """Run the execution function NAME, which may act. Every failure is told in the result; nothing is raised but what
    ends a process."""
    custom = ctx.extra.get("custom")  # what the state tree brings
    with nullcontext() if custom is None else custom.offered(with_calls(ctx)):
        return _run(name, args, kwargs, ctx)


def _run(name: str, args: Sequence[Any], kwargs: Mapping[str, Any], ctx: Context) -> FunctionResult:
    try:
        function = find(name)
        shape = check_arguments(name, function, args, kwargs)
        bound = with_calls(ctx)
    except SalternError as error:
        return FunctionResult(str(error), success=False, retcode=error.exit_code, misused=isinstance(error, UsageError))
    try:
        with permit_acting():
            value = function(bound, *args, **kwargs) if shape.wants_ctx else function(*args, **kwargs)
    except SalternError as error:
        return FunctionResult(f"{name}: {error}", success=False, retcode=1)
    except OSError as error:
        return FunctionResult(f"{name}: {_os_words(error)}", success=False, retcode=1)
    except Exception as error:
        if isinstance(error, TypeError | AttributeError | ValueError):
            from saltern.misfit import misfit

            if why := misfit(function, args, kwargs):
                return FunctionResult(f"{name}: {why}: {signature(name, function)}", success=False, retcode=1)
        _log(name)
        return FunctionResult(f"bug in {name}: {_bug(error)}", success=False, retcode=1)
    if isinstance(value, Returned):
        return FunctionResult(value.value, success=value.retcode == 0, retcode=value.retcode)
    return FunctionResult(value)


def check_arguments(name: str, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> _Shape:
    """UsageError where ARGS and KWARGS are not what the FUNCTION called NAME takes."""
    shape = _shape(function)
    if len(args) > len(shape.by_place) and not shape.any_args:
        raise UsageError(f"{name} takes {_count(len(shape.by_place))}, not {len(args)}: {signature(name, function)}")
    given = set(shape.by_place[: len(args)])
    for key in kwargs:
        if key in given and key in shape.by_name:
            raise UsageError(f"{name}: {key} is given twice: {signature(name, function)}")
        if key not in shape.by_name and not shape.any_kwargs:
            raise UsageError(
                f"{name} has no argument {key!r}.{nearest(key, shape.by_name)} It is called as "
                f"{signature(name, function)}"
            )
    missing = [key for key in shape.required if key not in given and key not in kwargs]
    if missing:
        raise UsageError(f"{name} wants {', '.join(missing)}: {signature(name, function)}")
    return shape


def signature(name: str, function: Callable[..., Any]) -> str:
    """How FUNCTION is called, as its users write it: `cmd.run CMD [cwd=None] …`."""
    words = [name]
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name == "ctx":
            continue
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            words.append(f"[{parameter.name.upper()}...]")
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            words.append("[NAME=VALUE...]")
        elif parameter.default is inspect.Parameter.empty:
            by_name = parameter.kind is inspect.Parameter.KEYWORD_ONLY
            words.append(f"{parameter.name}=..." if by_name else parameter.name.upper())
        else:
            words.append(f"[{parameter.name}={parameter.default!r}]")
    return " ".join(words)


def with_calls(ctx: Context) -> Context:
    """CTX whose `call` runs other execution functions with the same surroundings, and no more permit than its caller
    has."""
    caller = Caller()
    bound = replace(ctx, call=caller)
    caller.ctx = bound
    return bound


class Caller:
    """`ctx.call`: an execution function by its name. UsageError for a wrong name or argument; else what the function
    itself raises."""

    ctx: Context

    def __call__(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        function = find(name)
        shape = check_arguments(name, function, args, kwargs)
        value = function(self.ctx, *args, **kwargs) if shape.wants_ctx else function(*args, **kwargs)
        return value.value if isinstance(value, Returned) else value


def _shape(function: Callable[..., Any]) -> _Shape:
    found = _shapes.get(function)
    if found is None:
        found = _shapes[function] = _shape_of(function)
    return found


# Functions of a state tree are made anew for each job, so they must not be kept.
_shapes: WeakKeyDictionary[Callable[..., Any], _Shape] = WeakKeyDictionary()


def _shape_of(function: Callable[..., Any]) -> _Shape:
    parameters = list(inspect.signature(function).parameters.values())
    wants_ctx = bool(parameters) and parameters[0].name == "ctx"
    if wants_ctx:
        del parameters[0]
    free = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return _Shape(
        wants_ctx,
        tuple(p.name for p in parameters if p.kind in _BY_PLACE),
        frozenset(p.name for p in parameters if p.kind in _BY_NAME),
        tuple(p.name for p in parameters if p.default is inspect.Parameter.empty and p.kind not in free),
        any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in parameters),
        any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters),
    )


def _count(number: int) -> str:
    return "no argument" if number == 0 else f"at most {number} argument{'' if number == 1 else 's'}"


def _os_words(error: OSError) -> str:
    words = error.strerror or str(error)
    return f"{error.filename}: {words}" if error.filename is not None else words


def _bug(error: Exception) -> str:
    """ERROR, with its place where that is in the code of a tree."""
    from saltern.custom.errors import place_of

    place = place_of(error)
    return f"{place}: {type(error).__name__}: {error}" if place else f"{type(error).__name__}: {error}"


def _log(name: str) -> None:
    """Keep the traceback of the error that is handled now, for whoever reads the log at level debug."""
    import logging

    logging.getLogger(__name__).debug("%s", name, exc_info=True)
