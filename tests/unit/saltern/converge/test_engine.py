"""Plan, act, observe again: what the engine promises of every state."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from saltern.converge.result import Verdict
from saltern.errors import PermanentError
from saltern.marks import permit_acting
from saltern.secret import Secret
from tests.unit.saltern.converge.node import Node, Thing, low, need


def test_an_apply_runs_the_steps_and_reports_what_was_observed(node: Node) -> None:
    node.things["a"] = Thing("red", 1)
    verdict = node.one(low("present", "a", colour="blue", size=1))
    assert node.things["a"] == Thing("blue", 1)
    assert verdict == Verdict(True, "Done:\n- set colour of a", {"colour": {"old": "red", "new": "blue"}}, changed=True)


def test_a_second_run_changes_nothing_and_observes_once(node: Node) -> None:
    state = low("present", "a", colour="blue")
    node.one(state)
    node.acts.clear()
    node.observed.clear()
    verdict = node.one(state)
    assert (verdict.result, verdict.changed, dict(verdict.changes)) == (True, False, {})
    assert (node.acts, node.observed) == ([], ["a"])


def test_test_mode_lists_the_steps_of_the_apply_and_touches_nothing(node: Node) -> None:
    state = low("present", "a", colour="blue", size=2)
    verdict = node.one(state, test=True)
    assert (verdict.result, verdict.changed) == (None, True)
    assert verdict.comment == "Would be done:\n- set colour of a\n- set size of a"
    assert verdict.changes == {"colour": {"old": None, "new": "blue"}, "size": {"old": None, "new": 2}}
    assert (node.things, node.acts) == ({}, [])
    assert verdict.changes == node.one(state).changes


def test_what_is_not_named_is_neither_compared_nor_reported(node: Node) -> None:
    node.things["a"] = Thing("red", 1)
    assert node.one(low("present", "a", size=1)).changed is False
    assert node.one(low("present", "a", size=2)).changes == {"size": {"old": 1, "new": 2}}


def test_what_was_removed_has_nothing_as_new(node: Node) -> None:
    node.things["a"] = Thing("red")
    assert node.one(low("absent", "a")).changes == {"a": {"old": {"colour": "red"}, "new": None}}


def test_a_difference_that_remains_is_a_failure_told_by_field(node: Node) -> None:
    node.things["a"] = Thing("red")
    node.deaf.add("a")
    verdict = node.one(low("present", "a", colour="blue"))
    assert verdict.result is False
    assert verdict.comment.startswith("did not converge: colour: is 'red', should be 'blue'")
    assert verdict.changed is False


def test_a_state_with_patience_is_observed_until_the_node_has_settled(node: Node) -> None:
    node.deaf.add("a")

    def wake(now: float) -> None:
        if now > 1003:
            node.things["a"] = Thing("blue")

    node.clock.wake = wake
    verdict = node.one(low("present", "a", colour="blue", settle_s=10.0))
    assert verdict.result is True
    assert 3 < sum(node.clock.slept) < 6
    assert node.clock.slept == sorted(node.clock.slept)


def test_patience_ends(node: Node) -> None:
    node.deaf.add("a")
    verdict = node.one(low("present", "a", colour="blue", settle_s=10.0))
    assert verdict.result is False
    assert verdict.comment.startswith("did not converge within 10 s: is absent, should be {'colour': 'blue'}")
    assert sum(node.clock.slept) == pytest.approx(10.0)


def test_a_failing_step_tells_what_was_done_and_what_was_not(node: Node) -> None:
    class Broken(dict[str, Thing]):
        def __setitem__(self, name: str, thing: Thing) -> None:
            if thing.size == 2:
                raise PermanentError("the disk is full")
            super().__setitem__(name, thing)

    node.things = Broken()
    verdict = node.one(low("present", "a", colour="blue", size=2))
    assert verdict.result is False
    assert verdict.comment == ("Failed to set size of a: web.sls:3: the disk is full\nDone before:\n- set colour of a")
    assert verdict.changes == {"colour": {"old": None, "new": "blue"}}
    node.things = {}
    node.broken["a"] = OSError(28, "No space left on device", "/x")
    verdict = node.one(low("present", "a", colour="blue", size=2))
    assert verdict.comment == (
        "Failed to set colour of a: web.sls:3: /x: No space left on device\nNot done:\n- set size of a"
    )


@pytest.mark.parametrize("test", [False, True])
def test_a_difference_without_steps_is_a_bug_of_the_state(node: Node, test: bool) -> None:
    verdict = node.one(low("silent", "a"), test=test)
    assert verdict.result is False
    assert "bug in states/probe.py, probe.silent: it sees a difference and has no step" in verdict.comment


@pytest.mark.parametrize("test", [False, True])
def test_steps_without_a_difference_are_a_bug_and_do_not_run(node: Node, test: bool) -> None:
    verdict = node.one(low("busy", "a"), test=test)
    assert verdict.result is False
    assert "it has steps although nothing differs\n- paint it red" in verdict.comment
    assert node.acts == []


@pytest.mark.parametrize("test", [False, True])
def test_a_state_that_acts_while_planning_is_stopped_even_if_the_caller_may_act(node: Node, test: bool) -> None:
    with permit_acting():
        verdict = node.one(low("acts_while_planning", "a"), test=test)
    assert verdict.result is False
    assert verdict.comment.startswith("web.sls:3: bug in states/probe.py")
    assert node.acts == []


def test_an_expected_error_is_one_line_with_its_place(node: Node) -> None:
    assert node.one(low("fails", "a")) == Verdict(False, "web.sls:3: there is no a")


def test_a_bug_is_named_as_one_and_its_traceback_goes_to_the_log(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        verdict = node.one(low("fails", "a", error=KeyError("x")))
    assert verdict.comment.startswith("web.sls:3: bug in states/probe.py, probe.fails: KeyError: 'x'")
    assert "Traceback" not in verdict.comment
    assert "Traceback" in caplog.text


def test_a_secret_appears_nowhere(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    canary = "c4n4ry-5ecret"
    with caplog.at_level(logging.DEBUG):
        shown = [
            node.one(low("present", "a", colour=Secret(canary)), test=True),
            node.one(low("present", "a", colour=Secret(canary))),
            node.one(low("present", "b", colour=Secret("other")), test=True),
            node.one(low("fails", "a", secret={"x": [Secret(canary)]}, error=ValueError(f"bad password {canary}"))),
            node.one(low("fails", "a", secret=Secret(canary), error=KeyError(canary))),
        ]
        node.deaf.add("c")
        shown.append(node.one(low("present", "c", colour=Secret(canary))))
    assert canary not in repr(shown) + caplog.text
    assert shown[0].changes == {"colour": {"old": None, "new": "**********"}}
    assert shown[3].comment == "web.sls:3: bad password **********"


def test_what_is_unknown_is_said_to_be_so_only_after_an_earlier_change(node: Node) -> None:
    before = low("present", "package", size=1)
    verdict = node.verdicts(before, low("later", "nginx"), test=True)["nginx"]
    assert (verdict.result, verdict.changed) == (None, True)
    assert verdict.comment == "Unknown until earlier states have run: there is no unit nginx"
    assert node.one(low("later", "nginx"), test=True).result is False
    assert node.one(low("later", "nginx")).comment == "web.sls:3: there is no unit nginx"
    assert node.verdicts(before, low("later", "nginx"))["nginx"].result is True


def test_an_imperative_state_is_judged_by_its_outcome(node: Node) -> None:
    assert node.one(low("command", "ls")) == Verdict(True, "ran ls", {"stdout": "hi"}, changed=True)
    assert node.one(low("command", "ls", changes={})) == Verdict(True, "ran ls", {}, changed=False)
    assert node.one(low("command", "ls", ok=False)) == Verdict(False, "ran ls", {"stdout": "hi"}, changed=True)
    node.acts.clear()
    assert node.one(low("command", "ls"), test=True).result is None
    assert node.acts == []


def test_failhard_ends_the_run(node: Node) -> None:
    found = node.verdicts(low("fails", "a", options={"failhard": True}), low("present", "b", size=1))
    assert list(found) == ["a"]
    assert list(node.verdicts(low("fails", "a"), low("present", "b", size=1))) == ["a", "b"]


def test_retry_tries_again_after_an_interval(node: Node) -> None:
    node.broken["a"] = PermanentError("not yet")

    def wake(now: float) -> None:
        if len(node.clock.slept) == 2:
            node.broken.clear()

    node.clock.wake = wake
    verdict = node.one(low("present", "a", size=1, options={"retry": {"attempts": 5, "interval": 7}}))
    assert verdict.result is True
    assert node.clock.slept == [7, 7]
    assert verdict.comment.startswith('Attempt 1: Returned a result of "False", with the following comment:')


def test_retry_ends_and_is_not_used_in_test_mode(node: Node) -> None:
    options = {"retry": [{"attempts": 3}, {"interval": 1}, {"splay": 2}]}
    assert node.one(low("fails", "a", options=options)).result is False
    assert len(node.clock.slept) == 2
    assert all(1 <= pause <= 3 for pause in node.clock.slept)
    node.clock.slept.clear()
    node.one(low("fails", "a", options=options), test=True)
    assert node.clock.slept == []


@pytest.mark.parametrize("retry", [{"attempt": 3}, {"attempts": "x"}, {"until": 1}, [3], {"interval": -1}])
def test_a_malformed_retry_is_refused_before_anything_runs(node: Node, retry: Any) -> None:
    verdict = node.one(low("present", "a", size=1, options={"retry": retry}))
    assert verdict.result is False
    assert verdict.comment.startswith("web.sls:3: retry: ")
    assert node.acts == []


def test_progress_is_told_before_each_state(node: Node) -> None:
    told: list[tuple[int, int, str]] = []
    ctx = replace(node.ctx, progress=lambda *step: told.append(step))
    node.run(low("present", "a"), low("fails", "b"), ctx=ctx)
    assert told == [(1, 2, "a"), (2, 2, "b")]


def test_an_unknown_state_fails_alone(node: Node) -> None:
    found = node.verdicts(low("presnt", "a"), low("present", "b", size=1))
    assert found["a"].result is False
    assert "Did you mean 'probe.present'?" in found["a"].comment
    assert found["b"].result is True


def test_results_are_in_salts_shape(node: Node) -> None:
    node.clock.now = 1_000_000_000.25
    result = node.run(low("present", "a", size=1), low("fails", "b"), low("present", "c", need("require", "b")))
    shown = json.loads(json.dumps(result.as_salt()))
    assert list(shown) == ["probe_|-a_|-a_|-present", "probe_|-b_|-b_|-fails", "probe_|-c_|-c_|-present"]
    first = shown["probe_|-a_|-a_|-present"]
    start = first.pop("start_time")
    assert len(start) == 15
    assert start[8:] == ".250000"
    assert first == {
        "name": "a",
        "result": True,
        "changes": {"size": {"old": None, "new": 1}},
        "comment": "Done:\n- set size of a",
        "__run_num__": 0,
        "__sls__": "web",
        "__id__": "a",
        "duration": 0.0,
    }
    assert shown["probe_|-c_|-c_|-present"]["__state_ran__"] is False
    assert result.retcode == 2
