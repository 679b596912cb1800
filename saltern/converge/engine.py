"""Runs a low state: each state in its order, after what it requires, with what it reacts to.

Two runs of the same low state differ only in what they find: there is no clock in a decision and no choice of order.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from saltern import loader
from saltern.context import Context
from saltern.converge import checks, options, work
from saltern.converge.around import Around, Peers
from saltern.converge.reactions import Reactions
from saltern.converge.requisites import Links
from saltern.converge.result import RunResult, StateResult, Verdict
from saltern.converge.state import is_state, may_change, reaction_of
from saltern.converge.transaction import Block, Ended, Gate, RolledBack
from saltern.errors import SalternError
from saltern.kept import scope
from saltern.marks import forbid_acting
from saltern.runner import Caller, with_calls
from saltern.sls.low import Low

if TYPE_CHECKING:
    from saltern.converge.joining import Joiner
    from saltern.converge.parallel import Lanes

_log = logging.getLogger(__name__)
_CONDITIONS = frozenset({"unless", "onlyif", "creates"})


def run(
    lows: Sequence[Low], ctx: Context, *, test: bool, clock: work.Clock = time, known: Sequence[Low] = ()
) -> RunResult:
    """Converge the node to LOWS, or with TEST say what that would do and change nothing. KNOWN: what LOWS were chosen
    from; it does not run, and what it names is heeded.

    It raises nothing for a state that fails; that is its result. Whatever the caller may do, planning only reads.
    """
    with forbid_acting(), scope() as counted:
        at_work = _Run(lows, ctx, test, clock, known)
        try:
            result = at_work.all()
        except BaseException:
            at_work.break_off()
            raise
    told = ", ".join(f"{number} {what}" for what, number in sorted(counted.counts.items()))
    _log.debug("the run called %d acting functions%s", counted.acts, f"; {told}" if told else "")
    return result


class _Run:
    """One run: what came out so far, and what is looked up once."""

    def __init__(self, lows: Sequence[Low], ctx: Context, test: bool, clock: work.Clock, known: Sequence[Low]) -> None:
        self._lows, self._ctx, self._test, self._clock = lows, ctx, test, clock
        self._links = Links(lows)
        self._results: list[StateResult | None] = [None] * len(lows)
        self._peers = Peers(lows, self._links, self._results, known)
        self._order: list[StateResult | None] = []  # None: it has its number and is still at work
        self._lanes: Lanes | None = None
        if not test and any(low.options.get("parallel") for low in lows):
            from saltern.converge import parallel

            self._lanes, self._ctx = parallel.Lanes(), parallel.shared(ctx)
        self._functions: dict[tuple[str, str], Callable[..., Any]] = {}
        self._contexts: dict[str, Context] = {}
        self._reactions = Reactions(lows, self._links, self._results, ctx, test=test)
        self._any_change = False
        self._planning: set[int] = set()  # later states that a `prereq` asks about now
        offered = ctx.extra.get("network_transaction")
        self._joiner: Joiner | None = None
        if ctx.config.state_aggregate or any("aggregate" in low.options for low in lows):
            from saltern.converge.joining import Joiner

            self._joiner = Joiner(lows, ctx.config, self._unit, self._free, test=test)
        self._block = Block(ctx, offered, lows, self._contradicted, self._settled) if offered else None

    def all(self) -> RunResult:
        """Run all states, then the reactions of those that listen."""
        total = len(self._lows)
        progress = self._ctx.progress
        stopped = False
        for position, low in enumerate(self._lows):
            progress(position + 1, total, low.id)
            if self._lanes is not None and self._collected(self._before(position, low)):
                stopped = True
                break
            if self._lanes is None or not self._beside(position, low):
                turn = partial(self._timed, low, low.fun, partial(self._one, position, low))
                if self._ended(position, turn() if self._lanes is None else self._lanes.turn(turn)):
                    stopped = True
                    break
        if self._collected():
            stopped = True
        if self._joiner is not None:
            for (
                position
            ) in self._joiner.left():  # they were carried out, so they have results, whatever stopped the run
                low = self._lows[position]
                self._ended(position, self._timed(low, low.fun, partial(self._one, position, low)))
        self._settle()
        if not stopped:
            for position in self._links.listening():
                if self._reactions.heard(position):
                    low = self._lows[position]
                    do = partial(self._reactions.listened, position, partial(self._unit, position, low))
                    self._timed(low, "mod_watch", do)
            self._settle()
        if self._lanes is not None:
            self._lanes.close()
        results = tuple(result for result in self._order if result is not None)
        return RunResult(results, tuple(warning for result in results for warning in result.verdict.warnings))

    def _ended(self, position: int, result: StateResult) -> bool:
        """Take note of RESULT; whether it ends the run."""
        low = self._lows[position]
        self._results[position] = result
        result = self._noticed(position, result)
        if result.verdict.changed:
            self._any_change = True
        if not self._test:
            self._afterwards(position, result)
        return result.verdict.result is False and bool(low.options.get("failhard", self._ctx.config.failhard))

    def _afterwards(self, position: int, result: StateResult) -> None:
        """What the options of a state want after it."""
        low, warning = result.low, None
        if "fire_event" in low.options:
            warning = options.fire(result, self._context(low.saltenv))
        if result.verdict.changed and options.wants_reload(low):
            try:
                self._ctx = options.reloaded(low, self._ctx)
            except SalternError as error:
                warning = f"{low.place}: what the next states see was not reloaded: {error}"
            self._contexts.clear()
        if warning is not None:
            verdict = result.verdict._replace(warnings=(*result.verdict.warnings, warning))
            self._results[position] = self._order[result.number] = result._replace(verdict=verdict)

    def _timed(self, low: Low, fun: str, do: Callable[[], Verdict], number: int | None = None) -> StateResult:
        """What DO says, with its time, as the result with its NUMBER (None: the next)."""
        if number is None:
            number = len(self._order)
            self._order.append(None)
        start, begin = self._clock.time(), self._clock.monotonic()
        try:
            verdict = do()
        except RolledBack:  # what it stands on was taken back meanwhile; that happens once a run
            verdict = do()
        passed = (self._clock.monotonic() - begin) * 1000
        result = self._order[number] = StateResult(low, verdict, number, start, passed, fun)
        return result

    def _one(self, position: int, low: Low) -> Verdict:
        """The verdict on the state at POSITION, whose requisites have run."""
        if self._links.binds(position):
            hindrance = self._links.hindrance(position, self._results, self._would_change)
            if hindrance is not None:
                return hindrance
        return self._worked(position, low, partial(self._unit, position, low))

    def _worked(self, position: int, low: Low, unit_of: Callable[[], work.Work]) -> Verdict:
        try:
            unit = unit_of()
            with nullcontext() if self._test or "umask" not in low.options else options.umask(low):
                if not self._test and "retry" in low.options:
                    return self._retried(position, unit, checks.retry_of(low))
                return self._attempt(position, unit)
        except (SalternError, OSError, ValueError) as error:
            return Verdict(False, work.error_line(error, low))

    # --- states beside each other ----------------------------------------------------------------------------------

    def _before(self, position: int, low: Low) -> set[int] | None:
        """The states that must have ended before the one at POSITION, as far as they run in parallel; None: all."""
        from saltern.converge.parallel import objection

        return None if objection(low) else self._links.looked_at(position)

    def _beside(self, position: int, low: Low) -> bool:
        """Whether the state at POSITION was set to work in a thread; its result is collected later."""
        from saltern.converge import parallel

        if not low.options.get("parallel") or parallel.objection(low) or self._lanes is None:
            return False
        if self._block is not None and not self._block.settle_for_another():
            return False
        if self._links.hindrance(position, self._results, self._would_change) is not None:
            return False
        try:
            unit = self._unit(position, low)
        except SalternError:
            return False  # its turn in this thread tells why
        unit = unit._replace(ctx=parallel.own(unit.ctx), gate=parallel.Beside())
        number = len(self._order)
        self._order.append(None)
        do = partial(self._worked, position, low, lambda: unit)
        self._lanes.start(position, partial(self._timed, low, low.fun, do, number))
        return True

    def _collected(self, positions: set[int] | None = None) -> bool:
        """Take the results of those of POSITIONS (None: of all) that run in parallel; whether one ends the run."""
        found = self._lanes.ended(positions) if self._lanes is not None else []
        stops = [self._ended(position, result) for position, result in found]  # of each, whatever one says
        return any(stops)

    def _free(self, position: int) -> bool:
        return self._links.free(position, self._results)

    def _retried(self, position: int, unit: work.Work, retry: checks.Retry) -> Verdict:
        """The last of several attempts, with what the earlier ones said."""
        said: list[str] = []
        changes: dict[str, Any] = {}
        for attempt in range(1, retry.attempts + 1):
            verdict = self._attempt(position, unit)
            changes.update(verdict.changes)
            if verdict.result is retry.until or attempt == retry.attempts:
                break
            said.append(f'Attempt {attempt}: Returned a result of "{verdict.result}", with the following comment:')
            said.append(f'"{verdict.comment}"')
            self._clock.sleep(_pause(retry))
        if not said:
            return verdict
        return verdict._replace(
            comment="\n".join([*said, verdict.comment]), changes=changes, changed=bool(changes) or verdict.changed
        )

    def _attempt(self, position: int, unit: work.Work) -> Verdict:
        """Conditions, the state itself, its reaction, and the check afterwards."""
        low = unit.low
        if low.options and not _CONDITIONS.isdisjoint(low.options):
            reason = checks.reason_to_skip(low, unit.ctx)
            if reason is not None:
                self._reactions.settle(low, "watch")  # whoever says that there is nothing to do wants no reaction
                return Verdict(True, reason, ran=False, skipped=True)
        watched = self._reactions.watching(position)
        reaction = reaction_of(unit.function) if watched else None
        due = self._reactions.due(unit, reaction, watched, "watch") if reaction else None
        verdict = self._own(position, unit)
        if low.options.get("parallel") and (why := self._serial(low)):
            verdict = verdict._replace(warnings=(*verdict.warnings, why))
        if due is not None and verdict.result is not False:
            verdict = self._reactions.react(unit, due, verdict, "watch")
        elif reaction is None and any(map(self._may_change, watched)):
            warning = f"{low.place}: {low.module}.{low.fun} has no reaction, so its `watch` is only a `require`"
            verdict = verdict._replace(warnings=(*verdict.warnings, warning))
        if not self._test and verdict.result and "check_cmd" in low.options:
            objection = checks.failed_check(low, unit.ctx)
            if objection:
                verdict = verdict._replace(result=False, comment=f"{verdict.comment}\n{objection}")
        return verdict

    def _may_change(self, position: int) -> bool:
        """Whether the state at POSITION, whose turn has come, is of a kind that changes things."""
        low = self._lows[position]
        return may_change(self._functions.get((low.module, low.fun)))

    def _own(self, position: int, unit: work.Work) -> Verdict:
        """The verdict on the state itself, alone or joined with others of its kind."""
        joined = self._joiner.of(position, unit) if self._joiner is not None else None
        if joined is not None:
            return work.joined(unit, joined.plan, joined.note, test=self._test)
        return work.preview(unit, earlier_changes=self._any_change) if self._test else work.converge(unit)

    def _serial(self, low: Low) -> str | None:
        """The warning that LOW, which says `parallel: True`, does not run in parallel."""
        from saltern.converge.parallel import objection

        why = objection(low)
        return f"{low.place}: `parallel` has no effect here: {why}" if why else None

    def _would_change(self, position: int) -> bool:
        """Whether the state at POSITION, whose turn comes later, would change something as things are now."""
        if position in self._planning:
            return False
        low = self._lows[position]
        self._planning.add(position)
        try:
            for need, others in self._links.of(position):
                if need.kind == "prereq" and not any(self._would_change(other) for other in others):
                    return False
            unit = self._unit(position, low)
            if low.options and checks.reason_to_skip(low, unit.ctx) is not None:
                return False
            return work.preview(unit, earlier_changes=True).changed
        except (SalternError, OSError, ValueError):
            return False  # its own turn tells what is wrong with it
        finally:
            self._planning.discard(position)

    def _unit(self, position: int, low: Low) -> work.Work:
        key = (low.module, low.fun)
        function = self._functions.get(key)
        if function is None:
            function = self._functions[key] = loader.find(f"{low.module}.{low.fun}", "states", is_state)
        ctx = self._contexts.get(low.saltenv)
        if ctx is None:
            ctx = self._contexts[low.saltenv] = self._context(low.saltenv)
        noting = self._reactions.noting(position)
        gate = Gate(self._block, position) if self._block is not None else None
        seen = replace(ctx, around=Around(self._peers, position))
        return work.Work(low, function, seen, noting, self._clock, gate)

    def _context(self, saltenv: str) -> Context:
        if saltenv == self._ctx.saltenv and self._test == self._ctx.test:
            return self._ctx
        ctx = replace(self._ctx, saltenv=saltenv, test=self._test)
        return with_calls(ctx) if isinstance(ctx.call, Caller) else ctx

    # --- the network transaction ---------------------------------------------------------------------------------

    def _noticed(self, position: int, result: StateResult) -> StateResult:
        """RESULT, or what became of it when the transaction was taken back because of it."""
        if self._block is None or self._test:
            return result
        verdict = result.verdict
        self._block.seen(position, verdict.comment if verdict.result is False else None)
        return self._results[position] or result

    def break_off(self) -> None:
        """The run ends in the middle: what is not proven does not stay."""
        if self._lanes is not None:
            self._lanes.close()
        if self._block is not None:
            self._block.break_off()

    def _settle(self) -> None:
        if self._block is not None and not self._test:
            self._block.settle()

    def _contradicted(self, positions: Sequence[int]) -> str:
        """What is not as the states at POSITIONS want it, though each of them was satisfied in its turn; '' for
        nothing."""
        left = list(positions)
        for wait_s in (0.1, 0.5, 0.0):
            left = [position for position in left if self._would_change(position)]
            if not left or not wait_s:
                break
            self._clock.sleep(wait_s)
        names = ", ".join(f"{self._lows[position].module} {self._lows[position].id}" for position in left)
        return f"{names}: not as declared any more at the end" if left else ""

    def _settled(self, positions: Sequence[int], ended: Ended) -> None:
        """Say how the transaction of the states at POSITIONS ended in their results."""
        for position in positions if not ended.kept else positions[-1:]:
            result = self._results[position]
            if result is None:
                continue
            verdict = result.verdict._replace(comment=f"{result.verdict.comment}\n{ended.text}")
            if not ended.kept:
                verdict = verdict._replace(result=False)
                if ended.complete:
                    verdict = verdict._replace(changes={}, changed=False)
            changed = result._replace(verdict=verdict)
            self._results[position] = self._order[result.number] = changed


def _pause(retry: checks.Retry) -> float:
    """Seconds until the next attempt."""
    if not retry.splay:
        return float(retry.interval)
    import random

    return float(retry.interval + random.uniform(0, retry.splay))  # noqa: S311 - spreads load, guards nothing
