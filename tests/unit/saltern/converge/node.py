"""A node made of a dictionary, and the states `probe.*` that converge it: what the engine's tests run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from saltern.config import Config
from saltern.context import Context
from saltern.converge.engine import run
from saltern.converge.plan import UNSET, Outcome, Plan, Step, Unset, call
from saltern.converge.result import RunResult, Verdict
from saltern.converge.state import reaction, state
from saltern.files import LocalFiles
from saltern.marks import acting
from saltern.sls.low import Low, Place, Requisite


@dataclass(frozen=True)
class Thing:
    """What there is of a name."""

    colour: str | Unset = UNSET
    size: int | Unset = UNSET


@dataclass
class Clock:
    """Time that only passes when someone sleeps. WAKE is called at each sleep with the time."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    wake: Callable[[float], None] = lambda now: None

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        self.wake(self.now)


class Node:
    """THINGS are what is there; BROKEN names of things that can't be changed, DEAF ones that ignore it; ACTS and
    OBSERVED say what was called."""

    def __init__(self, root: Path) -> None:
        self.things: dict[str, Thing] = {}
        self.broken: dict[str, BaseException] = {}
        self.deaf: set[str] = set()
        self.acts: list[str] = []
        self.observed: list[str] = []
        self.clock = Clock()
        self.ctx = Context(id="n1", config=Config(root=root), grains={}, pillar={}, files=LocalFiles({}))

    def run(self, *lows: Low, test: bool = False, ctx: Context | None = None) -> RunResult:
        """Run the states, which are ordered already."""
        return run(lows, ctx or self.ctx, test=test, clock=self.clock)

    def verdicts(self, *lows: Low, test: bool = False) -> dict[str, Verdict]:
        """The verdicts of a run, by id."""
        return {result.low.id: result.verdict for result in self.run(*lows, test=test).results}

    def one(self, low: Low, *, test: bool = False) -> Verdict:
        """The verdict on one state."""
        return self.verdicts(low, test=test)[low.id]


def low(fun: str, id: str, *requisites: Requisite, options: dict[str, Any] | None = None, **args: Any) -> Low:
    """The call `probe.FUN` for ID."""
    return Low(
        module="probe",
        fun=fun,
        id=id,
        name=id,
        sls="web",
        saltenv="base",
        place=Place("web.sls", 3),
        args=args,
        requisites=requisites,
        options=options or {},
    )


def need(kind: str, ref: str, module: str = "probe") -> Requisite:
    """A requisite."""
    return Requisite(kind, module, ref, Place("web.sls", 7))


def install(monkeypatch: pytest.MonkeyPatch, node: Node) -> None:
    """Offer the states `probe.*` of NODE."""
    module = ModuleType("states.probe")
    for offered in _states(node):
        offered.__module__ = module.__name__
        setattr(module, offered.__name__, offered)
    monkeypatch.setitem(sys.modules, "states.probe", module)


def _states(node: Node) -> Iterator[Callable[..., Any]]:
    @acting
    def put(name: str, thing: Thing | None) -> None:
        node.acts.append(f"put {name}")
        if name in node.broken:
            raise node.broken[name]
        if name in node.deaf:
            return
        if thing is None:
            node.things.pop(name)
        else:
            node.things[name] = thing

    @acting
    def restart(name: str) -> None:
        node.acts.append(f"restart {name}")
        if f"restart {name}" in node.broken:
            raise node.broken[f"restart {name}"]

    @acting
    def outcome(name: str, ok: bool, changes: dict[str, Any]) -> Outcome:
        node.acts.append(f"run {name}")
        return Outcome(ok, f"ran {name}", changes)

    def steps(name: str, current: Thing | None, wish: Thing) -> Iterator[Step]:
        have = current or Thing()
        for key in ("colour", "size"):
            wanted = getattr(wish, key)
            if wanted is not UNSET and wanted != getattr(have, key):
                have = replace(have, **{key: wanted})
                yield Step(f"set {key} of {name}", None, wanted, do=call(put, name, have))

    @state
    def present(
        ctx: Context, name: str, *, colour: Any = UNSET, size: int | Unset = UNSET, settle_s: float = 0.0
    ) -> Plan:
        node.observed.append(name)
        wish, current = Thing(colour, size), node.things.get(name)
        return Plan(current, wish, steps(name, current, wish), settle_s=settle_s)

    @state
    def watchful(ctx: Context, name: str, *, colour: Any = UNSET) -> Plan:
        wish, current = Thing(colour), node.things.get(name, Thing())
        return Plan(current, wish, steps(name, current, wish))

    @reaction(watchful)
    def react(ctx: Context, name: str, *, colour: Any = UNSET) -> Iterator[Step]:
        yield Step(f"restart {name}", None, None, do=call(restart, name))

    @state
    def absent(ctx: Context, name: str) -> Plan:
        current = node.things.get(name)
        found = [Step(f"remove {name}", name, None, do=call(put, name, None))] if current else []
        return Plan(current, None, found)

    @state
    def fails(ctx: Context, name: str, *, error: BaseException | None = None, secret: Any = None) -> Plan:
        raise error or ValueError(f"there is no {name}")

    @state
    def silent(ctx: Context, name: str) -> Plan:
        return Plan(Thing("red"), Thing("blue"), [])

    @state
    def busy(ctx: Context, name: str) -> Plan:
        return Plan(Thing("red"), Thing("red"), [Step("paint it red", None, None, do=call(put, name, Thing("red")))])

    @state
    def command(ctx: Context, name: str, *, ok: bool = True, changes: dict[str, Any] | None = None) -> Plan:
        said = {"stdout": "hi"} if changes is None else changes
        return Plan(None, None, [Step(f"run {name}", None, None, do=call(outcome, name, ok, said))], imperative=True)

    @state
    def later(ctx: Context, name: str) -> Plan:
        if "package" not in node.things:
            return Plan(None, None, unknown=f"there is no unit {name}")
        return Plan(Thing(), Thing())

    @state
    def acts_while_planning(ctx: Context, name: str) -> Plan:
        put(name, Thing("red"))
        return Plan(None, None)

    yield from (present, watchful, absent, fails, silent, busy, command, later, acts_while_planning)
