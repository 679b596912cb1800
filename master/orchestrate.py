"""The runner `state.orchestrate`: one orchestration from its SLS to its result, a job of the master's history."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from master import own_jobs
from master.caller import Answer, Caller
from master.dispatch import Dispatch
from master.orchestration import apart, load
from master.orchestration.awaited import Awaited
from master.orchestration.doing import Doing, Done
from master.orchestration.load import Wanted
from master.orchestration.parts import Parts
from master.orchestration.run import Ended, Run
from saltern import names
from saltern.errors import SalternError, UsageError, nearest
from saltern.orchestration.asked import Asked, AwaitEvent, OnMaster, OnMinions, Together
from saltern.sls.low import Low
from saltern.targeting import compile_target

logger = logging.getLogger(__name__)

FUNCTION = "state.orchestrate"
_RUNNER_S = 60.0  # how long a template may wait for a runner


async def orchestrate(
    master: Dispatch,
    mods: str | Sequence[str],
    saltenv: str = "base",
    test: bool | None = None,
    exclude: str | Sequence[Any] | None = None,
    pillar: Mapping[str, Any] | None = None,
    *,
    caller: Caller,
) -> Answer:
    """Run the orchestration MODS: an SLS of the master's tree (or several) whose states act on targets, by salt.state,
    salt.function, salt.runner, salt.wheel, salt.wait_for_event and salt.parallel_runners.

    saltenv: the environment. test: only tell what would change. exclude: SLS that are left out. pillar: what its
    templates know as `pillar`.
    """
    parts = master.orchestration
    if parts is None:
        raise UsageError("the master is starting")
    wanted = load.wanted(mods, saltenv, test, pillar, exclude)
    call = _for_templates(master, parts, caller)
    lows = await asyncio.to_thread(apart.compiled, parts.config, wanted, call, lambda low: _check(low, parts))
    jid = await own_jobs.begin(master, FUNCTION, [wanted.mods], _arguments(wanted), caller.user)
    caller.tell({"event": "job", "jid": jid, "function": FUNCTION, "targets": {own_jobs.NAME: "received"}})
    begin = time.monotonic()
    running = asyncio.ensure_future(_run(master, Doing(master, parts, caller), lows, wanted, jid))
    master.orchestrations[jid] = running
    try:
        results = await running
    except asyncio.CancelledError:
        if jid in master.orchestrations:  # not stopped by a command: the master ends, and the next one says so
            raise
        text = "Stopped by `jobs.stop`. Jobs that it had sent to minions go on."
        passed = (time.monotonic() - begin) * 1000
        await own_jobs.end(master, jid, FUNCTION, ok=False, value=text, duration_ms=passed, killed=True)
        raise SalternError(f"the orchestration was stopped by `jobs.stop {jid}`; jobs on minions go on") from None
    finally:
        master.orchestrations.pop(jid, None)
    ok = all(one.result.verdict.result is not False for one in results)
    data = {own_jobs.NAME: {one.result.tag: one.as_salt() for one in results}}
    passed = (time.monotonic() - begin) * 1000
    await own_jobs.end(master, jid, FUNCTION, ok=ok, value=data[own_jobs.NAME], duration_ms=passed)
    if not ok:
        failed = ", ".join(one.result.low.id for one in results if one.result.verdict.result is False)
        logger.error("the orchestration %s (job %s) failed: %s", ",".join(wanted.mods), jid, failed)
    return Answer(data, "orchestration", ok)


async def stop(master: Dispatch, jid: str) -> str:
    """End the orchestration that is the job JID before its next state. Jobs that it has sent to minions go on."""
    running = master.orchestrations.pop(names.jid(str(jid)), None)
    if running is None:
        known = ", ".join(master.orchestrations) or "there is none"
        raise UsageError(f"no orchestration runs as job {jid} (now: {known}); saltutil.kill_job ends jobs on minions")
    running.cancel()
    return f"{jid} is stopped"


async def _run(master: Dispatch, doing: Doing, lows: Sequence[Low], wanted: Wanted, jid: str) -> list[Ended]:
    asked = [load.asked_by(low) for low in lows]
    waiting = {n: Awaited(master.bus, one) for n, one in enumerate(asked) if isinstance(one, AwaitEvent)}

    async def do(position: int, test: bool, since: float) -> Done:
        if position in waiting and not test:
            return Done(await waiting[position].wait(since))
        failhard = bool(lows[position].options.get("failhard"))
        return await doing.do(asked[position], test=test, failhard=failhard)

    async def begun(position: int) -> None:
        step, id = position + 1, lows[position].id
        doing.caller.tell({"event": "progress", "minion": own_jobs.NAME, "step": step, "total": len(lows), "id": id})
        await own_jobs.at_step(master, jid, step, len(lows), id)

    def ended(one: Ended) -> None:
        if not wanted.test and (fire := one.result.low.options.get("fire_event")):
            own = fire if isinstance(fire, str) else re.sub(r"[^A-Za-z0-9_.:-]", "_", one.result.low.id)[:64]
            master.bus.fire(f"salt/state_result/{jid}/{own}", one.as_salt)

    try:
        return await Run(lows, do, test=wanted.test, begun=begun, ended=ended).all()
    finally:
        for one in waiting.values():
            one.close()


def _arguments(wanted: Wanted) -> dict[str, Any]:
    """What the history keeps of the arguments: of a pillar its keys alone, since its values may be secret."""
    given: dict[str, Any] = {"saltenv": wanted.saltenv} if wanted.saltenv != "base" else {}
    if wanted.test:
        given["test"] = True
    return {**given, "pillar": sorted(map(str, wanted.pillar))} if wanted.pillar else given


def _check(low: Low, parts: Parts) -> None:
    """Whether this master has what LOW asks for. UsageError."""
    asked: Asked = load.asked_by(low)
    if isinstance(asked, OnMinions):
        compile_target(asked.tgt, asked.form, nodegroups=parts.config.nodegroups)
    runners = asked.runners.values() if isinstance(asked, Together) else [asked]
    for one in runners:
        if isinstance(one, OnMaster) and one.kind == "runner":
            parts.check(one.function, one.args, one.kwargs)


def _for_templates(master: Dispatch, parts: Parts, caller: Caller) -> Callable[..., Any]:
    """What templates have as `salt['saltutil.runner']`; it is called in the thread that renders."""
    loop = asyncio.get_running_loop()

    def call(name: str, *args: Any, arg: Sequence[Any] = (), kwarg: Mapping[str, Any] | None = None, **kw: Any) -> Any:
        if name not in parts.telling:
            known = nearest(name, parts.telling)
            raise UsageError(f"a template can call runners that only tell, and {name!r} is none of these.{known}")
        running = asyncio.run_coroutine_threadsafe(
            _awaited(parts, name, [*args, *arg], {**(kwarg or {}), **kw}, caller), loop
        )
        try:
            return running.result(_RUNNER_S).data
        except TimeoutError:
            running.cancel()
            raise SalternError(f"the runner {name} did not answer within {_RUNNER_S:g} s") from None

    return call


async def _awaited(parts: Parts, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], caller: Caller) -> Answer:
    return await parts.run(name, args, kwargs, caller)
