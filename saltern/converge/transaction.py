"""The network transaction of a run, as the engine sees it: which states are in it, and when it is settled.

It begins before the first network step that touches the management path (with `confirm=SECONDS`: before any network
step). It is settled, which is to say committed or taken back whole, before the next step that is none of the network's
(with `confirm=`: at the end of the run), when a state in it failed, and at the end of the run.

What a transaction is on the node (checkpoint, guard, confirmation) is given by the minion, through
`Context.extra["network_transaction"]`. A run without network steps imports and does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any, NamedTuple, Protocol

from saltern.context import Context, FileSource, iter_under, split_uri
from saltern.converge.plan import Step
from saltern.errors import PermanentError, SalternError
from saltern.kept import current
from saltern.sls.low import Low

_KINDS = "address bond bridge link macvlan network persist route veth vlan vxlan"
MODULES = frozenset(f"modules.{kind}" for kind in _KINDS.split())  # whose functions change the network
STATES = frozenset(_KINDS.split()) | {"sysctl"}


class Ended(NamedTuple):
    """How a transaction was settled. KEPT: the change stays (WAITING: for now, until a person confirms). TEXT for
    people. COMPLETE: everything is back, where it was not kept."""

    kept: bool
    text: str
    waiting: bool = False
    complete: bool = True


class Transaction(Protocol):
    """What the minion gives: one transaction."""

    by_person: bool

    def touches(self, steps: Sequence[Step]) -> str | None:
        """What STEPS touch that wants a transaction, in words for a preview; None where nothing does."""
        ...

    def open(self) -> None:
        """Take the checkpoint and arm the guard. SalternError: nothing was changed, nothing may be."""
        ...

    def extend(self, steps: Sequence[Step]) -> None:
        """Note what STEPS are about to touch. SalternError where the transaction is over, or guarded no longer."""
        ...

    def holding(self) -> AbstractContextManager[None]:
        """Around one step: nobody takes the transaction back meanwhile. SalternError where that has happened."""
        ...

    def commit(self) -> Ended:
        """Prove that the node is reached and keep the change, or take it back."""
        ...

    def roll_back(self, why: str) -> Ended:
        """Take the change back."""
        ...


class Refused(PermanentError):
    """A network state does not run, since the transaction of its run was taken back."""


class RolledBack(Exception):
    """What a state that is about to act stands on was taken back meanwhile."""


def is_network(step: Step) -> bool:
    """Whether STEP changes the network, or what keeps it over a boot."""
    module = step.do.function.__module__
    if module in MODULES or module.startswith("modules._persist."):
        return True
    if module != "modules.sysctl" or not step.do.args:
        return False
    return str(step.do.args[0]).startswith(("net.", "net/"))


class Block:
    """The states of one run that are in a transaction, by their positions; SETTLED is told how it ended, PROVE says
    what is not as the states of the transaction want it, '' where all is."""

    def __init__(
        self,
        ctx: Context,
        make: Callable[[Context], Transaction],
        lows: Sequence[Low],
        prove: Callable[[Sequence[int]], str],
        settled: Callable[[Sequence[int], Ended], None],
    ) -> None:
        self._ctx, self._make, self._lows, self._prove, self._settled = ctx, make, lows, prove, settled
        self._transaction: Transaction | None = None  # the one that is open, or will be
        self._open = False
        self._positions: list[int] = []
        self._refused = ""

    def told(self, steps: Sequence[Step]) -> str | None:
        """What a preview says of STEPS beside themselves."""
        network = [step for step in steps if is_network(step)]
        return self._which().touches(network) if network else None

    def before(self, position: int, steps: Sequence[Step]) -> None:
        """The state at POSITION is about to run STEPS. SalternError: it must not. RolledBack: it has to look again."""
        network = [step for step in steps if is_network(step)]
        if not network:
            if self._open and not self._which().by_person and not self.settle():
                raise RolledBack
            return
        transaction = self._which()
        if not self._open:
            if transaction.touches(network) is None:
                return
            if self._refused:
                raise Refused(f"not done, since the network transaction of this run {self._refused}")
            fetch_ahead(self._lows[position:], self._ctx.files)
            self._say(position, "taking a checkpoint, arming the guard")
            try:
                transaction.open()
            except SalternError as error:
                self._refused = f"could not begin: {_first_line(str(error))}"
                self._transaction = None
                raise
            self._open = True
        transaction.extend(steps)
        if position not in self._positions:
            self._positions.append(position)

    def run(self, step: Step) -> Any:
        """Run STEP, so that nothing is taken back in the middle of it."""
        if not self._open or self._transaction is None:
            return step.do()
        with self._transaction.holding():
            return step.do()

    def seen(self, position: int, failed: str | None) -> None:
        """The state at POSITION ended; FAILED says how, where it did."""
        if not self._open or failed is None:
            return
        low = self._lows[position]
        if position in self._positions or low.module in STATES:
            if position not in self._positions:
                self._positions.append(position)
            self._end(self._which().roll_back(f"{low.module} {low.id} failed: {_first_line(failed)}"))

    def settle(self) -> bool:
        """Commit, or take back what can't be; whether the change is kept. Nothing to do is fine."""
        if not self._open:
            return True
        transaction = self._which()
        self._say(self._positions[-1], "proving the change")
        _look_anew()
        wrong = self._prove(self._positions)
        ended = transaction.roll_back(wrong) if wrong else transaction.commit()
        self._end(ended)
        return ended.kept

    def settle_for_another(self) -> bool:
        """Settle before a state that runs in a thread of its own; whether nothing is open now."""
        if self._open and not self._which().by_person:
            self.settle()
        return not self._open

    def break_off(self) -> None:
        """The run ends in the middle."""
        if self._open:
            self._which().roll_back("the run was broken off")
            self._open = False

    def _end(self, ended: Ended) -> None:
        positions, self._positions = self._positions, []
        self._open, self._transaction = False, None
        if not ended.kept:
            self._refused = f"was taken back: {ended.text}"
            _look_anew()
        self._settled(positions, ended)

    def _which(self) -> Transaction:
        if self._transaction is None:
            self._transaction = self._make(self._ctx)
        return self._transaction

    def _say(self, position: int, words: str) -> None:
        total = len(self._lows)
        self._ctx.progress(position + 1, total, f"{self._lows[position].id} (network transaction: {words})")


class Gate(NamedTuple):
    """The block for the state at POSITION."""

    block: Block
    position: int

    def told(self, steps: Sequence[Step]) -> str | None:
        """See `Block.told`."""
        return self.block.told(steps)

    def before(self, steps: Sequence[Step]) -> None:
        """See `Block.before`."""
        self.block.before(self.position, steps)

    def run(self, step: Step) -> Any:
        """See `Block.run`."""
        return self.block.run(step)


def fetch_ahead(lows: Sequence[Low], files: FileSource) -> None:
    """Bring the files that LOWS name here before the network changes. One that can't be had is its state's affair."""
    wanted: dict[str, list[str]] = {}
    for low in lows:
        for uri in _uris(low.args):
            with suppress(ValueError):
                path, env = split_uri(uri, low.saltenv)
                wanted.setdefault(env, []).append(path)
    for env, paths in wanted.items():
        with suppress(OSError):
            known = set(files.list(env))
            there = [one for path in paths for one in ([path] if path in known else iter_under(files, path, env))]
            if there:
                files.fetch(tuple(dict.fromkeys(there)), env)


def _look_anew() -> None:
    """What modules keep of the node for the run may be true no longer."""
    if scope := current():
        scope.acts += 1


def _uris(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.startswith("salt://"):
            yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _uris(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _uris(inner)


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
