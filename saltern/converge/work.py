"""One state: observe and plan, run the steps, observe again and compare with the wish.

The plan is the run: what test mode prints are the objects that an apply executes. Planning runs without the permit to
act (see `saltern.marks`), so nothing here can change the node but `_run_steps`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from saltern.context import Context
from saltern.converge.compare import changes, differences, hidden, plain, secrets_in, told
from saltern.converge.plan import Outcome, Plan, Step
from saltern.converge.result import Verdict
from saltern.converge.state import foretelling_of
from saltern.errors import SalternError
from saltern.kept import current
from saltern.marks import permit_acting
from saltern.sls.low import Low

FIRST_WAIT_S = 0.05  # between two observations while the node settles
LONGEST_WAIT_S = 2.0
GROWTH = 1.6

State = Callable[..., Plan]
Reaction = Callable[..., Iterable[Step]]


class Clock(Protocol):
    """What of the module `time` the engine needs."""

    def time(self) -> float:
        """Seconds since 1970."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Wait."""
        ...


class Gate(Protocol):
    """What stands between a state's steps and the node: see `saltern.converge.transaction`."""

    def told(self, steps: Sequence[Step]) -> str | None:
        """What a preview says of STEPS beside themselves."""
        ...

    def before(self, steps: Sequence[Step]) -> None:
        """STEPS are about to run. SalternError: they must not."""
        ...

    def run(self, step: Step) -> Any:
        """Run STEP."""
        ...


class Work(NamedTuple):
    """A state to be converged: FUNCTION of LOW in its context. BEFORE_ACTING is called once, before the first step.
    GATE: the network transaction that its steps may be part of."""

    low: Low
    function: State
    ctx: Context
    before_acting: Callable[[], None] | None = None
    clock: Clock = time
    gate: Gate | None = None

    def plan(self) -> Plan:
        """What the state says now."""
        found = self.function(self.ctx, self.low.name, **self.low.args)
        if not isinstance(found, Plan):
            raise TypeError(f"it returned {type(found).__name__} and no Plan")
        if not all(isinstance(step, Step) for step in found.steps):
            raise TypeError("a step of its plan is no Step")
        return found


class Ran(NamedTuple):
    """How far the steps came: FAILURE is None after all of them, else what ended them at the step number len(DONE)."""

    done: Sequence[Step]
    outcomes: Sequence[Outcome]
    failure: str | None = None


def _promise(steps: Iterable[Step]) -> None:
    """Let later states of a run in test mode know what these STEPS would make."""
    scope = current()
    if scope is None:
        return
    for step in steps:
        kind, names = getattr(step.do.function, "__saltern_makes__", (None, 0))
        if kind is not None:
            scope.promised.update((kind, str(name)) for name in step.do.args[:names])


def preview(work: Work, *, earlier_changes: bool) -> Verdict:
    """What an apply would do. EARLIER_CHANGES: an earlier state of the run would change something, so what is unknown
    now may be known then."""
    foretell = foretelling_of(work.function)
    try:
        if foretell is not None:
            return foretell(work.ctx, work.low.name, work.low.args)
        plan = work.plan()
    except Exception as error:
        return Verdict(False, error_line(error, work.low))
    if plan.unknown is not None:
        if earlier_changes:
            return Verdict(None, f"Unknown until earlier states have run: {plan.unknown}", changed=True)
        return Verdict(False, f"{work.low.place}: {plan.unknown}")
    if bug := inconsistency(plan, work.low):
        return Verdict(False, bug)
    if not plan.steps:
        return _unchanged(plan, work.low)
    _promise(plan.steps)
    comment = f"Would be done:\n{bullets(plan.steps)}"
    try:
        told = work.gate.told(plan.steps) if work.gate is not None else None
    except SalternError as error:
        told = error_line(error, work.low)
    comment = f"{comment}\n{told}" if told else comment
    return Verdict(None, comment, _planned_changes(plan, work.low), changed=True)


def converge(work: Work) -> Verdict:
    """Bring the node to the state."""
    low = work.low
    try:
        plan = work.plan()
    except Exception as error:
        return Verdict(False, error_line(error, low))
    if plan.unknown is not None:
        return Verdict(False, f"{low.place}: {plan.unknown}")
    if not plan.steps and plan.current == plan.wish:
        return _unchanged(plan, low)
    if bug := inconsistency(plan, low):
        return Verdict(False, bug)
    if not plan.steps:
        return _unchanged(plan, low)
    try:
        _announce(work, plan.steps)
    except (SalternError, OSError) as error:
        return Verdict(False, error_line(error, low))
    ran = _run_steps(plan.steps, work)
    if plan.imperative:
        return _imperative(plan.steps, ran, low)
    if ran.failure is not None:
        moved = _moved_so_far(work, plan)
        return Verdict(False, _stopped(plan.steps, ran), moved, changed=bool(moved))
    return _verified(work, plan)


