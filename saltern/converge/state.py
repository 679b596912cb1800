"""The marks of a state function, of its reaction to `watch`, and of what checks its arguments before a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from saltern.converge.plan import Plan, Step

if TYPE_CHECKING:
    from saltern.converge.result import Verdict
    from saltern.sls.low import Low

C = TypeVar("C", bound=Callable[..., None])
F = TypeVar("F", bound=Callable[..., Plan])
R = TypeVar("R", bound=Callable[..., Iterable[Step]])


def state(function: F) -> F:
    """Offer FUNCTION as a state: `(ctx: Context, name: str, *, argument: type = default, ...) -> Plan`.

    It is called to observe and plan, before the steps and again after them, and must not act. Its keyword-only
    parameters with their annotations are the arguments of the SLS; a wrong one is refused before anything runs.
    """
    function.__saltern_state__ = True  # type: ignore[attr-defined]
    return function


def changes_nothing(function: F) -> F:
    """Mark FUNCTION as a state that never changes anything: to `watch` it is to `require` it, and nobody is warned."""
    function.__saltern_changes_nothing__ = True  # type: ignore[attr-defined]
    return function


def may_change(function: object) -> bool:
    """Whether the state FUNCTION may change something."""
    return not getattr(function, "__saltern_changes_nothing__", False)


def reaction(to: Callable[..., Plan]) -> Callable[[R], R]:
    """Make the decorated function what the state TO does, beyond its plan, when something that it watches changed.

    It has the state's own signature and returns steps (`service.running`: restart). Without one, `watch` is refused
    for the state with a message that says so.
    """

    def register(function: R) -> R:
        to.__saltern_reaction__ = function  # type: ignore[attr-defined]
        return function

    return register


def check(of: Callable[..., Plan]) -> Callable[[C], C]:
    """Make the decorated function what refuses arguments of the state OF before anything runs.

    It takes what OF takes but the context (`(name, *, argument=…)`), is pure, since the node is not asked, and raises
    a SalternError: the user sees it with the place in the SLS. An error with an attribute `argument` is shown at that
    argument's line.
    """

    def register(function: C) -> C:
        of.__saltern_check__ = function  # type: ignore[attr-defined]
        return function

    return register


def check_of(function: object) -> Callable[..., None] | None:
    """What checks the state's arguments before a run, or None."""
    found: Any = getattr(function, "__saltern_check__", None)
    return found if callable(found) else None


class Objection(NamedTuple):
    """Why a run can't be as it is written: what is wrong with LOW beside the others; ARGUMENT of it is to blame (None:
    the state as a whole)."""

    low: Low
    message: str
    argument: str | None = None


Together = Callable[[Sequence["Low"]], Iterable[Objection]]


def check_together(ask: Together, *of: Callable[..., Plan]) -> None:
    """Have ASK asked once, before anything runs, of all states of a run that has any of the states OF: for what
    contradicts each other. It gets all states of the run in their order, is pure, and gives Objections, which the user
    sees with their places in the SLS; then nothing runs."""
    for function in of:
        function.__saltern_together__ = ask  # type: ignore[attr-defined]


def together_of(function: object) -> Together | None:
    """What is asked of all states of a run where FUNCTION is one, or None."""
    found: Any = getattr(function, "__saltern_together__", None)
    return found if callable(found) else None


Joining = Callable[[Sequence[Step]], Iterable[Step]]
J = TypeVar("J", bound=Joining)


def aggregate(*, of: Callable[..., Plan]) -> Callable[[J], J]:
    """Make the decorated function what joins the steps of several states OF into fewer that do the same: fifty
    `pkg.installed` are one transaction of apt.

    It is pure and gets the steps of all of them, in order. Each state keeps its own plan and is observed and judged by
    it alone, so a joint step needs no result of its own.
    """

    def register(function: J) -> J:
        of.__saltern_aggregate__ = function  # type: ignore[attr-defined]
        return function

    return register


def aggregate_of(function: object) -> Joining | None:
    """What joins the steps of several of these states, or None."""
    found: Any = getattr(function, "__saltern_aggregate__", None)
    return found if callable(found) else None


def foretold_by(function: Callable[..., Plan], foretell: Callable[..., Verdict]) -> None:
    """Have FORETELL (ctx, name, arguments) say what the state FUNCTION would do, where its plan can't: a state that was
    made for Salt acts and tells in one."""
    function.__saltern_foretell__ = foretell  # type: ignore[attr-defined]


def foretelling_of(function: object) -> Callable[..., Verdict] | None:
    """What says in a preview what the state would do, or None: its plan does."""
    found: Any = getattr(function, "__saltern_foretell__", None)
    return found if callable(found) else None


def is_state(function: object) -> bool:
    """Whether FUNCTION is offered as a state."""
    return getattr(function, "__saltern_state__", False) is True


def reaction_of(function: object) -> Callable[..., Iterable[Step]] | None:
    """What the state does when a watched state changed, or None."""
    found: Any = getattr(function, "__saltern_reaction__", None)
    return found if callable(found) else None
