"""Execution functions as states. They say what to do, not how things should be, so they run each time; `unless`,
`onlyif` and `onchanges` say when there is nothing to do.

    refresh:                          refresh:
      module.run:                       module.run:
        - pkg.refresh_db: []              - name: pkg.refresh_db
        - test.echo: [hello]
        - grains.setval: {key: a, val: 1}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modules import _through
from saltern.context import Context
from saltern.converge.plan import Plan, Step, call
from saltern.converge.state import check, reaction, state
from saltern.errors import PermanentError, UsageError
from saltern.loader import find
from saltern.marks import kind_of
from saltern.runner import check_arguments

_OWN = frozenset({"args", "kwargs"})


class WrongCall(UsageError):
    """A function or its arguments are not what `module.run` can call; ARGUMENT of the state says so."""

    def __init__(self, message: str, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument


@state
def run(ctx: Context, name: str, **calls: Any) -> Plan:
    """Run functions: each argument with a dot in its name is one, with its arguments as a list or a mapping (or a list
    of one-key mappings), in their order. Without any, NAME is the function, and the other arguments are its own (or
    `args`, a list, and `kwargs`, a mapping)."""
    return Plan(None, None, _steps(ctx, name, calls), imperative=True)


@check(of=run)
def run_check(name: str, **calls: Any) -> None:
    """Every function is there, and takes what it is given."""
    for function, args, kwargs in wanted(name, calls):
        try:
            found = find(function)
            check_arguments(function, found, args, kwargs)
        except UsageError as error:
            raise WrongCall(str(error), function if function in calls else None) from None
        except PermanentError:  # it needs something that an earlier state may install
            continue


@state
def wait(ctx: Context, name: str, **calls: Any) -> Plan:
    """Run them as `module.run`, but only when a state that this one watches changed."""
    list(_steps(ctx, name, calls))
    return Plan(None, None, comment="It runs when something that it watches changes")


check(of=wait)(run_check)


@reaction(wait)
def run_now(ctx: Context, name: str, **calls: Any) -> Iterator[Step]:
    """Run them."""
    return _steps(ctx, name, calls)


@reaction(run)
def run_again(ctx: Context, name: str, **calls: Any) -> Iterator[Step]:
    """Nothing beyond its plan: the functions run anyway."""
    return iter(())


def _steps(ctx: Context, name: str, calls: Mapping[str, Any]) -> Iterator[Step]:
    for function, args, kwargs in wanted(name, calls):
        found = find(function)
        check_arguments(function, found, args, kwargs)
        words = [*(repr(arg) for arg in args), *(f"{key}={value!r}" for key, value in kwargs.items())]
        acts = kind_of(found) == "acting"
        yield Step(
            f"run {function}({', '.join(words)})",
            None,
            None,
            do=call(_through.run, ctx, function, args, tuple(kwargs.items()), acts),
        )


def wanted(name: str, calls: Mapping[str, Any]) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    """The functions with their arguments by place and by name. WrongCall."""
    functions = [key for key in calls if "." in key]
    if not functions:
        by_place, by_name = calls.get("args", ()), calls.get("kwargs", {})
        if not isinstance(by_place, list | tuple) or not isinstance(by_name, Mapping):
            raise WrongCall("module.run: args wants a list, and kwargs a mapping")
        own = {key: value for key, value in calls.items() if key not in _OWN}
        return [(name, tuple(by_place), {**own, **by_name})]
    for key in calls:
        if key not in functions:
            raise WrongCall(f"module.run: {key!r} stands beside functions; write it among the arguments of one")
    return [(function, *_arguments(function, calls[function])) for function in functions]


def _arguments(function: str, given: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if given is None:
        return (), {}
    if isinstance(given, Mapping):
        return (), dict(given)
    if not isinstance(given, Sequence) or isinstance(given, str):
        return (given,), {}
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for item in given:
        if isinstance(item, Mapping) and len(item) == 1:
            kwargs.update(item)
        elif kwargs:
            raise WrongCall(f"module.run: {function}: {item!r} comes after an argument with a name")
        else:
            args.append(item)
    return tuple(args), kwargs