def joint(steps: Sequence[Step], leader: Work, group: Sequence[tuple[Work, Plan]]) -> str | None:
    """Run STEPS, which do what the plans of GROUP want; why that failed, or None. Who reacts to any of the group is
    noted before."""
    try:
        for member, plan in group:
            if member is not leader:
                _announce(member._replace(gate=None), plan.steps)
        _announce(leader, steps)
    except (SalternError, OSError) as error:
        return error_line(error, leader.low)
    ran = _run_steps(steps, leader)
    return None if ran.failure is None else _stopped(steps, ran)


def joined(work: Work, plan: Plan, note: str, *, test: bool) -> Verdict:
    """The verdict on a state whose PLAN was carried out together with others'; NOTE tells that. In TEST: what would
    be."""
    if test:
        comment = f"Would be done:\n{bullets(plan.steps)}\n{note}"
        return Verdict(None, comment, _planned_changes(plan, work.low), changed=True)
    verdict = _verified(work, plan)
    return verdict._replace(comment=f"{verdict.comment}\n{note}")


class Due(NamedTuple):
    """A reaction that is due, planned together with its state: so what the state itself mends (a service that is
    started anyway) is not done twice, and test mode tells the same. CAUSES names what it reacts to; ERROR says why it
    could not be planned."""

    causes: str
    steps: tuple[Step, ...] = ()
    error: str | None = None


def plan_reaction(work: Work, reaction: Reaction, causes: str) -> Due:
    """What REACTION to CAUSES will do."""
    try:
        return Due(causes, tuple(reaction(work.ctx, work.low.name, **work.low.args)))
    except Exception as error:
        return Due(causes, error=error_line(error, work.low))


def react(work: Work, due: Due, own: Verdict, *, test: bool) -> Verdict:
    """OWN (the state's own verdict, no failure) with what the reaction adds to it."""
    low, (causes, steps, error_text) = work.low, due
    if error_text is not None:
        if own.result is None:
            return own  # what it needs may be there after the state's own steps
        return own._replace(result=False, comment=f"{own.comment}\n{error_text}")
    if not steps:
        return own
    listed = {**own.changes, "reaction": [step.sentence for step in steps]}
    if test:
        comment = f"{own.comment}\nWould be done, since {causes} would change:\n{bullets(steps)}"
        return own._replace(result=None, comment=comment, changes=listed, changed=True)
    try:
        _announce(work, steps)
    except (SalternError, OSError) as error:
        return own._replace(result=False, comment=f"{own.comment}\n{error_line(error, low)}")
    ran = _run_steps(steps, work)
    told_by, extra = _said(ran.outcomes, low)
    if ran.failure is not None:
        comment = f"{own.comment}\nThe reaction to {causes} failed, and is due again on the next run.\n"
        comment += _stopped(steps, ran)
        return own._replace(result=False, comment=comment, changes={**own.changes, **extra}, changed=bool(ran.done))
    comment = "\n".join([own.comment, f"Done, since {causes} changed:", bullets(steps), *told_by])
    return own._replace(comment=comment, changes={**own.changes, **extra} if extra else listed, changed=True)


def inconsistency(plan: Plan, low: Low) -> str | None:
    """The bug of a state whose steps and difference contradict each other, or None."""
    if plan.imperative:
        return None
    left = differences(plan.current, plan.wish)
    where = f"{low.place}: bug in {_file(low)}, {low.module}.{low.fun}"
    if left and not plan.steps:
        return f"{where}: it sees a difference and has no step to mend it\n{told(left)}"
    if plan.steps and not left:
        return f"{where}: it has steps although nothing differs\n{bullets(plan.steps)}"
    return None


def error_line(error: Exception, low: Low) -> str:
    """An error as one clear line with its place; a bug is named as one, and its traceback goes to the log alone."""
    secrets = secrets_in(low.args)
    if isinstance(error, SalternError | OSError | ValueError):
        text = hidden(_words(error), secrets)
        return text if getattr(error, "file", None) else f"{low.place}: {text}"
    import logging
    import traceback

    trace = "".join(traceback.format_exception(error))
    logging.getLogger(__name__).debug("%s: %s", low.tag, hidden(trace, secrets))
    from saltern.custom.errors import place_of

    text = hidden(f"{type(error).__name__}: {error}", secrets)
    place = place_of(error) or _file(low)
    return f"{low.place}: bug in {place}, {low.module}.{low.fun}: {text} (its traceback is in the log at level debug)"


def _file(low: Low) -> str:
    """The file of the state: one of Saltern's own, or of a state tree (`_states/web.py`)."""
    found = getattr(sys.modules.get(f"states.{low.module}"), "__file__", None) or ""
    return found if found.startswith("_states/") else f"states/{low.module}.py"


