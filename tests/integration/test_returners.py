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


def echoed(file: Path) -> list[object]:
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    return [line["return"] for line in lines if line["fun"] == "test.echo"]


def test_a_server_that_is_away_keeps_nothing_waiting_and_a_restart_forgets_and_doubles_nothing(
    made: System, tmp_path: Path
) -> None:
    made.minion("n1")
    for number in range(20):
        assert made.publish("n1", "test.echo", number)["n1"]["return"] == number
    wait_for("the file has them", lambda: made.runner("manage.returners")["file"]["delivered"] >= 20)
    assert echoed(tmp_path / "returns.jsonl") == list(range(20))
    away = made.runner("manage.returners")["away"]
    assert (away["delivered"], away["waiting"] >= 20, "refused" in away["problem"]) == (0, True, True)
    made.master.stop()
    made.start()
    made.wait_up("n1")
    assert made.publish("n1", "test.echo", 20)["n1"]["success"]
    wait_for("the file has it", lambda: len(echoed(tmp_path / "returns.jsonl")) > 20)
    assert echoed(tmp_path / "returns.jsonl") == list(range(21))
    assert made.runner("manage.returners")["away"]["waiting"] >= 21
