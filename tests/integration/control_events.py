"""What a master tells a command on its control socket, event by event."""

from __future__ import annotations

from typing import Any

JID = "20261121100000000001"
END = {"event": "end", "ok": True}


def job(**targets: str) -> dict[str, Any]:
    return {"event": "job", "jid": JID, "function": "test.ping", "targets": {k.replace("_", "-"): v for k, v in targets.items()}}  # noqa: E501  # fmt: skip


def returned(minion: str, value: Any = True, outcome: str = "done", **more: Any) -> dict[str, Any]:
    base = {"event": "return", "minion": minion, "outcome": outcome, "success": outcome == "done"}
    return {**base, "retcode": int(outcome != "done"), "return": value, "duration_ms": 1.0, **more}


def step(minion: str, number: int, state_id: str) -> dict[str, Any]:
    return {"event": "progress", "minion": minion, "step": number, "total": 12, "id": state_id}


def states(result: bool | None = True, changes: dict[str, Any] | None = None) -> dict[str, Any]:
    one = {"result": result, "changes": changes or {}, "comment": "c", "__run_num__": 0, "duration": 1.0}
    return {"test_|-c_|-c_|-nop": {**one, "start_time": "10:00:00"}}


PINGS = [job(on_node1="sent", on_node2="sent"), returned("on-node2"), returned("on-node1"), END]
