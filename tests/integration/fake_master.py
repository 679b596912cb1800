"""A master that only speaks the protocol of the control socket: it answers each request as the test says."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saltern.cli.client import socket_path

Answer = Callable[[dict[str, Any]], Iterable[dict[str, Any] | bytes]]


class FakeMaster:
    """ROOT is what `--root` takes; REQUESTS are those that came; GONE is set when a command closed its connection."""

    def __init__(self, root: Path, answer: Answer) -> None:
        self.root, self.requests, self.gone = root, [], threading.Event()  # type: ignore[var-annotated]
        self._answer = answer
        path = Path(socket_path(str(root)))
        path.parent.mkdir(parents=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            try:
                self._speak(connection)
            except (BrokenPipeError, ConnectionResetError):
                self.gone.set()

    def _speak(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            request = json.loads(stream.readline())
            self.requests.append(request)
            for event in self._answer(request):
                stream.write(event if isinstance(event, bytes) else json.dumps(event).encode() + b"\n")
                stream.flush()

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@contextmanager
def fake_master(root: Path, answer: Answer | Iterable[dict[str, Any] | bytes]) -> Iterator[FakeMaster]:
    """A fake master below ROOT that gives ANSWER: the same events to all, or what a function makes of the request."""
    if callable(answer):
        chosen: Answer = answer
    else:
        events = list(answer)

        def chosen(request: dict[str, Any]) -> Iterable[dict[str, Any] | bytes]:
            return events

    master = FakeMaster(root, chosen)
    try:
        yield master
    finally:
        master.close()