def bullets(steps: Iterable[Step]) -> str:
    """The sentences of STEPS, one a line."""
    return "\n".join(f"- {step.sentence}" for step in steps)


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and not isinstance(error, SalternError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return str(error) or type(error).__name__


def _unchanged(plan: Plan, low: Low) -> Verdict:
    return Verdict(True, plan.comment or f"{low.name} is as declared")


def _planned_changes(plan: Plan, low: Low) -> dict[str, Any]:
    if not plan.imperative:
        return changes(low.name, plan.current, plan.wish, plan.wish)
    moves = {step.sentence: (step.before, step.after) for step in plan.steps}
    return {key: {"old": plain(old), "new": plain(new)} for key, (old, new) in moves.items() if old != new}


def _announce(work: Work, steps: Sequence[Step]) -> None:
    """Say to all whom it concerns that STEPS are about to run."""
    if work.gate is not None:
        work.gate.before(steps)
    if work.before_acting is not None:
        work.before_acting()


def _run_steps(steps: Sequence[Step], work: Work) -> Ran:
    """Run STEPS up to the first that fails. Nothing else in the engine may act."""
    low, gate = work.low, work.gate
    done: list[Step] = []
    outcomes: list[Outcome] = []
    with permit_acting():
        for step in steps:
            try:
                returned = step.do() if gate is None else gate.run(step)
            except Exception as error:
                return Ran(done, outcomes, error_line(error, low))
            if isinstance(returned, Outcome):
                outcomes.append(returned)
                if not returned.ok:
                    return Ran(done, outcomes, hidden(returned.comment, secrets_in(low.args)))
            done.append(step)
    return Ran(done, outcomes)


def _stopped(steps: Sequence[Step], ran: Ran) -> str:
    """Which step failed, what was done before it and what was not."""
    failed, left = steps[len(ran.done)], steps[len(ran.done) + 1 :]
    lines = [f"Failed to {failed.sentence}: {ran.failure}"]
    if ran.done:
        lines += ["Done before:", bullets(ran.done)]
    if left:
        lines += ["Not done:", bullets(left)]
    return "\n".join(lines)


def _imperative(steps: Sequence[Step], ran: Ran, low: Low) -> Verdict:
    """There is nothing to observe: what the steps say is the result."""
    comments, found = _said(ran.outcomes, low)
    if ran.failure is not None:
        comment = ran.failure if len(steps) == 1 else _stopped(steps, ran)
        return Verdict(False, comment, found, changed=bool(found or ran.done))
    if len(ran.outcomes) < len(steps):
        comments.insert(0, f"Done:\n{bullets(steps)}")
    if not found and not ran.outcomes:
        found = {step.sentence: {"old": plain(step.before), "new": plain(step.after)} for step in steps}
    return Verdict(True, "\n".join(comments), found, changed=bool(found) or not ran.outcomes)


def _said(outcomes: Iterable[Outcome], low: Low) -> tuple[list[str], dict[str, Any]]:
    """The comments and the changes of OUTCOMES, without the secrets that the state was given."""
    secrets = secrets_in(low.args)
    comments = [hidden(outcome.comment, secrets) for outcome in outcomes if outcome.comment]
    found: dict[str, Any] = {}
    for outcome in outcomes:
        for key, value in outcome.changes.items():
            shown = plain(value)
            found[key] = hidden(shown, secrets) if secrets and isinstance(shown, str) else shown
    return comments, found


def _moved_so_far(work: Work, plan: Plan) -> dict[str, Any]:
    """What a run that was stopped has changed, as far as it can be observed."""
    try:
        return changes(work.low.name, plan.current, work.plan().current, plan.wish)
    except Exception:
        return {}


def _verified(work: Work, plan: Plan) -> Verdict:
    """Observe until the node equals the wish of PLAN, no longer than the state's patience."""
    clock, low = work.clock, work.low
    deadline = clock.monotonic() + plan.settle_s if plan.settle_s > 0 else None
    wait = FIRST_WAIT_S
    while True:
        after, problem = _observed(work, plan)
        if problem is None:
            break
        left_s = deadline - clock.monotonic() if deadline is not None else 0.0
        if left_s <= 0:
            break
        clock.sleep(min(wait, left_s))
        wait = min(wait * GROWTH, LONGEST_WAIT_S)
    moved = changes(low.name, plan.current, after, plan.wish)
    if problem is None:
        return Verdict(True, f"Done:\n{bullets(plan.steps)}", moved, changed=True)
    waited = f" within {plan.settle_s:g} s" if deadline is not None else ""
    comment = f"did not converge{waited}: {problem}\nDone:\n{bullets(plan.steps)}"
    return Verdict(False, comment, moved, changed=bool(moved))


def _observed(work: Work, plan: Plan) -> tuple[Any, str | None]:
    """The node after the steps, and what is still wrong with it."""
    try:
        again = work.plan()
    except Exception as error:
        return plan.current, f"it can't be observed after the steps: {error_line(error, work.low)}"
    if again.unknown is not None:
        return plan.current, again.unknown
    left = differences(again.current, plan.wish)
    return again.current, told(left) if left else None
