"""What an orchestration as a whole can't have: asked once it is compiled, so that all is told with its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from saltern.converge import checks
from saltern.converge.state import Objection
from saltern.errors import SalternError
from saltern.sls.low import Low

# The options that hold on the master as on a minion; the others are about a node.
OPTIONS = frozenset({"order", "failhard", "retry", "parallel", "fire_event", "saltenv"})


def objections(lows: Sequence[Low]) -> Iterator[Objection]:
    """What is wrong with LOWS as the states of an orchestration."""
    for low in lows:
        if low.module != "salt":
            name = f"{low.module}.{low.fun}"
            yield Objection(
                low, f"{name} is a state for minions, and can't stand beside the salt.* of an orchestration"
            )
            continue
        for option in low.options:
            if option not in OPTIONS:
                yield Objection(low, f"{option} has no meaning in an orchestration: it is about a node", option)
        for option in ("failhard", "parallel"):
            if not isinstance(low.options.get(option, False), bool):
                yield Objection(low, f"{option} wants true or false, not {low.options[option]!r}", option)
        try:
            checks.retry_of(low)
        except SalternError as error:
            yield Objection(low, str(error), "retry")
