"""Who reacts to whom in a run, by `watch` and `listen`, and which reactions are still owed.

A reaction is noted on disk before the first step of its cause and cleared when it succeeded, so that one which failed
or was cut off is done on the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from saltern.context import Context
from saltern.converge import work
from saltern.converge.notices import Notices
from saltern.converge.requisites import REACTING, Links, Results, has_changed
from saltern.converge.result import Verdict
from saltern.converge.state import reaction_of
from saltern.errors import SalternError
from saltern.sls.low import Low


class Reactions:
    """The reactions of one run of LOWS, which are linked by LINKS and have these RESULTS so far. TEST: only told."""

    def __init__(self, lows: Sequence[Low], links: Links, results: Results, ctx: Context, *, test: bool) -> None:
        self._lows, self._links, self._results, self._test, self._jid = lows, links, results, test, ctx.jid
        self._notices = Notices(ctx.config.paths.var / "minion" / "notices")

    def noting(self, position: int) -> Callable[[], None] | None:
        """What notes, before the first step of the state at POSITION, who will have to react to it; None: nobody."""
        watchers = self._links.watchers(position)
        return partial(self._note, position, watchers) if watchers and not self._test else None

    def _note(self, position: int, watchers: Sequence[tuple[int, str]]) -> None:
        for other, kind in watchers:
            watcher = self._lows[other]
            self._notices.write(watcher.saltenv, watcher.tag, kind, cause=self._lows[position].tag, jid=self._jid)

    def settle(self, low: Low, kind: str) -> None:
        """LOW owes no reaction of KIND any more: it is done, or not wanted."""
        if not self._test:
            self._notices.clear(low.saltenv, low.tag, kind)

    def watching(self, position: int) -> list[int]:
        """The states that the one at POSITION watches."""
        return self._links.named(position, REACTING)

    def due(self, unit: work.Work, reaction: work.Reaction, causes: Sequence[int], kind: str) -> work.Due | None:
        """The reaction of KIND, where one of CAUSES changed or an earlier run still owes it."""
        changed = [self._lows[other].id for other in causes if has_changed(self._results[other])]
        if not changed and not self._notices.pending(unit.low.saltenv, unit.low.tag, kind):
            return None
        named = ", ".join(dict.fromkeys(changed)) or "what an earlier run left undone"
        return work.plan_reaction(unit, reaction, named)

    def react(self, unit: work.Work, due: work.Due, own: Verdict, kind: str) -> Verdict:
        """OWN, the verdict on the state itself, with what came of the reaction that is DUE."""
        verdict = work.react(unit, due, own, test=self._test)
        if verdict.result is not False:
            self.settle(unit.low, kind)
        return verdict

    def heard(self, position: int) -> bool:
        """Whether the state at POSITION, which listens, has to react at the end of the run; one that was skipped owes
        nothing any more."""
        low, result = self._lows[position], self._results[position]
        heard = self._links.named(position, ("listen",))
        if not any(has_changed(self._results[other]) for other in heard) and not self._owes(low):
            return False
        if result is None or result.verdict.skipped:
            self.settle(low, "listen")
            return False
        return True

    def _owes(self, low: Low) -> bool:
        """Whether an earlier run left what LOW heard undone; where that can't be read, its turn says why."""
        try:
            return self._notices.pending(low.saltenv, low.tag, "listen")
        except SalternError:
            return True

    def listened(self, position: int, unit_of: Callable[[], work.Work]) -> Verdict:
        """The verdict on the reaction of the state at POSITION, which listens; UNIT_OF gives its work."""
        low, heard = self._lows[position], self._links.named(position, ("listen",))
        results = [(other, self._results[other]) for other in (*heard, position)]
        failed = [other for other, result in results if result is not None and result.verdict.result is False]
        if failed:
            named = ", ".join(f"{self._lows[other].sls}.{self._lows[other].id}" for other in failed)
            return Verdict(False, f"One or more requisite failed: {named}", ran=False)
        try:
            unit = unit_of()
            reaction = reaction_of(unit.function)
            if reaction is None:
                warning = f"{low.place}: {low.module}.{low.fun} has no reaction, so its `listen` does nothing"
                return Verdict(True, warning, ran=False, warnings=(warning,))
            due = self.due(unit, reaction, heard, "listen")
            own = Verdict(True, f"{low.name} listens")
            return own if due is None else self.react(unit, due, own, "listen")
        except (SalternError, OSError, ValueError) as error:
            return Verdict(False, work.error_line(error, low))
