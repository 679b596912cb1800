"""How the result of an orchestration is shown."""

from __future__ import annotations

from typing import Any

import pytest

from saltern.cli.orchestration import Way, shortened, text

MOTD = "file_|-motd_|-/etc/motd_|-managed"
SLS = "salt_|-nodes_|-nodes_|-state"


def one(result: bool | None, changes: Any = None, comment: str = "") -> dict[str, Any]:
    return {"result": result, "changes": changes or {}, "comment": comment}


def orchestration(changes: Any) -> dict[str, Any]:
    return {SLS: {**one(True, changes), "__run_num__": 0}}


def test_of_a_minions_states_those_are_shown_that_changed_or_failed() -> None:
    ran = {
        MOTD: one(True, {"mode": "0644"}),
        "a_|-b_|-b_|-c": one(True),
        "d_|-e_|-e_|-f": one(False, comment="no space"),
    }
    shown = shortened(orchestration({"out": "highstate", "ret": {"n1": ran}}))
    assert shown[SLS]["changes"] == {"n1": {"file.managed motd": {"mode": "0644"}, "d.f e": "no space"}}


def test_of_a_state_its_steps_are_shown_where_it_tells_them() -> None:
    state = {"result": True, "changes": {"mode": "0644"}, "comment": "Done:\n- write x\n- set mode 0644 of x"}
    shown = shortened(orchestration({"ret": {"n1": {"file_|-x_|-x_|-managed": state}}}))
    assert shown[SLS]["changes"] == {"n1": {"file.managed x": ["write x", "set mode 0644 of x"]}}


def test_what_a_function_returned_is_shown_up_to_a_length() -> None:
    shown = shortened(orchestration({"ret": {"n1": "x" * 3000, "n2": [1], "n3": {}}}))
    assert shown[SLS]["changes"] == {"n1": "x" * 2000 + "…", "n2": [1], "n3": {}}


def test_an_orchestration_below_is_shown_as_one() -> None:
    below = {"master": {SLS: one(True, {"ret": {"n1": True}})}}
    assert shortened(orchestration({"return": below}))[SLS]["changes"] == {"salt.state nodes": {"ret": {"n1": True}}}
    assert shortened(orchestration({"return": ["n1"]}))[SLS]["changes"] == {"return": ["n1"]}


@pytest.mark.parametrize("value", [None, "a text", ["wrong"], {"n1": 1}, {SLS: {"result": True, "changes": None}}])
def test_what_is_none_stays_as_it_is(value: Any) -> None:
    assert shortened(value) == value


def test_control_characters_of_a_minion_reach_no_terminal() -> None:
    shown = text({"master": orchestration({"ret": {"n1": "\x1b[31mred"}})})
    assert "\x1b" not in shown
    assert "\\x1b[31mred" in shown


def test_a_command_that_ends_early_says_how_to_see_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    way = Way("/r", True)
    way.take({"event": "job", "jid": "1"})
    way.take({"event": "job", "jid": "2"})  # of an orchestration below
    way.take({"event": "progress", "minion": "master", "step": 1, "total": 2, "id": "nodes"})
    way.take({"event": "returned", "minion": "n1"})
    way.goes_on(lost=False)
    said = capsys.readouterr().err.splitlines()
    assert said == ["master  [1/2] nodes", "Job 1 goes on; its result: saltern-run --root /r jobs.lookup_jid 1"]
