"""What the master knows of a minion from its first message on."""

from __future__ import annotations

from tests.integration.system import System


def test_a_minion_can_be_targeted_by_its_grains_as_soon_as_it_is_up(master: System) -> None:
    master.minion("web1")  # returns when it is connected
    events = master.ask(op="publish", target="init:*", form="grain", function="test.ping", args=[], kwargs={})
    assert [event["minion"] for event in events if event["event"] == "return"] == ["web1"], events
