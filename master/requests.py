"""What the commands may ask of the master: publish a job, call a runner, manage keys."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from master import fields, key_requests, keys, mine, runners
from master.caller import Answer, Caller
from master.collecting import collect
from master.control import Conversation, Handler
from master.custom_runners import CustomRunners
from master.dispatch import Dispatch
from master.ends import OUTCOMES, line
from master.orchestration.doing import ORCHESTRATE
from master.orchestration.parts import Parts
from master.peer_asks import Publish
from master.peers import Peers
from master.presence import Minion
from master.reaction import Call
from master.turns import Pace, share_of, size_of
from saltern import loader
from saltern.config import MasterConfig
from saltern.errors import UsageError
from saltern.targeting import MinionView, compile_target
from saltern.wire.keys import KeyPair


@dataclass(slots=True)
class Requests:
    """The handlers of the control socket, over the master's parts."""

    config: MasterConfig
    pair: KeyPair
    dispatch: Dispatch
    custom: CustomRunners = field(init=False)

    def __post_init__(self) -> None:
        self.custom = CustomRunners(self.config, runners.TABLE)
        self.dispatch.select = self.select
        asking = self.dispatch.asks.asking
        asking.select, asking.peers, asking.run = self.select, Peers(self.config.peer), self._for_minion
        self.dispatch.orchestration = Parts(self.config, self._run, self._check, self._key, runners.TELLING)

    def table(self) -> dict[str, Handler]:
        """The handlers by `op`."""
        return {"publish": self.publish, "runner": self.runner, "key": self.key, "events": self.events}

    # --- jobs ----------------------------------------------------------------------------------------------------

    async def publish(self, talk: Conversation, request: Mapping[str, Any]) -> None:
        """Resolve the target, send the job, and follow it to its end."""
        function, args, kwargs = _call(request)
        chosen = await self.select(
            fields.text(request, "target"), fields.text(request, "form", "glob"), fields.text(request, "delimiter", ":")
        )
        if not chosen:
            raise UsageError(
                f"no minion matches {request['target']!r}"
                + ("" if self.dispatch.presence.minions else ": no key is accepted yet (saltern-key list)")
            )
        subset = int(fields.number(request, "subset"))
        if subset:
            chosen = sorted(random.sample(chosen, min(subset, len(chosen))), key=lambda minion: minion.id)
        job = await self.dispatch.publish(
            chosen,
            function,
            args,
            kwargs,
            target=str(request["target"]),
            form=str(request.get("form", "glob")),
            user=talk.user,
            watcher=None if request.get("async") else talk.emit,
            pace=_pace(request, len(chosen)),
            queue_s=fields.number(request, "queue"),
        )
        if request.get("async"):
            targets = {target.minion: target.state for target in job.targets.values()}
            talk.say("job", jid=job.jid, function=function, targets=targets)
            talk.say("end", ok=True)
            return
        timeout = fields.number(request, "timeout") or self.config.timeout
        try:
            async with asyncio.timeout(timeout or None):
                await talk.ended.wait()
        except TimeoutError:
            self.dispatch.time_out(job)
        finally:
            self.dispatch.unwatch(job, talk.emit)

    async def select(self, expression: str, form: str, delimiter: str = ":") -> list[Minion]:
        """The accepted minions that the target matches, by id. UsageError where it can't be understood."""
        target = compile_target(expression, form, nodegroups=self.config.nodegroups, delimiter=delimiter)
        minions = sorted(self.dispatch.presence.minions.values(), key=lambda minion: minion.id)
        pillars: Mapping[bytes, Mapping[str, Any]] = {}
        if needs_pillar(expression, form, self.config.nodegroups):
            pillars = await self.dispatch.pillars(minions)
        return [
            minion
            for minion in minions
            if target.matches(MinionView(minion.id, minion.grains, pillars.get(minion.record.public, {})))
        ]

    async def _for_minion(self, minion: Minion, chosen: Sequence[Minion], asked: Publish, timeout_s: float) -> Any:
        """Run what a minion may have run on the CHOSEN: what each returned in time."""
        found = await collect(
            self.dispatch,
            chosen,
            asked.function,
            args=asked.args,
            kwargs=asked.kwargs,
            target=asked.tgt,
            form=asked.form,
            user=f"peer/{minion.id}",
            timeout_s=timeout_s,
        )
        return {
            name: {"fun": asked.function, "ret": one.value, "success": one.ok}
            for name, one in found.items()
            if one.outcome in OUTCOMES
        }

    # --- runners -------------------------------------------------------------------------------------------------

    async def runner(self, talk: Conversation, request: Mapping[str, Any]) -> None:
        """Call a runner and give what it returns."""
        function, args, kwargs = _call(request)
        caller = Caller(talk.user, lambda event: talk.emit(line(**event)))
        answer = await self._run(function, args, kwargs, caller)
        talk.say("data", data=answer.data, out=answer.out)
        talk.say("end", ok=answer.ok)

    async def _run(self, function: str, args: Sequence[Any], kwargs: Mapping[str, Any], caller: Caller) -> Answer:
        self._check(function, args, kwargs)
        if function not in runners.TABLE:
            return Answer(await self.custom.run(function, args, kwargs), "nested")
        answer = await runners.run(function, args, kwargs, self.dispatch, caller)
        return replace(answer, data={**answer.data, **self.custom.docs()}) if function == "doc.runner" else answer

    def _check(self, function: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """UsageError where FUNCTION is no runner, built in or of the trees, or a built-in one can't be called so."""
        self.custom.check(function)
        if function in runners.TABLE:
            runners.check(function, args, kwargs)

    # --- events --------------------------------------------------------------------------------------------------

    async def events(self, talk: Conversation, request: Mapping[str, Any]) -> None:
        """Tell what happens until the command is gone."""
        end = self.dispatch.bus.follow(fields.text(request, "tag", "*"), talk.emit)
        talk.say("following")
        try:
            await talk.gone.wait()
        finally:
            end()

    # --- keys ----------------------------------------------------------------------------------------------------

    async def react(self, call: Call) -> None:
        """Do what a reactor SLS says."""
        if call.kind == "wheel":
            request = {"action": call.function.partition(".")[2], "match": call.tgt, "include": list(keys.STATES)}
            await self._key(request)
        elif call.kind == "runner":
            running = self._run(call.function, call.args, call.kwargs, Caller("reactor"))
            if call.function in ORCHESTRATE:  # it may take long, and wait for events that the reactor is to answer
                self.dispatch.ends.tasks.start(running)
            else:
                await running
        else:
            chosen = await self.select(call.tgt, call.form)
            if not chosen:
                raise UsageError(f"no minion matches {call.tgt!r}")
            await self.dispatch.publish(
                chosen,
                call.function,
                call.args,
                call.kwargs,
                target=call.tgt,
                form=call.form,
                user="reactor",
                watcher=None,
                queue_s=call.queue_s,
            )

    async def key(self, talk: Conversation, request: Mapping[str, Any]) -> None:
        """List, accept, reject, delete and show keys; make join tokens."""
        talk.say("data", data=await self._key(request))
        talk.say("end", ok=True)

    async def _key(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await self.dispatch.store.do(
            lambda c: key_requests.answer(c, request, self.config, self.pair, time.time())
        )
        for record in answer.changed:
            self._apply(answer.action, record)
        return answer.data

    def _apply(self, action: str, record: keys.Record) -> None:
        presence, router = self.dispatch.presence, self.dispatch.router
        self.dispatch.bus.fire("salt/key", {"id": record.id, "act": action, "finger": record.fingerprint})
        if action == "accept":
            presence.put(record)
            router.admit_stranger(record)
            return
        router.cut(record.public, f"the key of {record.id} was {'rejected' if action == 'reject' else 'deleted'}")
        if action == "reject":
            presence.put(record)
        else:
            presence.forget(record.public)
        self.dispatch.ends.tasks.start(self.dispatch.store.do(lambda c: mine.flush(c, record.id)))


def _pace(request: Mapping[str, Any], total: int) -> Pace | None:
    """How fast the job goes to TOTAL minions; None: to all at once."""
    batch, stop = fields.optional(request, "batch"), fields.optional(request, "stop_at")
    if batch is None:
        if stop is not None:
            raise UsageError("to stop at failures, the job has to go in batches: give a batch size too")
        return None
    share = None if stop is None else share_of(stop)
    return Pace(size=size_of(batch, total), wait_s=fields.number(request, "batch_wait"), most_failed=share)


def needs_pillar(expression: str, form: str, nodegroups: Mapping[str, Any]) -> bool:
    """Whether the target asks for pillar, so that it has to be rendered first."""
    if form not in ("compound", "nodegroup"):
        return form.startswith("pillar")
    text = expression + json.dumps(nodegroups)
    return any(mark in text for mark in ("I@", "J@", "I|", "J|"))


def _call(request: Mapping[str, Any]) -> tuple[str, list[Any], dict[str, Any]]:
    function, args, kwargs = request.get("function"), request.get("args", []), request.get("kwargs", {})
    if not isinstance(function, str) or not isinstance(args, list) or not isinstance(kwargs, dict):
        raise UsageError("a call has a function, a list of args and a mapping of kwargs")
    if not loader.is_name(function):
        raise UsageError(f"{function!r} is not the name of a function: write it as NAMESPACE.NAME, like test.ping")
    return function, args, kwargs
