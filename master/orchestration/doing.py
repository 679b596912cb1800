"""Does what a state of an orchestration asks for, or in test mode says what it would do.

A state run on minions has a test mode of its own, and so has an orchestration below this one; both are run in it.
Nothing else is called in test mode.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from master import keys
from master.caller import Answer, Caller
from master.collecting import Collected, collect
from master.dispatch import Dispatch
from master.orchestration import judge
from master.orchestration.parts import Parts
from master.presence import Minion
from master.turns import Pace, size_of
from saltern.converge.result import Verdict
from saltern.errors import SalternError, UsageError
from saltern.orchestration.asked import Asked, AwaitEvent, OnMaster, OnMinions, Together

ORCHESTRATE = ("state.orchestrate", "state.orch", "state.sls")
MOST_DEPTH = 8  # orchestrations that call orchestrations


class Done(NamedTuple):
    """The VERDICT on a state, and the job on minions, if it was one."""

    verdict: Verdict
    jid: str = ""


@dataclass(frozen=True, slots=True)
class Doing:
    """One orchestration's way to the MASTER and its PARTS; CALLER is who called it."""

    master: Dispatch
    parts: Parts
    caller: Caller

    async def do(self, asked: Asked, *, test: bool, failhard: bool = False) -> Done:
        """Do what is ASKED. FAILHARD: a batch ends when more than may have failed. SalternError."""
        if isinstance(asked, OnMinions):
            return await self._on_minions(replace(asked, test=test or asked.test), test, failhard)
        if isinstance(asked, OnMaster):
            return Done(await self._on_master(asked, test))
        if isinstance(asked, Together):
            return Done(await self._together(asked, test))
        return Done(_would_wait(asked))

    async def _on_minions(self, asked: OnMinions, test: bool, failhard: bool) -> Done:
        chosen = await self.master.select(asked.tgt, asked.form)
        if not chosen:
            hint = "" if self.master.presence.minions else ": no key is accepted yet (saltern-key list)"
            raise UsageError(f"no minion matches {asked.tgt!r}{hint}")
        if asked.subset:
            chosen = sorted(random.sample(chosen, min(asked.subset, len(chosen))), key=lambda minion: minion.id)
        if test and not asked.states:
            return Done(judge.would(asked, [minion.id for minion in chosen]))
        jid = ""

        def tell(event: Mapping[str, Any]) -> None:
            nonlocal jid
            if event["event"] == "job":
                jid = event["jid"]
            elif event["event"] in ("progress", "return"):
                self.caller.tell({**event, "event": "returned" if event["event"] == "return" else "progress"})

        found = await collect(
            self.master,
            chosen,
            asked.function,
            args=asked.args,
            kwargs={**asked.kwargs, **({"test": True} if asked.test and asked.states else {})},
            target=asked.tgt,
            form=asked.form,
            user=self.caller.user,
            timeout_s=asked.timeout_s or self.parts.config.timeout or None,
            pace=_pace(asked, chosen, failhard),
            tell=tell,
        )
        silent = Collected("timed out", "it has not returned")
        found = {minion.id: found.get(minion.id, silent) for minion in chosen}
        return Done(judge.verdict(asked, {**found, **_unknown(asked, found)}), jid)

    async def _on_master(self, asked: OnMaster, test: bool) -> Verdict:
        if asked.kind == "wheel":
            return await self._wheel(asked, test)
        below = asked.function in ORCHESTRATE
        if test and not below:
            return Verdict(None, f"Would call {asked}", changed=True)
        answer = await self._run(asked, test)
        said = f"{asked} was called" if answer.ok else f"{asked} failed"
        if not below:
            return Verdict(answer.ok, said, {"return": answer.data}, changed=True)
        states = answer.data["master"]
        moved = judge.changed(states)
        if answer.ok and judge.undecided(states):
            return Verdict(None, f"{asked} would change something", {"return": answer.data}, changed=True)
        broken = [str(state.get("__id__")) for state in states.values() if state.get("result") is False]
        said += f": {', '.join(broken)}" if broken else ""
        return Verdict(answer.ok, said, {"return": answer.data} if moved or not answer.ok else {}, changed=moved)

    async def _run(self, asked: OnMaster, test: bool) -> Answer:
        caller = replace(self.caller, depth=self.caller.depth + 1)
        if asked.function not in ORCHESTRATE:
            return await self.parts.run(asked.function, asked.args, asked.kwargs, caller)
        if caller.depth >= MOST_DEPTH:
            raise UsageError(f"{asked.function} is called by itself: {MOST_DEPTH} orchestrations lie above this one")
        kwargs = {**asked.kwargs, "test": True} if test else asked.kwargs
        return await self.parts.run(asked.function, asked.args, kwargs, caller)

    async def _wheel(self, asked: OnMaster, test: bool) -> Verdict:
        action = asked.function.partition(".")[2]
        match = asked.kwargs.get("match")
        of = f" of {match}" if match else ""
        if test and action not in ("list", "finger"):
            return Verdict(None, f"Would call {asked}{of}", changed=True)
        request = {"action": action, "match": match, "include": list(keys.STATES)}
        data = dict(await self.parts.wheel(request))
        moved = bool(data.get("changed")) or action in ("list", "finger")
        return Verdict(True, f"{asked} was called{of}", {"return": data} if moved else {}, changed=moved)

    async def _together(self, asked: Together, test: bool) -> Verdict:
        results = await asyncio.gather(*(self._one(runner, test) for runner in asked.runners.values()))
        verdicts = dict(zip(asked.runners, results, strict=True))
        failed = [id for id, one in verdicts.items() if one.result is False]
        lines = [f"Failed: {', '.join(failed)}" if failed else f"{len(verdicts)} runners, all well"]
        lines += [f"  {id}: {one.comment}" for id, one in verdicts.items() if test or id in failed]
        result = False if failed else None if any(one.result is None for one in results) else True
        returned = {id: one.changes["return"] for id, one in verdicts.items() if "return" in one.changes}
        changes = {"ret": returned} if returned else {}
        return Verdict(result, "\n".join(lines), changes, changed=any(one.changed for one in results))

    async def _one(self, runner: OnMaster, test: bool) -> Verdict:
        try:
            return await self._on_master(runner, test)
        except SalternError as error:
            return Verdict(False, str(error))


def _unknown(asked: OnMinions, found: Mapping[str, Collected]) -> dict[str, Collected]:
    """Those that a list names and that are no minions: they are missing as much as one that is away."""
    if asked.form != "list" or asked.subset:
        return {}
    listed = [id.strip() for id in asked.tgt.split(",") if id.strip()]
    return {id: Collected("unknown", "no minion of this id is accepted") for id in listed if id not in found}


def _pace(asked: OnMinions, chosen: Sequence[Minion], failhard: bool) -> Pace | None:
    """How fast the job goes to the CHOSEN. FAILHARD: it ends when more have failed than may."""
    if asked.batch is None:
        return None
    total = len(chosen)
    return Pace(
        size=size_of(asked.batch, total),
        wait_s=asked.batch_wait_s,
        most_failed=asked.allowed.of(total) / total if failhard else None,
        excused=frozenset(minion.record.public for minion in chosen if minion.id in asked.may_fail),
    )


def _would_wait(asked: AwaitEvent) -> Verdict:
    of = f" of {', '.join(asked.ids)}" if asked.ids else ""
    return Verdict(None, f"Would wait for the event {asked.pattern}{of}, {asked.timeout_s:g} s at most", changed=False)
