"""Goes through the states of an orchestration: each in its order, after what it requires.

The requisites, their meaning and the shape of the results are those of a run on a minion (`saltern.converge`); what is
different is that a state here waits for others, so the loop goes on meanwhile, and that nothing is observed.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from master.orchestration.doing import Done
from saltern.converge import checks
from saltern.converge.requisites import REACTING, Links
from saltern.converge.result import StateResult, Verdict
from saltern.errors import SalternError
from saltern.sls.low import Low

logger = logging.getLogger(__name__)

Do = Callable[[int, bool, float], Awaitable[Done]]  # a position, whether it is a test, and since when events count


class Ended(NamedTuple):
    """The RESULT of a state, and the job on minions that it was."""

    result: StateResult
    jid: str

    def as_salt(self) -> dict[str, object]:
        """As Salt's JSON has it."""
        return {**self.result.as_salt(), **({"__jid__": self.jid} if self.jid else {})}


class Run:
    """One run of LOWS. DO does what one asks for; BEGUN hears of each that begins, ENDED of each that has ended."""

    def __init__(
        self,
        lows: Sequence[Low],
        do: Do,
        *,
        test: bool,
        begun: Callable[[int], Awaitable[None]],
        ended: Callable[[Ended], None],
    ) -> None:
        self._lows, self._do, self._test, self._begun, self._heard = lows, do, test, begun, ended
        self._links = Links(lows)
        self._results: list[StateResult | None] = [None] * len(lows)
        self._began: dict[int, float] = {}  # by position: when it began, of the monotonic clock
        self._ended: list[Ended] = []
        self._number = 0
        self._going: dict[int, asyncio.Task[Ended]] = {}

    async def all(self) -> list[Ended]:
        """Run all states: their results, in the order in which they began."""
        try:
            for position, low in enumerate(self._lows):
                if await self._collect(self._links.looked_at(position)):
                    break
                await self._begun(position)
                running = self._one(position, self._number)
                self._number += 1
                if low.options.get("parallel"):
                    self._going[position] = asyncio.ensure_future(running)
                elif self._take(position, await running):
                    break
            await self._collect(set(self._going))
        finally:
            for task in self._going.values():
                task.cancel()
        return sorted(self._ended, key=lambda one: one.result.number)

    async def _collect(self, positions: set[int]) -> bool:
        """Wait for those of POSITIONS that still run; whether one ends the run."""
        stops = [
            self._take(position, await self._going.pop(position)) for position in sorted(positions & set(self._going))
        ]
        return any(stops)

    def _take(self, position: int, ended: Ended) -> bool:
        """Take note of how a state ended; whether that ends the run."""
        self._results[position] = ended.result
        self._ended.append(ended)
        self._heard(ended)
        return ended.result.verdict.result is False and bool(self._lows[position].options.get("failhard"))

    async def _one(self, position: int, number: int) -> Ended:
        low = self._lows[position]
        start, begin = time.time(), time.monotonic()
        self._began[position] = begin
        done = await self._done(position)
        passed = (time.monotonic() - begin) * 1000
        return Ended(StateResult(low, self._warned(position, done.verdict), number, start, passed, low.fun), done.jid)

    def _warned(self, position: int, verdict: Verdict) -> Verdict:
        low = self._lows[position]
        kinds = {need.kind for need, _ in self._links.of(position)}
        said = []
        if kinds & REACTING:
            said.append(f"{low.place}: nothing here reacts to a change, so `watch` is only a `require`")
        if "listen" in kinds:
            said.append(f"{low.place}: nothing here reacts to a change, so `listen` does nothing")
        if self._test and verdict.result is False and verdict.ran:
            earlier = [self._lows[other].id for other in sorted(self._links.looked_at(position)) if self._would(other)]
            if earlier:
                said.append(
                    f"{low.place}: {', '.join(earlier)} would change something first, so a run may go otherwise"
                )
        return verdict._replace(warnings=(*verdict.warnings, *said)) if said else verdict

    def _would(self, position: int) -> bool:
        result = self._results[position]
        return result is not None and result.verdict.result is None

    async def _done(self, position: int) -> Done:
        hindrance = self._links.hindrance(position, self._results, lambda _: True)
        if hindrance is None and (coming := self._links.named(position, ("prereq",))):
            would = {other: await self._would_change(other, {position}) for other in coming}
            hindrance = self._links.hindrance(position, self._results, would.__getitem__)
        if hindrance is not None:
            return Done(hindrance)
        retry = checks.retry_of(self._lows[position])
        said: list[str] = []
        for attempt in range(1, (1 if self._test else retry.attempts) + 1):
            done = await self._attempt(position, self._test)
            if done.verdict.result is retry.until or attempt >= retry.attempts or self._test:
                break
            said.append(f"Attempt {attempt} ended with {done.verdict.result}: {done.verdict.comment}")
            spread = random.uniform(0, retry.splay)  # noqa: S311 - spreads load, guards nothing
            await asyncio.sleep(retry.interval + spread)
        if said:
            comment = "\n".join([*said, done.verdict.comment])
            done = done._replace(verdict=done.verdict._replace(comment=comment))
        return done

    async def _attempt(self, position: int, test: bool) -> Done:
        low = self._lows[position]
        needed = [self._began[other] for other in self._links.looked_at(position) if other in self._began]
        try:
            return await self._do(position, test, min(needed, default=time.monotonic()))
        except SalternError as error:
            return Done(Verdict(False, f"{low.place}: {error}"))
        except Exception as error:
            logger.exception("the state %s of an orchestration", low.tag)
            text = f"{low.place}: the master failed on this, see its log: {type(error).__name__}: {error}"
            return Done(Verdict(False, text))

    async def _would_change(self, position: int, asking: set[int]) -> bool:
        """Whether the state at POSITION, whose turn comes later, would change something as things are now."""
        if position in asking:
            return False
        coming = self._links.named(position, ("prereq",))
        if coming and not any([await self._would_change(other, asking | {position}) for other in coming]):
            return False
        return (await self._attempt(position, True)).verdict.changed
