"""What a state may know of the other states of its run: which there are, which it waits for, which were left out.

Most states need none of it. Those that share something do: a folder that is cleaned keeps what others manage in it, and
a file gets the texts that others gather for it. It is read from the low state, which does not change while it runs, and
from what came out so far; nothing is handed from one state to the other.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar, cast

from saltern.converge.requisites import Links, Results
from saltern.sls.low import Low

K = TypeVar("K")
_HELD_BACK_BY = frozenset({"require", "watch", "onchanges", "onchanges_all"})  # each must not have failed


class Peers:
    """All states of one run: LOWS in their order, how they are linked, and the RESULTS so far (None: not run yet).
    KNOWN: what they were chosen from, where only some of an SLS run."""

    def __init__(self, lows: Sequence[Low], links: Links, results: Results = (), known: Sequence[Low] = ()) -> None:
        self.lows, self._links, self._results = lows, links, results
        running = {low.tag for low in lows} if len(known) > len(lows) else set()
        self.unchosen = [low for low in known if low.tag not in running] if running else []
        self._kept: dict[Callable[[Peers], Any], Any] = {}

    def keep(self, make: Callable[[Peers], K]) -> K:
        """What MAKE makes of the low state, the same for the whole run."""
        if make not in self._kept:
            self._kept[make] = make(self)
        return cast("K", self._kept[make])

    def needs(self, position: int, but: Container[int] = ()) -> set[int]:
        """The states without which the one at POSITION does not run, those without which they do not, and so on; not
        those BUT, and what is needed by them alone."""
        found: set[int] = set()
        waiting = [position]
        while waiting:
            held = self._links.named(waiting.pop(), _HELD_BACK_BY)
            new = {other for other in held if other not in found and other not in but}
            found |= new
            waiting += new
        return found

    def left_out(self, position: int) -> bool:
        """Whether the turn of the state at POSITION has come and a condition or a requisite kept it from running."""
        result = self._results[position] if position < len(self._results) else None
        return result is not None and not result.verdict.ran


class Around(NamedTuple):
    """The run as the state at POSITION sees it."""

    peers: Peers
    position: int

    def others(self) -> Iterator[Low]:
        """All other states of the run, in their order, and those that it was chosen from."""
        yield from (low for position, low in enumerate(self.peers.lows) if position != self.position)
        yield from self.peers.unchosen
