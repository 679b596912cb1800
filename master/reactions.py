"""Has reactor SLS read in a process of their own, so that none holds up the master, whatever an event makes of it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from master.reaction import Call, ReactionError

LONGEST_S = 60.0  # of one; the process itself ends what takes processor time long before
_MOST = 32 << 20
_PART = 1 << 16


class Reactions:
    """The process, which is there while it is needed. ROOTS are the directories of the state tree by environment. It
    blocks, and takes one caller at a time."""

    def __init__(self, roots: Mapping[str, Sequence[str]]) -> None:
        self._roots = {env: list(listed) for env, listed in roots.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def calls(self, text: str, file: str, tag: str, data: Mapping[str, Any]) -> list[Call]:
        """See `master.reaction.calls_of`. ReactionError."""
        asked = {"text": text, "file": file, "tag": tag, "data": data, "roots": self._roots}
        line = json.dumps(asked, default=str).encode() + b"\n"
        answer = self._asked(line, file) or self._asked(line, file)  # one that was idle may just have ended
        if not answer:
            raise ReactionError(f"{file}: the process that reads it ended by itself")
        found = json.loads(answer)
        if "error" in found:
            raise ReactionError(found["error"])
        return [Call(**{**call, "args": tuple(call["args"])}) for call in found["calls"]]

    def close(self) -> None:
        """End it, for good."""
        self._closed = True
        if self._process is not None:
            self._end(self._process)

    def _asked(self, line: bytes, file: str) -> bytes:
        """The line that answers LINE; empty where the process ended."""
        if self._closed:
            return b""
        process = self._process = self._process or _started()
        try:
            answer = _answer(process, line)
        except OSError:
            answer = b""
        if answer is None or not answer.endswith(b"\n"):
            self._end(process)
        if answer is None:
            raise ReactionError(f"{file}: it took longer than {LONGEST_S:g} s to read it")
        return answer if answer.endswith(b"\n") else b""

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()


def _started() -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-P", "-m", "master.reaction_process"]
    process = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", bufsize=0, start_new_session=True
    )
    threading.Thread(target=process.wait, daemon=True).start()  # one that ends when idle leaves no zombie
    return process


def _answer(process: subprocess.Popen[bytes], line: bytes) -> bytes | None:
    """What PROCESS says to LINE, up to its end; None where it says nothing for LONGEST_S. OSError."""
    assert process.stdin is not None
    assert process.stdout is not None
    left = memoryview(line)
    while left:
        left = left[os.write(process.stdin.fileno(), left) :]
    poll = select.poll()
    poll.register(process.stdout, select.POLLIN)
    answer = bytearray()
    while not answer.endswith(b"\n") and len(answer) <= _MOST:
        if not poll.poll(LONGEST_S * 1000):
            return None
        part = os.read(process.stdout.fileno(), _PART)
        if not part:
            break
        answer += part
    return bytes(answer)
