"""How a job of an orchestration is judged by what its minions returned."""

from __future__ import annotations

from typing import Any

import pytest

from master.collecting import Collected
from master.orchestration.judge import verdict
from saltern.orchestration.asked import OnMinions, allowed

TAG = "file_|-motd_|-/etc/motd_|-managed"


def run(result: bool | None = True, changes: Any = None, comment: str = "") -> dict[str, Any]:
    return {TAG: {"result": result, "changes": changes or {}, "comment": comment, "__id__": "motd"}}


STILL, MOVED = Collected("done", run()), Collected("done", run(changes={"mode": {}}))
BROKEN = Collected("done", run(False, comment="no\n space"), retcode=2)
AWAY = Collected("offline", "Minion is offline")
WOULD = Collected("done", run(None, {"mode": {}}))


def states(**options: Any) -> OnMinions:
    return OnMinions(function="state.sls", tgt="*", form="glob", states=True, **options)


def test_only_what_changed_or_failed_is_in_the_changes() -> None:
    found = verdict(states(), {"n1": STILL, "n2": MOVED, "n3": BROKEN, "n4": AWAY})
    assert found.changes == {"out": "highstate", "ret": {"n2": MOVED.value, "n3": BROKEN.value}}
    assert (found.result, found.changed) == (False, True)
    assert found.comment.splitlines() == [
        "Failed on 2 of 4 minions: n3, n4",
        "  n3: file.managed motd: no space",
        "  n4: offline: Minion is offline",
        "Changed: n2",
        "Nothing to change on n1",
    ]


def test_a_run_without_changes_has_none() -> None:
    found = verdict(states(), {"n1": STILL})
    assert (found.result, found.changed, found.changes) == (True, False, {})


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ({}, False),
        ({"allowed": allowed("1")}, False),
        ({"allowed": allowed("2")}, True),
        ({"allowed": allowed("50%")}, True),
        ({"allowed": allowed("49%")}, False),
        ({"expect": False}, False),
        ({"may_fail": frozenset({"n3"})}, False),
        ({"may_fail": frozenset({"n3"}), "expect": False}, True),
        ({"may_fail": frozenset({"n3"}), "allowed": allowed("1")}, True),
    ],
)
def test_failures_count_unless_they_may_be(options: dict[str, Any], result: bool) -> None:
    found = verdict(states(**options), {"n1": STILL, "n2": MOVED, "n3": BROKEN, "n4": AWAY})
    assert found.result is result
    assert "n3" in found.comment
    assert "n4" in found.comment


@pytest.mark.parametrize(("one", "result"), [(WOULD, None), (STILL, True), (BROKEN, False), (AWAY, False)])
def test_test_mode_says_whether_something_would_change(one: Collected, result: bool | None) -> None:
    found = verdict(states(test=True), {"n1": STILL, "n2": one})
    assert (found.result, found.changed) == (result, one is WOULD)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (Collected("done", "no such thing", retcode=1), "no such thing (return code 1)"),
        (Collected("done", False, success=False), "False"),
        (Collected("refused", "pillar: no"), "refused: pillar: no"),
        (Collected("done", ["a.sls:1: wrong", "b"], retcode=1), "a.sls:1: wrong (return code 1)"),
        (Collected("failed", {"x": "y" * 1000}), "failed: {'x': '" + "y" * 284 + "…"),
    ],
)
def test_why_a_minion_failed_is_one_line(one: Collected, why: str) -> None:
    found = verdict(OnMinions(function="a.b", tgt="*", form="glob"), {"n1": one})
    assert found.result is False
    assert found.comment.splitlines()[1] == f"  n1: {why}"


def test_a_function_that_ran_has_changed_something() -> None:
    found = verdict(OnMinions(function="test.ping", tgt="*", form="glob"), {"n1": Collected("done", True), "n2": AWAY})
    assert (found.result, found.changed) == (False, True)
    assert found.changes["ret"] == {"n1": True}
    assert found.comment.endswith("test.ping ran on n1")
