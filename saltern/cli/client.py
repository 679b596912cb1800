"""The commands' side of the master's control socket, and the contract of what is said on it.

The socket is the Unix stream socket `ROOT/run/saltern/master.sock`. A command sends one line, the master answers with
events, one a line, and closes after `end` or `error`. Each line is one JSON object in UTF-8.

Requests:

    {"op": "publish", "target": "*", "form": "glob", "delimiter": ":", "function": "test.ping", "args": [...],
     "kwargs": {...}, "timeout": 0, "async": false}
        form: glob, pcre, list, grain, grain_pcre, pillar, pillar_pcre, ipcidr, nodegroup, compound
        timeout: seconds until those who wait are told "timed out"; 0: never
    {"op": "runner", "function": "jobs.list_jobs", "args": [], "kwargs": {}}
    {"op": "key", "action": "list" | "accept" | "reject" | "delete" | "finger" | "token", "match": "GLOB or ID",
     "fingerprint": null | "...", "include": ["pending", "rejected", "accepted"],
     "minion": "on-*", "ttl_s": 3600, "uses": 1}

Events of `publish`, the job first:

    {"event": "job", "jid": "2026...", "function": "...", "targets": {"on-node1": "sent" | "offline" | "refused"}}
    {"event": "progress", "minion": "on-node1", "step": 3, "total": 12, "id": "br43"}
    {"event": "return", "minion": "on-node1", "outcome": "done" | "failed" | "refused" | "offline" | "lost contact" |
     "timed out" | "expired" | "killed", "success": true, "retcode": 0, "return": ..., "duration_ms": 12.3}
    {"event": "end", "ok": true}

Events of `runner`: {"event": "data", "data": ..., "out": "nested" | "job" | ...}, then `end`. An orchestration tells of
itself before that: `job` (its target is `master`), `progress` (of `master` and of minions), and {"event": "returned",
"minion": ..., "outcome": ...} without what was returned.

Events of `key`: {"event": "data", "data": {...}}, then `end`. Data of `list`: {"accepted": [{"id", "fingerprint",
"since"}], "pending": [...], "rejected": [...]}; of `accept`, `reject`, `delete`: {"changed": [{"id", "fingerprint"}]};
of `finger`: {"master": FINGERPRINT, "master_key": 64 hex digits, "minions": {ID: FINGERPRINT}}; of `token`:
{"token": "...", "minion": "on-*", "expires": ISO TIME}.

Instead of any of these: {"event": "error", "kind": "usage" | ..., "message": "...", "exit": 2}; the message may have
several lines, for instance a caret below a target.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping

from saltern.errors import SalternError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CONNECT_TIMEOUT_S = 10.0  # a master that does not even take the connection by then hangs
MAX_SOCKET_PATH = 107  # bytes; sun_path of unix(7) without its closing NUL


class MasterNotRunning(SalternError):
    """Nobody listens on the master's socket."""


class MasterDenied(SalternError):
    """The socket is there, but this user may not use it."""


class MasterRefused(SalternError):
    """The master answered with an error; `exit_code` is the one that it names."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class MasterLost(SalternError):
    """The master went away, or did not keep to the protocol, before the request had ended."""


def socket_path(root: str) -> str:
    """Where the master below ROOT listens."""
    return os.path.join(root, "run/saltern/master.sock")


def events(root: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Send REQUEST to the master below ROOT and yield its events up to and with `end`.

    Raises MasterNotRunning, MasterDenied, MasterRefused (an `error` event), MasterLost.
    """
    with _connected(root) as connection:
        try:
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                for line in lines:
                    event = _decoded(line)
                    if event is None:
                        continue
                    if event["event"] == "error":
                        raise MasterRefused(str(event.get("message")), _exit_code(event.get("exit")))
                    yield event
                    if event["event"] == "end":
                        return
        except OSError as error:
            raise MasterLost(f"the connection to the master broke: {error.strerror}") from None
    raise MasterLost("the master ended the connection before the request was done: see its log")


def call(root: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """Send REQUEST and return its one `data` event. Raises as `events` does."""
    found: dict[str, Any] = {}
    for event in events(root, request):
        if event["event"] == "data":
            found = event
    return found


def _decoded(line: bytes) -> dict[str, Any] | None:
    """The event in LINE; None where Python can't hold it, so that one return can't hide the others."""
    try:
        event = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError):
        event = None
    except (RecursionError, ValueError):  # ValueError: a number of more digits than Python converts
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise MasterLost("the master answered with something that is no event: do both have the same version?")
    return event


def _exit_code(value: object) -> int:
    return value if isinstance(value, int) and 0 < value < 126 else 1


def _connected(root: str) -> socket.socket:
    path = socket_path(root)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(CONNECT_TIMEOUT_S)
    try:
        _connect(connection, path)
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        connection.close()
        raise MasterNotRunning(_not_running(root, path)) from None
    except PermissionError:
        connection.close()
        raise MasterDenied(
            f"you may not speak to the master at {path}: run this as root, or have your user named in the option "
            f"`users` of {os.path.join(root, 'etc/saltern/master')}"
        ) from None
    except (TimeoutError, BlockingIOError):
        connection.close()
        raise MasterNotRunning(f"the master at {path} takes no connection: it hangs, see its log") from None
    except OSError as error:
        connection.close()
        raise MasterNotRunning(f"{path}: {error.strerror or error}") from None
    connection.settimeout(None)
    return connection


def _connect(connection: socket.socket, path: str) -> None:
    """Connect to PATH, however long it is: a longer one is reached through a descriptor of its folder."""
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        connection.connect(path)
        return
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    finally:
        os.close(folder)


def _not_running(root: str, path: str) -> str:
    start = "systemctl start saltern-master" if root == "/" else f"saltern-master --root {root}"
    return f"the master is not running: nobody listens on {path}\nStart it with: {start}"
