"""Run commands inside a lab host on behalf of the machine, over a serial line.

Runs as a script under systemd in the host, with nothing but the standard library. The line is independent of the
host's network, which the tests take apart; `channel.py` is its other end. To the host it carries the number of a
request, on a line, and the request itself is the file of that number in a directory of the machine (user-mode Linux
loses its place when much comes in on a serial line at once; going out is well). Back come JSON objects, one a line.
    request  {"argv": [...], "stdin": base64, "env": {}, "cwd": "/", "timeout_s": 30}
    answer   {"id": 1, "code": 0, "stdout": base64, "stderr": base64} or {"id": 1, "error": "...", "timeout": false}
After opening the line the agent says {"ready": true}.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import tempfile
import termios
import threading
import tty
from typing import Any


def main(line: str, directory: str) -> None:
    """Serve the serial LINE (a device path) for ever, with the requests in DIRECTORY."""
    fd = os.open(line, os.O_RDWR | os.O_NOCTTY)
    tty.setraw(fd, termios.TCSANOW)
    lock = threading.Lock()

    def send(message: dict[str, Any]) -> None:
        data = json.dumps(message).encode() + b"\n"
        with lock:
            while data:
                data = data[os.write(fd, data) :]

    send({"ready": True})
    with os.fdopen(fd, "rb", buffering=65536, closefd=False) as requests:
        for text in requests:
            number = int(text)
            with open(os.path.join(directory, str(number)), encoding="utf-8") as file:
                request = json.load(file)
            threading.Thread(target=lambda n=number, r=request: send({"id": n, **answer(r)}), daemon=True).start()


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run what REQUEST asks for. Output goes through files, so that a daemon that keeps it open delays nothing."""
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        stdin.write(base64.b64decode(request["stdin"]))
        stdin.seek(0)
        environment = {**os.environ, "HOME": "/root", **request["env"]}
        try:
            child = subprocess.Popen(
                request["argv"],
                stdin=stdin,
                stdout=out,
                stderr=err,
                cwd=request["cwd"],
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            return {"error": str(error), "timeout": False}
        try:
            code = child.wait(request["timeout_s"])
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            return {"error": "timed out", "timeout": True}
        return {"code": code, "stdout": _text(out), "stderr": _text(err)}


def _text(file: Any) -> str:
    file.seek(0)
    return base64.b64encode(file.read()).decode()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
