"""The conditions that a user puts on a state: `unless`, `onlyif`, `creates` before it, `check_cmd` and `retry` after.

A text is a command, run by `cmd.retcode`; a mapping names an execution function: `{fun: file.file_exists, args: [/x]}`,
its other keys being keyword arguments; `get_return` picks a nested value of what it returns.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from saltern.context import Context
from saltern.errors import PermanentError, UsageError, nearest
from saltern.marks import permit_acting
from saltern.sls.low import Low
from saltern.traverse import traverse

_COMMAND_OPTIONS = ("runas", "cwd", "env", "shell")  # of the state, for the commands of its conditions


class CheckError(PermanentError):
    """A condition is not well formed."""


class Retry(NamedTuple):
    """Run again until the result is UNTIL, ATTEMPTS times at most, INTERVAL seconds and up to SPLAY more apart."""

    attempts: int = 1
    until: bool = True
    interval: float = 0.0
    splay: float = 0.0


def reason_to_skip(low: Low, ctx: Context) -> str | None:
    """Why there is nothing to do for LOW, in Salt's words, or None. CheckError for a malformed condition."""
    options = low.options
    if "onlyif" in options and not all(_holds(item, low, ctx) for item in _listed(options["onlyif"])):
        return "onlyif condition is false"
    if "unless" in options:
        items = _listed(options["unless"])
        if items and all(_holds(item, low, ctx) for item in items):
            return "unless condition is true"
    if "creates" in options:
        paths = _listed(options["creates"])
        if paths and all(isinstance(path, str) and os.path.lexists(path) for path in paths):
            return f"{paths[0]} exists" if len(paths) == 1 else "All files in creates exist"
    return None


def failed_check(low: Low, ctx: Context) -> str | None:
    """What `check_cmd` has against the state's success, or None. A state that takes it as an argument (`file.managed`)
    has asked it already."""
    if "check_cmd" in low.args:
        return None
    for item in _listed(low.options.get("check_cmd")):
        if not _holds(item, low, ctx):
            return f"check_cmd determined the state failed: {item if isinstance(item, str) else item['fun']}"
    return None


def retry_of(low: Low) -> Retry:
    """The `retry` option; `True` is two attempts, 30 s apart. CheckError where it is malformed."""
    given = low.options.get("retry")
    if given is None or given is False:
        return Retry()
    values: dict[str, Any] = {"attempts": 2, "until": True, "interval": 30, "splay": 0}
    for part in _listed(given) if given is not True else []:
        if not isinstance(part, Mapping):
            raise CheckError(f"retry: wants attempts, until, interval, splay, not {part!r}")
        for name, value in part.items():
            if name not in values:
                raise CheckError(f"retry: there is no option {name!r}.{nearest(str(name), values)}")
            if type(value) is not bool if name == "until" else not _is_number(value):
                raise CheckError(f"retry: {name}: {value!r} is not {'a boolean' if name == 'until' else 'a number'}")
            values[name] = value
    return Retry(max(1, int(values["attempts"])), values["until"], values["interval"], values["splay"])


def objections(low: Low) -> Iterator[tuple[str, str]]:
    """What is wrong with the conditions and the `retry` of LOW, as (option, message), told before anything runs."""
    try:
        retry_of(low)
    except CheckError as error:
        yield "retry", str(error)
    for option in ("unless", "onlyif", "check_cmd"):
        for item in _listed(low.options.get(option)):
            try:
                _check_condition(item)
            except (CheckError, UsageError) as error:
                yield option, f"{option}: {error}"
            except PermanentError:  # it needs something that an earlier state may install
                continue
    for path in _listed(low.options.get("creates")):
        if not isinstance(path, str):
            yield "creates", f"creates wants the paths of files, not {path!r}"


def _check_condition(item: Any) -> None:
    if isinstance(item, bool | str):
        return
    if not isinstance(item, Mapping) or not isinstance(item.get("fun"), str):
        raise CheckError(f"a condition is a command, or a mapping with `fun`, not {item!r}")
    from saltern.loader import find
    from saltern.runner import check_arguments

    args, kwargs = _call_of(item)
    check_arguments(item["fun"], find(item["fun"]), args, kwargs)


def _call_of(item: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a condition that names a function."""
    own = ("fun", "args", "get_return")
    return _listed(item.get("args")), {key: value for key, value in item.items() if key not in own}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def _holds(item: Any, low: Low, ctx: Context) -> bool:
    """Whether a condition says yes. It is the user's own command, so it may act, whatever it does."""
    if isinstance(item, bool):
        return item
    if ctx.call is None:
        raise CheckError("conditions can't be asked here: there are no execution functions")
    if isinstance(item, str):
        with permit_acting():
            return bool(ctx.call("cmd.retcode", item, **_command_options(low)) == 0)
    if isinstance(item, Mapping) and isinstance(item.get("fun"), str):
        return _function_holds(item, ctx.call)
    raise CheckError(f"a condition is a command, or a mapping with `fun`, not {item!r}")


def _function_holds(item: Mapping[str, Any], call: Any) -> bool:
    args, kwargs = _call_of(item)
    with permit_acting():
        answer = call(item["fun"], *args, **kwargs)
    if "get_return" in item:
        answer = traverse(answer, str(item["get_return"]), None)
    return bool(answer)


def _command_options(low: Low) -> dict[str, Any]:
    found = {}
    for name in _COMMAND_OPTIONS:
        value = low.args.get(name, low.options.get(name))
        if value and (name == "env" or isinstance(value, str)):
            found[name] = value
    return found
