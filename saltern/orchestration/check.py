"""What an orchestration as a whole can't have: asked once it is compiled, so that all is told with its place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from saltern.converge import checks
from saltern.converge.state import Objection
from saltern.errors import SalternError, SourceError, nearest
from saltern.sls.low import Low
from saltern.sls.tree import Tree

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


def missing_sls(tree: Tree, lows: Iterable[Low]) -> Iterator[SourceError]:
    """The SLS that LOWS give to minions and that are not in TREE: in the environment that is named, or where none is,
    in any, since a minion may be in any."""
    from saltern.orchestration import words

    for low in lows:
        if (low.module, low.fun) != ("salt", "state"):
            continue
        asked = words.state(low.name, **low.args)
        env = asked.kwargs.get("saltenv")
        known = {name for one in ([env] if env else tree.files.environments()) for name in tree.names(one)}
        place = low.arg_places.get("sls", low.place)
        for name in asked.args[0] if asked.args else ():
            if name not in known:
                message = f"there is no SLS {name!r}{f' in environment {env!r}' if env else ''}.{nearest(name, known)}"
                yield SourceError(message, file=place.file, line=place.line, column=place.column)
