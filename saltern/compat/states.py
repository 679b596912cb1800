"""States that were written for Salt: they look, act and word the result themselves.

In test mode such a state is called with `__opts__["test"]` true, as in Salt, and trusted to change nothing, unless its
text shows that it does not look there. In an apply it is one imperative step. What it says is shown as what it claims,
for Saltern has no means to verify it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from saltern.compat.calling import called
from saltern.context import Context
from saltern.converge.compare import plain
from saltern.converge.plan import Call, Outcome, Plan, Step
from saltern.converge.result import Verdict
from saltern.converge.state import foretold_by, reaction, state
from saltern.custom.errors import CustomFailed
from saltern.marks import permit_acting

if TYPE_CHECKING:
    from saltern.compat.surroundings import Bridge
    from saltern.custom.source import Origin

State = Callable[..., Any]

_BLIND = "does not look at test mode, so what it would do is not known"


class Claim(NamedTuple):
    """What a Salt-style state returned. RESULT: True, False, or None for "would change"."""

    result: bool | None
    changes: dict[str, Any]
    comment: str


class _Bridged(NamedTuple):
    """A state function (`FUNCTION` of the file ORIGIN) with the NAME that an SLS gives it ("web.site")."""

    name: str
    function: State
    bridge: Bridge
    origin: Origin

    def ask(self, ctx: Context, name: str, args: Mapping[str, Any], *, test: bool) -> Claim:
        """Call it. CustomFailed where it raises or does not return a result."""
        self.bridge.enter(ctx, test=test)
        returned = called(self.bridge, self.origin, self.function, name, **args)
        return claimed(returned, f"{self.origin.path}: {self.name}")

    def apply(self, ctx: Context, name: str, args: Mapping[str, Any]) -> Outcome:
        """Call it to act."""
        claim = self.ask(ctx, name, args, test=False)
        self.bridge.changed[self.name, name] = bool(claim.changes)
        return Outcome(claim.result is not False, self.told(claim), claim.changes)

    def told(self, claim: Claim) -> str:
        """The comment, which says whose word it is."""
        return f"{claim.comment}\n(as {self.origin.path} says; not verified)".strip()

    def step(self, ctx: Context, name: str, args: Mapping[str, Any], verb: str = "run") -> Step:
        """The one step of an apply."""
        return Step(f"{verb} {self.name} of {self.origin.path}", None, None, do=Call(_Do(self), (ctx, name, args)))


class _Do:
    """What a step's `do` calls: it prints as the state."""

    def __init__(self, bridged: _Bridged) -> None:
        self._bridged = bridged
        self.__module__, _, self.__name__ = f"states.{bridged.name}".rpartition(".")

    def __call__(self, ctx: Context, name: str, args: Mapping[str, Any]) -> Outcome:
        return self._bridged.apply(ctx, name, args)


def as_state(full: str, function: State, watch: State | None, bridge: Bridge, origin: Origin, *, tests: bool) -> State:
    """FUNCTION, which an SLS calls FULL ("web.site"), as a state of Saltern; WATCH is the file's `mod_watch`. TESTS: it
    looks at test mode; one that does not is never called in it."""
    space, _, name = full.partition(".")
    own = _Bridged(full, function, bridge, origin)

    def plan(ctx: Context, name: str, **args: Any) -> Plan:
        return Plan(None, None, (own.step(ctx, name, args),), imperative=True)

    def foretell(ctx: Context, name: str, args: Mapping[str, Any]) -> Verdict:
        if not tests:
            return Verdict(None, f"Would be run: {full} of {origin.path} {_BLIND}", changed=True)
        with permit_acting():  # it asks through `__salt__` what it has to know; what it may do is its own promise
            claim = own.ask(ctx, name, args, test=True)
        changed = claim.result is None or bool(claim.changes)
        return Verdict(claim.result, own.told(claim), claim.changes, changed=changed)

    plan.__signature__ = signature_of(function)  # type: ignore[attr-defined]
    plan.__doc__ = function.__doc__
    plan.__module__, plan.__name__ = f"states.{space}", name
    state(plan)
    foretold_by(plan, foretell)
    if watch is not None:
        _add_reaction(plan, own, watch, name)
    return plan


def _add_reaction(plan: State, own: _Bridged, watch: State, fun: str) -> None:
    """Have `mod_watch` called when a watched state changed and this one did not change anything itself, as in Salt."""
    watching = _Bridged(f"{own.name.partition('.')[0]}.mod_watch", watch, own.bridge, own.origin)
    inner = _Watching(watching, own)

    def react(ctx: Context, name: str, **args: Any) -> Iterator[Step]:
        given = {**args, "sfun": fun}
        yield Step(f"run {watching.name} of {own.origin.path}", None, None, do=Call(inner, (ctx, name, given)))

    reaction(plan)(react)


class _Watching(_Do):
    def __init__(self, watching: _Bridged, own: _Bridged) -> None:
        super().__init__(watching)
        self._own = own

    def __call__(self, ctx: Context, name: str, args: Mapping[str, Any]) -> Outcome:
        if self._own.bridge.changed.get((self._own.name, name)):
            return Outcome(True, f"{self._own.name} changed something itself, so mod_watch has nothing to do")
        return super().__call__(ctx, name, args)


def signature_of(function: State) -> inspect.Signature:
    """The parameters of FUNCTION as those of a state: `ctx` and the name first, all others by keyword."""
    given = list(inspect.signature(function).parameters.values())
    own, rest = given[:1], given[1:]
    first = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    name = inspect.Parameter("name", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if own and own[0].kind is inspect.Parameter.VAR_KEYWORD:
        rest = own
    by_name = [
        one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=inspect.Parameter.empty)
        for one in rest
        if one.kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    ]
    further = [one for one in rest if one.kind is inspect.Parameter.VAR_KEYWORD]
    return inspect.Signature([first, name, *by_name, *further])


def claimed(returned: Any, where: str) -> Claim:
    """RETURNED, which must be a result as Salt's states return it. CustomFailed says what is wrong with it."""
    if not isinstance(returned, Mapping):
        raise CustomFailed(f"{where} returned {type(returned).__name__} and no result of a state, which is a mapping")
    missing = [key for key in ("name", "changes", "result", "comment") if key not in returned]
    if missing:
        raise CustomFailed(f"{where} returned a result without {', '.join(missing)}")
    result, changes, comment = returned["result"], returned["changes"], returned["comment"]
    if not isinstance(result, bool | None):
        raise CustomFailed(f"{where} returned the result {result!r}, which is none of True, False and None")
    if not isinstance(changes, Mapping):
        raise CustomFailed(f"{where} returned changes that are no mapping: {changes!r}")
    text = "\n".join(str(line) for line in comment) if isinstance(comment, list | tuple) else str(comment)
    return Claim(result, plain(changes), text)
