"""Where returns go beside the store: a file of JSON lines, a webhook (the master's option `returners`).

    returners:
      file: {path: /var/log/saltern/returns.jsonl}
      web: {url: 'https://collector.example/returns', headers: {Authorization: 'Bearer …'}, timeout: 5}

Each has a thread and a bounded queue of its own, so one whose server is away keeps no job and no other returner
waiting. What can't be delivered is tried again with growing pauses; what comes while the queue is full is dropped and
counted. The store has it all the same.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol
from urllib.error import URLError
from urllib.parse import urlsplit

from saltern.errors import ConfigError, nearest

logger = logging.getLogger(__name__)

MOST_WAITING = 10_000  # returns
MOST_AT_ONCE = 100  # returns of one delivery
MOST_BYTES = 64 * 1024 * 1024  # of what waits
FIRST_PAUSE_S, LAST_PAUSE_S = 1.0, 60.0
_OPTIONS = {"path": ("path", "functions"), "url": ("url", "headers", "timeout", "functions")}


class Sink(Protocol):
    """Where returns are delivered."""

    def deliver(self, lines: Sequence[bytes]) -> None:
        """Bring LINES, JSON documents, there; OSError where that is not possible now."""


class JsonLines:
    """Appends to FILE, one document a line (mode 0600: returns are not for everybody)."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def deliver(self, lines: Sequence[bytes]) -> None:
        """See `Sink`. What could be written in part only is taken back, so no line is torn or doubled."""
        handle = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            data = b"".join(line + b"\n" for line in lines)
            size = os.fstat(handle).st_size
            written = os.write(handle, data)
            if written != len(data):
                os.ftruncate(handle, size)
                raise OSError(28, "No space left on device")
        finally:
            os.close(handle)


class Webhook:
    """POSTs to URL, one JSON array a delivery. It may arrive twice where the answer is lost: jid and id tell."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        self._url, self._headers, self._timeout_s = url, headers, timeout_s
        self._opener = urllib.request.build_opener(_NoRedirect)

    def deliver(self, lines: Sequence[bytes]) -> None:
        """See `Sink`. Anything but an answer of 2xx is a failure."""
        request = urllib.request.Request(  # noqa: S310 - the scheme was checked
            self._url, b"[" + b",".join(lines) + b"]", {**self._headers, "Content-Type": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as answer:
                answer.read(1024)
        except (URLError, ValueError) as error:
            raise OSError(str(getattr(error, "reason", error))) from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A collector that sends elsewhere gets nothing: the headers may hold a secret."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Don't follow."""


class Returner:
    """Brings the returns of FUNCTIONS (globs) to SINK, in a thread of its own. PAUSE(seconds) waits, and says True when
    it is to end."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        functions: Sequence[str] = ("*",),
        pause: Callable[[float], bool] | None = None,
        most: int = MOST_WAITING,
    ) -> None:
        self.name, self._sink, self._functions, self._most = name, sink, functions, most
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._lock = threading.Lock()
        self._more, self._end = threading.Event(), threading.Event()
        self._pause = pause or self._end.wait
        self.delivered = self.dropped = self.failures = 0
        self.problem = ""
        self._thread = threading.Thread(target=self._run, name=f"returner {name}", daemon=True)
        self._thread.start()

    def take(self, function: str, line: bytes) -> None:
        """Deliver LINE, a JSON document, some time. Never waits."""
        if not any(fnmatchcase(function, pattern) for pattern in self._functions):
            return
        with self._lock:
            if len(self._waiting) >= self._most or self._bytes + len(line) > MOST_BYTES:
                self.dropped += 1
                if self.dropped in (1, 10, 100) or self.dropped % 1000 == 0:
                    logger.error("returner %s: %d returns dropped so far: %s", self.name, self.dropped, self.problem)
                return
            self._waiting.append(line)
            self._bytes += len(line)
        self._more.set()

    def counts(self) -> dict[str, Any]:
        """How it goes."""
        return {
            "delivered": self.delivered,
            "waiting": len(self._waiting),
            "dropped": self.dropped,
            "failures": self.failures,
            "problem": self.problem or None,
        }

    def close(self, wait_s: float = 2.0) -> None:
        """Deliver what waits if that is quick, and end."""
        self._end.set()
        self._more.set()
        self._thread.join(wait_s)

    def _run(self) -> None:
        pause_s = FIRST_PAUSE_S
        while True:
            batch = self._next()
            if not batch:
                if self._end.is_set():
                    return
                self._more.wait()
                self._more.clear()
                continue
            try:
                self._sink.deliver(batch)
            except Exception as error:  # whatever a server makes of it, the others go on
                self._failed(error)
                if self._pause(pause_s):
                    return
                pause_s = min(pause_s * 2, LAST_PAUSE_S)
                continue
            self._drop(batch)
            self.delivered += len(batch)
            self.problem, pause_s = "", FIRST_PAUSE_S

    def _next(self) -> list[bytes]:
        with self._lock:
            return [self._waiting[index] for index in range(min(len(self._waiting), MOST_AT_ONCE))]

    def _drop(self, batch: Sequence[bytes]) -> None:
        with self._lock:
            for line in batch:
                self._waiting.popleft()
                self._bytes -= len(line)

    def _failed(self, error: Exception) -> None:
        self.failures += 1
        text = str(error) or type(error).__name__
        if text != self.problem:
            self.problem = text
            logger.error("returner %s: not delivered, it is tried again: %s", self.name, text)


class Returners:
    """All that were configured."""

    def __init__(self, returners: Sequence[Returner]) -> None:
        self.all = list(returners)

    def take(self, data: Mapping[str, Any]) -> None:
        """Deliver a return that is stored."""
        line = json.dumps({**data, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}).encode()
        for returner in self.all:
            returner.take(str(data["fun"]), line)

    def close(self) -> None:
        """End all."""
        for returner in self.all:
            returner.close()


def returners_of(given: Mapping[Any, Any]) -> Returners:
    """What the option `returners` says. ConfigError."""
    return Returners([Returner(str(name), *_sink_of(name, options)) for name, options in given.items()])


def _sink_of(name: Any, options: Any) -> tuple[Sink, list[str]]:
    where = f"returners: {name!r}"
    kind = next((kind for kind in _OPTIONS if isinstance(options, Mapping) and kind in options), "")
    if not kind:
        raise ConfigError(f"{where} wants `path: FILE` (JSON lines) or `url: https://…` (a webhook), not {options!r}")
    for option in options:
        if option not in _OPTIONS[kind]:
            raise ConfigError(f"{where} has no option {option!r}.{nearest(str(option), _OPTIONS[kind])}")
    functions = options.get("functions", ["*"])
    if not isinstance(functions, list) or not all(isinstance(one, str) for one in functions):
        raise ConfigError(f"{where}: `functions` is a list of globs, not {functions!r}")
    if kind == "path":
        if not isinstance(options["path"], str) or not options["path"].startswith("/"):
            raise ConfigError(f"{where}: `path` begins at the root, not {options['path']!r}")
        return JsonLines(Path(options["path"])), functions
    url, headers, timeout = options["url"], options.get("headers", {}), options.get("timeout", 5)
    if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ConfigError(f"{where}: `url` is http or https, not {url!r}")
    if not isinstance(headers, Mapping) or not all(isinstance(value, str) for value in headers.values()):
        raise ConfigError(f"{where}: `headers` is a mapping of texts")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= 60:
        raise ConfigError(f"{where}: `timeout` is a number of seconds up to 60, not {timeout!r}")
    return Webhook(url, {str(key): value for key, value in headers.items()}, float(timeout)), functions
