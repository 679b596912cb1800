"""The machine's end of the serial line into a lab host; `agent.py` is the other end and describes the messages."""

from __future__ import annotations

import base64
import itertools
import json
import socket
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class LabError(Exception):
    """The lab can't do what was asked; the text says what to do about it."""


class HostDown(LabError):
    """The host is not running, or went down before it answered."""


class CommandTimeout(LabError):
    """A command inside a host took longer than it was given; it was killed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command inside a host gave back."""

    code: int
    stdout: bytes
    stderr: bytes


class Channel:
    """Commands go in, answers come out, in any order. May be used from several threads at once."""

    def __init__(self, name: str, requests: Path) -> None:
        """Open a line for the host NAME, which sees the directory REQUESTS.

        Its far end is `remote`: hand it to the host, then `close_remote`.
        """
        self._name, self._requests = name, requests
        self._local, self._remote = socket.socketpair()
        self._numbers = itertools.count(1)
        self._pending: dict[int, Future[dict[str, Any]]] = {}
        self._lock = threading.Lock()
        self._down = False  # guarded by the lock, as `_pending` is
        self._ready = threading.Event()
        threading.Thread(target=self._read, name=f"lab channel of {name}", daemon=True).start()

    @property
    def remote(self) -> int:
        """The file descriptor of the far end."""
        return self._remote.fileno()

    def close_remote(self) -> None:
        """Forget the far end, so that the line ends when the host does."""
        self._remote.close()

    def wait_ready(self, timeout_s: float) -> bool:
        """True as soon as the agent answers; False after TIMEOUT_S seconds. HostDown if the host ended."""
        waited = self._ready.wait(timeout_s)
        if self._down:
            raise HostDown(f"{self._name} ended while it was starting")
        return waited

    def run(self, argv: Sequence[str], *, stdin: bytes, env: Mapping[str, str], cwd: str, timeout_s: float) -> Answer:
        """Run ARGV inside the host. Raises HostDown, CommandTimeout, or LabError where it can't be started."""
        future: Future[dict[str, Any]] = Future()
        number = next(self._numbers)
        request = {
            "argv": list(argv),
            "stdin": base64.b64encode(stdin).decode(),
            "env": dict(env),
            "cwd": cwd,
            "timeout_s": timeout_s,
        }
        with self._lock:
            if self._down:
                raise HostDown(f"{self._name} is not running, so it can't run {argv[0]}")
            self._pending[number] = future
        file = self._requests / str(number)
        file.write_text(json.dumps(request))
        self._send(b"%d\n" % number)
        words = " ".join(argv)
        try:  # the agent keeps the time; the margin is for a host that is too busy to say so
            answer = future.result(timeout_s + 15)
        except FutureTimeout:
            raise CommandTimeout(f"{self._name}: no answer to `{words}` after {timeout_s + 15:g} s") from None
        finally:
            self._pending.pop(number, None)
            file.unlink()
        if "error" in answer:
            kind = CommandTimeout if answer["timeout"] else LabError
            raise kind(f"{self._name}: `{words}`: {answer['error']}")
        stdout, stderr = (base64.b64decode(answer[key]) for key in ("stdout", "stderr"))
        return Answer(code=answer["code"], stdout=stdout, stderr=stderr)

    def close(self) -> None:
        """End the line; commands that still wait get HostDown."""
        for end in (self._local, self._remote):
            with suppress(OSError):  # it had ended already
                end.shutdown(socket.SHUT_RDWR)
        self._remote.close()

    def _send(self, data: bytes) -> None:
        with self._lock:
            try:
                self._local.sendall(data)
            except OSError:
                raise HostDown(f"{self._name} ended") from None

    def _read(self) -> None:
        with self._local, self._local.makefile("rb") as lines:
            try:
                for line in lines:
                    self._take(line)
            except OSError:
                pass
            with self._lock:
                self._down = True
                waiting = list(self._pending.values())
        self._ready.set()
        for future in waiting:
            if not future.done():
                future.set_exception(HostDown(f"{self._name} ended before it answered"))

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return  # noise on the line while the host starts
        if message.get("ready"):
            self._ready.set()
        elif future := self._pending.get(message["id"]):
            future.set_result(message)
