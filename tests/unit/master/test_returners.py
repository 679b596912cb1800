"""Returns that go elsewhere too: in order, whole, without keeping anybody waiting."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from master.returners import JsonLines, Returner, Webhook, returners_of
from saltern.errors import ConfigError
from tests.integration.system import wait_for


class Away:
    """A sink that fails until it is told to work."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.works = threading.Event()

    def deliver(self, lines: Sequence[bytes]) -> None:
        if not self.works.is_set():
            raise OSError("connection refused")
        self.got += lines


def test_what_could_not_be_delivered_is_delivered_later_once_and_in_order() -> None:
    sink = Away()
    returner = Returner("x", sink, pause=lambda seconds: sink.works.wait(0.01) and False)
    lines = [b"%d" % number for number in range(250)]
    for line in lines:
        returner.take("test.ping", line)
    wait_for("it was tried", lambda: returner.failures > 1)
    assert (sink.got, returner.counts()["problem"]) == ([], "connection refused")
    sink.works.set()
    wait_for("all are there", lambda: returner.delivered == 250)
    assert sink.got == lines
    returner.close()


def test_what_is_too_much_is_dropped_and_counted() -> None:
    sink = Away()
    returner = Returner("x", sink, ["state.*"], most=3)
    for _ in range(5):
        returner.take("state.apply", b"1")
        returner.take("test.ping", b"2")
    assert (returner.counts()["waiting"], returner.dropped) == (3, 2)
    returner.close(5)
    assert not returner._thread.is_alive()


def test_a_file_gets_whole_lines(tmp_path: Path) -> None:
    file = tmp_path / "returns.jsonl"
    JsonLines(file).deliver([b'{"a": 1}', b'{"a": 2}'])
    JsonLines(file).deliver([b'{"a": 3}'])
    assert [json.loads(line)["a"] for line in file.read_text().splitlines()] == [1, 2, 3]
    assert file.stat().st_mode & 0o077 == 0
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(OSError):
        JsonLines(tmp_path / "link").deliver([b"{}"])


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str | None, Any]], list[int]]]:
    got: list[tuple[str | None, Any]] = []
    answers: list[int] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.headers["X-Key"], json.loads(body)))
            self.send_response(answers.pop(0) if answers else 204)
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    made = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}/x", got, answers
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_webhook_gets_an_array_and_its_headers(server: Any) -> None:
    url, got, answers = server
    hook = Webhook(url, {"X-Key": "k"}, 5)
    hook.deliver([b'{"a": 1}', b'{"a": 2}'])
    assert got == [("k", [{"a": 1}, {"a": 2}])]
    for status in (500, 302):
        answers.append(status)
        with pytest.raises(OSError):
            hook.deliver([b"{}"])
    assert len(got) == 3  # nothing was sent elsewhere


@pytest.mark.parametrize(
    "given",
    [
        {"x": {}},
        {"x": {"path": "relative"}},
        {"x": {"url": "file:///etc/passwd"}},
        {"x": {"url": "https://a", "timeout": 0}},
        {"x": {"url": "https://a", "header": {}}},
        {"x": {"path": "/x", "functions": "*"}},
    ],
)
def test_a_returner_that_makes_no_sense_ends_the_start(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="returners: 'x'"):
        returners_of(given)
