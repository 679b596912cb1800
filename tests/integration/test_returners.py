"""Returns that go elsewhere too, while one of the places is away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.system import System, free_port, wait_for


@pytest.fixture
def made(tmp_path: Path) -> Iterator[System]:
    system = System(tmp_path)
    away = {"url": f"http://127.0.0.1:{free_port()}/", "timeout": 1}
    system.configure(returners={"file": {"path": str(tmp_path / "returns.jsonl")}, "away": away})
    try:
        system.start()
        yield system
    finally:
        system.close()


def test_a_server_that_is_away_keeps_nothing_waiting(made: System, tmp_path: Path) -> None:
    made.minion("n1")
    for number in range(20):
        assert made.publish("n1", "test.echo", number)["n1"]["return"] == number
    wait_for("the file has them", lambda: made.runner("manage.returners")["file"]["delivered"] >= 20)
    lines = [json.loads(line) for line in (tmp_path / "returns.jsonl").read_text().splitlines()]
    assert [line["return"] for line in lines if line["fun"] == "test.echo"] == list(range(20))
    away = made.runner("manage.returners")["away"]
    assert (away["delivered"], away["waiting"] >= 20, "refused" in away["problem"]) == (0, True, True)
