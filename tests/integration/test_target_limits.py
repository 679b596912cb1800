"""A target that would take for ever costs the master a moment, and nobody else anything."""

from __future__ import annotations

from pathlib import Path

from tests.integration.system import system


def test_a_regular_expression_without_an_end_neither_stalls_the_master_nor_sends_anything(tmp_path: Path) -> None:
    with system(tmp_path) as made:
        made.prepare("a" * 40 + "b")
        events = made.ask(op="publish", target="(a+)+$", form="pcre", function="test.ping", args=[], kwargs={})
        assert [event["event"] for event in events] == ["error"], events
        assert "take more than 1 s of processor time, the last at aaa" in str(events)
        assert made.runner("jobs.list_jobs") == {}
        refused = made.publish("*", "test.ping")["a" * 40 + "b"]
        assert refused["outcome"] == "offline"
