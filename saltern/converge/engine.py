"""Runs a low state: each state in its order, after what it requires, with what it reacts to.

Two runs of the same low state differ only in what they find: there is no clock in a decision and no choice of order.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from saltern import loader
from saltern.context import Context
from saltern.converge import checks, work
from saltern.converge.notices import Notices
from saltern.converge.requisites import REACTING, Links, has_changed
from saltern.converge.result import RunResult, StateResult, Verdict
from saltern.converge.state import is_state, reaction_of
from saltern.converge.transaction import Block, Ended, Gate, RolledBack
from saltern.errors import SalternError
from saltern.kept import scope
from saltern.marks import forbid_acting
from saltern.runner import Caller, with_calls
from saltern.sls.low import Low

_log = logging.getLogger(__name__)
_CONDITIONS = frozenset({"unless", "onlyif", "creates"})


def run(lows: Sequence[Low], ctx: Context, *, test: bool, clock: work.Clock = time) -> RunResult:
    """Converge the node to LOWS, or with TEST say what that would do and change nothing.

    It raises nothing for a state that fails; that is its result. Whatever the caller may do, planning only reads.
    """
    with forbid_acting(), scope() as counted:
        at_work = _Run(lows, ctx, test, clock)
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

    def __init__(self, lows: Sequence[Low], ctx: Context, test: bool, clock: work.Clock) -> None:
        self._lows, self._ctx, self._test, self._clock = lows, ctx, test, clock
        self._links = Links(lows)
        self._results: list[StateResult | None] = [None] * len(lows)
        self._order: list[StateResult] = []
        self._functions: dict[tuple[str, str], Callable[..., Any]] = {}
        self._contexts: dict[str, Context] = {}
        self._notices = Notices(ctx.config.paths.var / "minion" / "notices")
        self._any_change = False
        self._planning: set[int] = set()  # later states that a `prereq` asks about now
        offered = ctx.extra.get("network_transaction")
        self._block = Block(ctx, offered, lows, self._contradicted, self._settled) if offered else None

    def all(self) -> RunResult:
        """Run all states, then the reactions of those that listen."""
        total = len(self._lows)
        progress = self._ctx.progress
        stopped = False
        for position, low in enumerate(self._lows):
            progress(position + 1, total, low.id)
            result = self._timed(low, low.fun, partial(self._one, position, low))
            self._results[position] = result
            result = self._noticed(position, result)
            if result.verdict.changed:
                self._any_change = True
            if result.verdict.result is False and low.options.get("failhard"):
                stopped = True
                break
        self._settle()
        if not stopped:
            for position in self._links.listening():
                self._listen(position)
            self._settle()
        warnings = tuple(warning for result in self._order for warning in result.verdict.warnings)
        return RunResult(tuple(self._order), warnings)

    def _timed(self, low: Low, fun: str, do: Callable[[], Verdict]) -> StateResult:
        start, begin = self._clock.time(), self._clock.monotonic()
        try:
            verdict = do()
        except RolledBack:  # what it stands on was taken back meanwhile; that happens once a run
            verdict = do()
        passed = (self._clock.monotonic() - begin) * 1000
        result = StateResult(low, verdict, len(self._order), start, passed, fun)
        self._order.append(result)
        return result

    def _one(self, position: int, low: Low) -> Verdict:
        """The verdict on the state at POSITION, whose requisites have run."""
        if self._links.binds(position):
            hindrance = self._links.hindrance(position, self._results, self._would_change)
            if hindrance is not None:
                return hindrance
        try:
            unit = self._unit(position, low)
            if not self._test and "retry" in low.options:
                return self._retried(position, unit, checks.retry_of(low))
            return self._attempt(position, unit)
        except (SalternError, OSError, ValueError) as error:
            return Verdict(False, work.error_line(error, low))

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
                self._settle_notice(low, "watch")  # whoever says that there is nothing to do wants no reaction
                return Verdict(True, reason, ran=False, skipped=True)
        watched = self._links.named(position, REACTING)
        reaction = reaction_of(unit.function) if watched else None
        due = self._due(unit, reaction, watched, "watch") if reaction else None
        verdict = work.preview(unit, earlier_changes=self._any_change) if self._test else work.converge(unit)
        if due is not None and verdict.result is not False:
            verdict = self._react(unit, due, verdict, "watch")
        elif watched and reaction is None:
            warning = f"{low.place}: {low.module}.{low.fun} has no reaction, so its `watch` is only a `require`"
            verdict = verdict._replace(warnings=(warning,))
        if not self._test and verdict.result and "check_cmd" in low.options:
            objection = checks.failed_check(low, unit.ctx)
            if objection:
                verdict = verdict._replace(result=False, comment=f"{verdict.comment}\n{objection}")
        return verdict

    def _due(self, unit: work.Work, reaction: work.Reaction, causes: Sequence[int], kind: str) -> work.Due | None:
        """The reaction of KIND, where one of CAUSES changed or an earlier run still owes it."""
        changed = [self._lows[other].id for other in causes if has_changed(self._results[other])]
        if not changed and not self._notices.pending(unit.low.saltenv, unit.low.tag, kind):
            return None
        named = ", ".join(dict.fromkeys(changed)) or "what an earlier run left undone"
        return work.plan_reaction(unit, reaction, named)

    def _react(self, unit: work.Work, due: work.Due, own: Verdict, kind: str) -> Verdict:
        verdict = work.react(unit, due, own, test=self._test)
        if verdict.result is not False:
            self._settle_notice(unit.low, kind)
        return verdict

    def _listen(self, position: int) -> None:
        """The reaction of a state that listens, as a result of its own at the end of the run."""
        low, result = self._lows[position], self._results[position]
        heard = self._links.named(position, ("listen",))
        due = any(has_changed(self._results[other]) for other in heard)
        if not due and not self._owes(low, "listen"):
            return
        if result is None or result.verdict.skipped:
            self._settle_notice(low, "listen")
            return
        self._timed(low, "mod_watch", partial(self._listened, position, heard))

    def _listened(self, position: int, heard: Sequence[int]) -> Verdict:
        low = self._lows[position]
        results = [(other, self._results[other]) for other in (*heard, position)]
        failed = [other for other, result in results if result is not None and result.verdict.result is False]
        if failed:
            named = ", ".join(f"{self._lows[other].sls}.{self._lows[other].id}" for other in failed)
            return Verdict(False, f"One or more requisite failed: {named}", ran=False)
        try:
            unit = self._unit(position, low)
            reaction = reaction_of(unit.function)
            if reaction is None:
                warning = f"{low.place}: {low.module}.{low.fun} has no reaction, so its `listen` does nothing"
                return Verdict(True, warning, ran=False, warnings=(warning,))
            due = self._due(unit, reaction, heard, "listen")
            own = Verdict(True, f"{low.name} listens")
            return own if due is None else self._react(unit, due, own, "listen")
        except (SalternError, OSError, ValueError) as error:
            return Verdict(False, work.error_line(error, low))

    def _owes(self, low: Low, kind: str) -> bool:
        """Whether an earlier run left the reaction of KIND undone; where that can't be read, its turn says why."""
        try:
            return self._notices.pending(low.saltenv, low.tag, kind)
        except SalternError:
            return True

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
        watchers = self._links.watchers(position)
        noting = partial(self._note, low, watchers) if watchers and not self._test else None
        gate = Gate(self._block, position) if self._block is not None else None
        return work.Work(low, function, ctx, noting, self._clock, gate)

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

    def _note(self, low: Low, watchers: Sequence[tuple[int, str]]) -> None:
        """Note on disk, before LOW's first step, who will have to react to it."""
        for position, kind in watchers:
            watcher = self._lows[position]
            self._notices.write(watcher.saltenv, watcher.tag, kind, cause=low.tag, jid=self._ctx.jid)

    def _settle_notice(self, low: Low, kind: str) -> None:
        if not self._test:
            self._notices.clear(low.saltenv, low.tag, kind)


def _pause(retry: checks.Retry) -> float:
    """Seconds until the next attempt."""
    if not retry.splay:
        return float(retry.interval)
    import random

    return float(retry.interval + random.uniform(0, retry.splay))  # noqa: S311 - spreads load, guards nothing
