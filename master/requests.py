"""What the commands may ask of the master: publish a job, call a runner, manage keys."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from master import keys, runners
from master.control import Conversation, Handler
from master.dispatch import Dispatch
from master.presence import Minion
from saltern import loader
from saltern.config import MasterConfig
from saltern.errors import UsageError
from saltern.targeting import MinionView, compile_target
from saltern.wire.keys import KeyPair
from saltern.wire.token import Token, to_text


@dataclass(slots=True)
class Requests:
    """The handlers of the control socket, over the master's parts."""

    config: MasterConfig
    pair: KeyPair
    dispatch: Dispatch

    def table(self) -> dict[str, Handler]:
        """The handlers by `op`."""
        return {"publish": self.publish, "runner": self.runner, "key": self.key}

    # --- jobs ----------------------------------------------------------------------------------------------------

    async def publish(self, talk: Conversation, request: Mapping[str, Any]) -> None:
        """Resolve the target, send the job, and follow it to its end."""
        function, args, kwargs = _call(request)
        chosen = await self.select(
            _text(request, "target"), _text(request, "form", "glob"), _text(request, "delimiter", ":")
        )
        if not chosen:
            raise UsageError(
                f"no minion matches {request['target']!r}"
                + ("" if self.dispatch.presence.minions else ": no key is accepted yet (saltern-key list)")
            )
        job = await self.dispatch.publish(
            chosen,
            function,
            args,
            kwargs,
            target=str(request["target"]),
            form=str(request.get("form", "glob")),
            user=talk.user,
            watcher=None if request.get("async") else talk.emit,
        )
        if request.get("async"):
            targets = {target.minion: target.state for target in job.targets.values()}
            talk.say("job", jid=job.jid, function=function, targets=targets)
            talk.say("end", ok=True)
            return
        timeout = _number(request, "timeout") or self.config.timeout
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

    # --- runners -------------------------------------------------------------------------------------------------

    async def runner(self, talk: Conversation, request: Mapping[str, Any]) -> None:
        """Call a runner and give what it returns."""
        function, args, kwargs = _call(request)
        data, out = await runners.run(function, args, kwargs, self.dispatch)
        talk.say("data", data=data, out=out)
        talk.say("end", ok=True)

    # --- keys ----------------------------------------------------------------------------------------------------

    async def key(self, talk: Conversation, request: Mapping[str, Any]) -> None:
        """List, accept, reject, delete and show keys; make join tokens."""
        action = _text(request, "action")
        presence, store = self.dispatch.presence, self.dispatch.store
        records = sorted(presence.records.values(), key=lambda record: record.id)
        if action == "list":
            data: Mapping[str, Any] = keys.listing(records)
        elif action == "finger":
            match = request.get("match") or "*"
            data = {
                "master": self.pair.fingerprint,
                "master_key": self.pair.public.hex(),
                "minions": {r.id: r.fingerprint for r in keys.select(records, str(match), None, keys.STATES)}
                if records
                else {},
            }
        elif action == "token":
            data = await self._token(request)
        elif action in ("accept", "reject", "delete"):
            chosen = keys.select(
                records, _optional(request, "match"), _optional(request, "fingerprint"), _include(request, action)
            )
            changed = await store.do(lambda c: keys.change(c, chosen, action, time.time()))
            for record in changed:
                self._apply(action, record)
            data = {"changed": [{"id": record.id, "fingerprint": record.fingerprint} for record in changed]}
        else:
            raise UsageError(f"no such key action: {action!r}")
        talk.say("data", data=data)
        talk.say("end", ok=True)

    def _apply(self, action: str, record: keys.Record) -> None:
        presence, router = self.dispatch.presence, self.dispatch.router
        if action == "accept":
            presence.put(record)
            router.admit_stranger(record)
            return
        router.cut(record.public, f"the key of {record.id} was {'rejected' if action == 'reject' else 'deleted'}")
        if action == "reject":
            presence.put(record)
        else:
            presence.forget(record.public)

    async def _token(self, request: Mapping[str, Any]) -> dict[str, Any]:
        minion, ttl_s, uses = _text(request, "minion", "*"), _number(request, "ttl_s") or 3600.0, request.get("uses", 1)
        if type(uses) is not int:
            raise UsageError("uses wants a whole number")
        secret, expires = await self.dispatch.store.do(lambda c: keys.new_token(c, minion, ttl_s, uses, time.time()))
        address = self.config.publish_address or _own_address()
        host = f"[{address}]" if ":" in address else address
        token = Token(f"{host}:{self.config.control_port}", self.pair.public, secret, minion, expires)
        return {"token": to_text(token), "minion": minion, "expires": keys.iso(expires)}


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


def _text(request: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = request.get(name, default)
    if not isinstance(value, str):
        raise UsageError(f"{name} wants a text")
    return value


def _optional(request: Mapping[str, Any], name: str) -> str | None:
    return None if request.get(name) is None else _text(request, name)


def _number(request: Mapping[str, Any], name: str) -> float:
    value = request.get(name) or 0
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise UsageError(f"{name} wants a number of seconds")
    return float(value)


def _include(request: Mapping[str, Any], action: str) -> Sequence[str]:
    default = {"accept": [keys.PENDING], "reject": [keys.PENDING], "delete": list(keys.STATES)}[action]
    include = request.get("include") or default
    if not isinstance(include, list) or not set(include) <= set(keys.STATES):
        raise UsageError(f"include wants a list of {', '.join(keys.STATES)}")
    return include


def _own_address() -> str:
    """The address of the interface that leads outside (nothing is sent for it); the loopback where none does."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # TEST-NET-1, RFC 5737
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"
