"""Calls an execution function by its name as a step of a state run: what the state `module.run` does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saltern.context import Context
from saltern.converge.compare import plain
from saltern.converge.plan import Outcome
from saltern.marks import acting
from saltern.runner import run_function


@acting
def run(ctx: Context, function: str, args: Sequence[Any], kwargs: Sequence[tuple[str, Any]], acts: bool) -> Outcome:
    """What FUNCTION returns with ARGS and KWARGS, as the outcome of a step: False is a failure; only one that ACTS
    changed something."""
    result = run_function(function, args, dict(kwargs), ctx)
    shown = plain(result.value)
    if not result.success or result.value is False:
        return Outcome(False, f"{function} failed: {shown}")
    return Outcome(True, f"{function} returned {shown}", {function: shown} if acts else {})
