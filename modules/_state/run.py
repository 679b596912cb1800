"""One state run: its surroundings, and how it is compiled, converged and told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modules._state import lock as state_lock
from modules.pillar import overlaid
from saltern import names
from saltern.context import Context
from saltern.errors import PermanentError, SalternError
from saltern.lazy import LazyMapping
from saltern.runner import Returned, with_calls

if TYPE_CHECKING:
    from saltern.sls.low import Low
    from saltern.sls.state_tree import StateTree

NO_STATES = {
    "no_|-states_|-states_|-None": {
        "name": "No States",
        "result": False,
        "changes": {},
        "comment": "No states found for this minion: no top file of the tree names any for it",
        "__run_num__": 0,
    }
}
_LEAST_S, _MOST_S = 5, 86400  # of confirm=


def job_of(
    ctx: Context,
    test: bool | None,
    saltenv: str | None,
    pillar: Mapping[str, Any] | None,
    confirm: float | None = None,
    pillarenv: str | None = None,
) -> Context:
    """The surroundings of a run: CTX with its own environment, test mode, pillar and time for a person to confirm."""
    if confirm is not None:
        _check_confirm(ctx, confirm)
        ctx = replace(ctx, extra={**ctx.extra, "confirm_s": float(confirm)})
    if pillar is not None and not isinstance(pillar, Mapping):
        raise PermanentError(f"pillar= wants a mapping, like pillar='{{a: 1}}', not {pillar!r}")
    if test is not None and not isinstance(test, bool):
        raise PermanentError(f"test= is True or False, not {test!r}")
    job = _with_pillar(ctx, pillar, _environment(ctx, saltenv, pillarenv))
    return with_calls(replace(job, saltenv=saltenv or ctx.saltenv, test=ctx.test if test is None else test))


def _environment(ctx: Context, saltenv: str | None, pillarenv: str | None) -> str | None:
    """The environment that the pillar of a run with these arguments is of; None: this node's own."""
    if pillarenv is None and ctx.config.pillarenv_from_saltenv and not ctx.config.pillarenv:
        pillarenv = saltenv
    return None if pillarenv is None else names.saltenv(pillarenv)


def _with_pillar(ctx: Context, pillar: Mapping[str, Any] | None, pillarenv: str | None) -> Context:
    """CTX with the pillar of PILLARENV, where that is given, and the values PILLAR over it, also after
    `reload_pillar`."""
    if pillar is None and pillarenv is None:
        return ctx
    return replace(
        ctx,
        config=ctx.config if pillarenv is None else replace(ctx.config, pillarenv=pillarenv),
        pillar=LazyMapping(lambda: overlaid(ctx, pillar, pillarenv)),
        extra={**ctx.extra, "renew_pillar": lambda: overlaid(ctx, pillar, pillarenv, fresh=True)},
    )


def _check_confirm(ctx: Context, confirm: object) -> None:
    if isinstance(confirm, bool) or not isinstance(confirm, int | float) or not _LEAST_S <= confirm <= _MOST_S:
        wanted = f"{_LEAST_S} to {_MOST_S} seconds in which a person says network.confirm"
        raise PermanentError(f"confirm= wants {wanted}, not {confirm!r}")
    if "network_transaction" not in ctx.extra:
        raise PermanentError("confirm= needs a minion: nothing here guards a change of the network")


def tree_of(ctx: Context) -> StateTree:
    """The tree of CTX, with its custom code brought."""
    from saltern.sls.state_tree import StateTree

    if custom := ctx.extra.get("custom"):
        custom.sync(ctx.files)
    return StateTree(ctx)


def converged(
    ctx: Context,
    fun: str,
    compile: Callable[[StateTree], list[Low]],
    queue: bool,
    concurrent: bool,
    nothing: Any = None,
    chosen: Callable[[list[Low]], list[Low]] = lambda lows: lows,
) -> Any:
    """Compile and run what is CHOSEN of it, as Salt returns it; NOTHING is what a run without any state returns, where
    that is a failure."""
    from saltern.converge.engine import run
    from saltern.sls.functions import ACTS

    lock = state_lock.lock_file(ctx.config.paths.var)
    free = concurrent or ctx.test
    try:
        with nullcontext() if free else state_lock.held(lock, jid=ctx.jid, fun=fun, wait=queue):
            len(ctx.pillar)  # a pillar with a mistake ends the run here, even if no SLS asks for a value of it
            known = compile(tree_of(ctx))
            lows = chosen(known)
            if not lows and nothing is not None:
                return Returned(nothing, 2)
            warnings = ctx.extra.get("warnings", tuple)()  # of what the states came from
            result = run(lows, ctx, test=ctx.test, known=known).with_warnings((*warnings, *ctx.extra.get(ACTS, ())))
    except SalternError as error:
        return Returned(told(error), 1)
    return Returned(result.as_salt(), result.retcode)


def told(error: SalternError) -> list[str]:
    """An error as the list of texts that a run returns which could not begin."""
    return [str(one) for one in getattr(error, "errors", None) or [error]]
