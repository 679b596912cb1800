"""States that say `aggregate: True`: what several of one kind have to do is done in one step, by the first of them.

Each keeps its own plan and its own result: in its turn it is observed and compared with its own wish. Where the joint
step fails, each runs alone, so that one wrong name is the failure of one state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from saltern.config import Config
from saltern.converge import work
from saltern.converge.plan import Plan, Step
from saltern.converge.state import Joining, aggregate_of
from saltern.converge.transaction import is_network
from saltern.errors import SalternError
from saltern.sls.low import Low

_OWN_TURN = frozenset({"unless", "onlyif", "creates", "order", "parallel", "umask"})  # these hold at a moment


class Joined(NamedTuple):
    """What is known of a state before its turn: its PLAN, and a NOTE for its result."""

    plan: Plan
    note: str


class Joiner:
    """The joint steps of one run over LOWS. UNIT_OF gives the work of a position; FREE says whether a state could run
    now, so that it loses nothing by being joined."""

    def __init__(
        self,
        lows: Sequence[Low],
        config: Config,
        unit_of: Callable[[int, Low], work.Work],
        free: Callable[[int], bool],
        *,
        test: bool,
    ) -> None:
        self._lows, self._config, self._unit_of, self._free, self._test = lows, config, unit_of, free, test
        self._known: dict[int, Joined] = {}
        self._asked: set[int] = set()  # those that a joint step has looked at: they lead none themselves
        self._kin: dict[tuple[str, str, str], list[int]] | None = None

    def of(self, position: int, unit: work.Work) -> Joined | None:
        """What the state at POSITION, whose turn it is, did together with others or does now; None: it runs alone."""
        known = self._known.pop(position, None)
        if known is not None:
            return known
        join = aggregate_of(unit.function)
        if join is None or position in self._asked or not wants(unit.low, self._config):
            return None
        self._lead(position, unit, join)
        return self._known.pop(position, None)

    def left(self) -> list[int]:
        """The states that were joined and have had no turn."""
        return sorted(self._known)

    def _lead(self, position: int, unit: work.Work, join: Joining) -> None:
        own = _plan(unit)
        if own is None:
            return
        group = {position: (unit, own)}
        for other in self._others(position, unit.low):
            self._asked.add(other)
            try:
                its = self._unit_of(other, self._lows[other])
            except SalternError:
                continue
            plan = _plan(its)
            if plan is not None:
                group[other] = (its, plan)
        if len(group) == 1:
            return
        steps = tuple(join([step for _, plan in group.values() for step in plan.steps]))
        self._run(group, steps, unit)

    def _run(self, group: Mapping[int, tuple[work.Work, Plan]], steps: Sequence[Step], leader: work.Work) -> None:
        ids = ", ".join(self._lows[position].id for position in group)
        failure = None if self._test else work.joint(steps, leader, [(unit, plan) for unit, plan in group.values()])
        for position, (_, plan) in group.items():
            if failure is None:
                self._known[position] = Joined(plan, f"In one step for {ids}.")
            else:
                self._asked.add(position)
        if failure is not None:
            import logging

            logging.getLogger(__name__).warning("the joint step for %s failed, so each runs alone: %s", ids, failure)

    def _others(self, position: int, low: Low) -> list[int]:
        """The later states of LOW's kind that could run now."""
        if self._kin is None:
            self._kin = {}
            for number, one in enumerate(self._lows):
                self._kin.setdefault((one.module, one.fun, one.saltenv), []).append(number)
        return [
            other
            for other in self._kin[low.module, low.fun, low.saltenv]
            if other > position
            and other not in self._asked
            and self._lows[other].options.get("aggregate", True) is not False
            and _OWN_TURN.isdisjoint(self._lows[other].options)
            and self._free(other)
        ]


def wants(low: Low, config: Config) -> bool:
    """Whether LOW takes others of its kind along: its own `aggregate`, else the option `state_aggregate` (True, or a
    list of namespaces)."""
    own = low.options.get("aggregate")
    if own is not None:
        return own is True
    everywhere = config.state_aggregate
    return low.module in everywhere if isinstance(everywhere, list) else bool(everywhere)


def _plan(unit: work.Work) -> Plan | None:
    """The plan of UNIT where it has steps that can be done with others; its own turn tells of what is wrong with it."""
    try:
        plan = unit.plan()
    except Exception:
        return None
    alone = plan.imperative or plan.unknown is not None or not plan.steps or any(map(is_network, plan.steps))
    return None if alone or work.inconsistency(plan, unit.low) else plan
