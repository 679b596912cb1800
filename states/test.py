"""States that do nothing to the node and end as they are told, to try out requisites, output and templates."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from modules import _test
from saltern.context import Context
from saltern.converge.plan import Plan, Step, call
from saltern.converge.state import reaction, state
from saltern.errors import PermanentError, UsageError
from saltern.traverse import traverse

PRETENDED = {"testing": {"old": "Unchanged", "new": "Something pretended to change"}}


class AskedToFail(PermanentError):
    """The failure that a test state was asked for."""


@state
def nop(ctx: Context, name: str) -> Plan:
    """Nothing is wanted; it is in order. A place to hang requisites on."""
    return Plan(None, None, comment="Success!")


@state
def succeed_without_changes(ctx: Context, name: str, *, comment: str = "Success!") -> Plan:
    """In order, nothing changed."""
    return Plan(None, None, comment=comment)


@state
def succeed_with_changes(ctx: Context, name: str, *, comment: str = "Success!") -> Plan:
    """Changed, and well."""
    return _pretended(True, comment, PRETENDED)


@state
def fail_without_changes(ctx: Context, name: str, *, comment: str = "Failure!") -> Plan:
    """Failed, nothing changed."""
    raise AskedToFail(comment)


@state
def fail_with_changes(ctx: Context, name: str, *, comment: str = "Failure!") -> Plan:
    """Failed after something changed."""
    return _pretended(False, comment, PRETENDED)


@state
def configurable_test_state(
    ctx: Context, name: str, *, changes: bool | str = True, result: bool | str = True, comment: str = ""
) -> Plan:
    """Ends with RESULT (True, False or `Random`), with CHANGES or without (True, False or `Random`)."""
    ok, changed = _chosen("result", result), _chosen("changes", changes)
    if changed:
        return _pretended(ok, comment or ("Success!" if ok else "Failure!"), PRETENDED)
    if not ok:
        raise AskedToFail(comment or "Failure!")
    return Plan(None, None, comment=comment or "Success!")


@state
def show_notification(ctx: Context, name: str, *, text: str) -> Plan:
    """In order; the comment is TEXT."""
    return Plan(None, None, comment=text)


@state
def check_pillar(
    ctx: Context,
    name: str,
    *,
    present: str | Sequence[str] = (),
    boolean: str | Sequence[str] = (),
    integer: str | Sequence[str] = (),
    string: str | Sequence[str] = (),
    listing: str | Sequence[str] = (),
    dictionary: str | Sequence[str] = (),
    verbose: bool = False,
) -> Plan:
    """The pillar has the keys PRESENT ("a:b"), and those of the other arguments with a value of that kind."""
    kinds: dict[str, tuple[str | Sequence[str], type | tuple[type, ...]]] = {
        "there": (present, object),
        "true or false": (boolean, bool),
        "a whole number": (integer, int),
        "a text": (string, str),
        "a list": (listing, list),
        "a mapping": (dictionary, dict),
    }
    wrong = [
        f"{key} is not {words}"
        for words, (keys, kind) in kinds.items()
        for key in ([keys] if isinstance(keys, str) else keys)
        if not _is(traverse(ctx.pillar, key, _MISSING), kind)
    ]
    if wrong:
        raise AskedToFail("pillar: " + "; ".join(wrong))
    return Plan(None, None, comment="the pillar has all that is asked for")


_MISSING = object()


def _is(value: Any, kind: type | tuple[type, ...]) -> bool:
    return value is not _MISSING and isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def _pretended(ok: bool, comment: str, changes: dict[str, Any]) -> Plan:
    step = Step(
        "pretend to change something", "Unchanged", "Something pretended to change", do=_do(ok, comment, changes)
    )
    return Plan(None, None, [step], imperative=True)


def _do(ok: bool, comment: str, changes: dict[str, Any]) -> Any:
    return call(_test.pretend, ok, comment, changes)


def _chosen(argument: str, value: bool | str) -> bool:
    if isinstance(value, bool):
        return value
    if value.lower() == "random":
        import os

        return os.urandom(1)[0] % 2 == 0
    raise UsageError(f"{argument} is True, False or Random, not {value!r}")


@reaction(nop)
@reaction(succeed_without_changes)
@reaction(succeed_with_changes)
@reaction(configurable_test_state)
def react(ctx: Context, name: str, **arguments: Any) -> Iterator[Step]:
    """Say that the watch fired."""
    changes = {"watch": {"old": None, "new": "fired"}}
    yield Step("react to what it watches", None, "fired", do=_do(True, "Watch statement fired.", changes))
