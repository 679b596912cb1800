"""Requests about keys, answered from the store alone, whether a master runs or not."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from master import fields, keys
from master.uptime import uptime
from saltern.config import MasterConfig
from saltern.errors import UsageError
from saltern.wire.keys import KeyPair
from saltern.wire.token import Token, to_text


@dataclass(frozen=True, slots=True)
class Answer:
    """DATA for the command, and the records that ACTION changed, for those who hold connections of theirs."""

    data: Mapping[str, Any]
    action: str
    changed: Sequence[keys.Record] = ()


def answer(
    connection: sqlite3.Connection, request: Mapping[str, Any], config: MasterConfig, pair: KeyPair, now: float
) -> Answer:
    """Do what REQUEST asks. UsageError where it can't be understood or matches nothing."""
    action = fields.text(request, "action")
    records = keys.load(connection)
    if action == "list":
        return Answer(keys.listing(records), action)
    if action == "finger":
        return Answer(_fingers(records, request, pair), action)
    if action == "token":
        return Answer(_token(connection, request, config, pair, now), action)
    if action not in ("accept", "reject", "delete"):
        raise UsageError(f"no such key action: {action!r}")
    match, mark = fields.optional(request, "match"), fields.optional(request, "fingerprint")
    chosen = keys.select(records, match, mark, _include(request, action))
    changed = keys.change(connection, chosen, action, now)
    shown = [{"id": record.id, "fingerprint": record.fingerprint} for record in changed]
    return Answer({"changed": shown}, action, changed)


def _fingers(records: Sequence[keys.Record], request: Mapping[str, Any], pair: KeyPair) -> dict[str, Any]:
    match = fields.optional(request, "match")
    chosen = keys.select(records, match, None, keys.STATES) if match and match != "*" else records
    minions = {record.id: record.fingerprint for record in chosen}
    return {"master": pair.fingerprint, "master_key": pair.public.hex(), "minions": minions}


def _token(
    connection: sqlite3.Connection, request: Mapping[str, Any], config: MasterConfig, pair: KeyPair, now: float
) -> dict[str, Any]:
    minion, ttl_s, uses = fields.text(request, "minion", "*"), fields.number(request, "ttl_s"), request.get("uses", 1)
    if type(uses) is not int:
        raise UsageError("uses wants a whole number")
    secret, expires = keys.new_token(connection, minion, ttl_s or 3600.0, uses, now, uptime())
    address = config.publish_address or _own_address()
    host = f"[{address}]" if ":" in address else address
    token = Token(f"{host}:{config.control_port}", pair.public, secret, minion, expires)
    return {"token": to_text(token), "minion": minion, "expires": keys.iso(expires)}


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
