"""Files and webhooks as places where returns go."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from master.returners.outbox import Return
from master.returners.returner import Refused
from master.returners.sinks import JsonLines, Webhook
from saltern.secret import Secret
from tests.patience import WAIT_S


def returns(*lines: bytes) -> list[Return]:
    return [Return("1", "n1", "test.ping", line) for line in lines]


def test_a_file_gets_whole_lines(tmp_path: Path) -> None:
    file = tmp_path / "returns.jsonl"
    JsonLines(file).deliver(returns(b'{"a": 1}', b'{"a": 2}'))
    JsonLines(file).deliver(returns(b'{"a": 3}'))
    assert [json.loads(line)["a"] for line in file.read_text().splitlines()] == [1, 2, 3]
    assert file.stat().st_mode & 0o077 == 0
    (tmp_path / "link").symlink_to(file)
    with pytest.raises(OSError):
        JsonLines(tmp_path / "link").deliver(returns(b"{}"))


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
    hook = Webhook(url, {"X-Key": Secret("k")}, WAIT_S)
    hook.deliver(returns(b'{"a": 1}', b'{"a": 2}'))
    assert got == [("k", [{"a": 1}, {"a": 2}])]
    for status in (500, 302):
        answers.append(status)
        with pytest.raises(OSError):
            hook.deliver(returns(b"{}"))
    assert len(got) == 3  # nothing was sent elsewhere
    answers.append(413)
    with pytest.raises(Refused, match="413"):
        hook.deliver(returns(b"{}"))
