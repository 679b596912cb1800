"""The SLS that an orchestration gives to minions and that its tree has not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from saltern.errors import SourceError, nearest
from saltern.orchestration import words
from saltern.sls.low import Low
from saltern.sls.tree import Tree


def missing_sls(tree: Tree, lows: Iterable[Low]) -> Iterator[SourceError]:
    """The SLS that LOWS give to minions and that are not in TREE: in the environment that is named, or where none is,
    in any, since a minion may be in any."""
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
