"""States of one kind that say `aggregate` are done in one step, and each keeps a result of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saltern.config import Config, load_minion
from saltern.converge.plan import Step, call
from saltern.converge.state import aggregate
from saltern.marks import acting
from states import pkg as pkg_states
from tests.unit.saltern.converge.node import Node, Thing, low, need

ON = {"aggregate": True}


@pytest.fixture
def joins(node: Node) -> list[list[str]]:
    """The groups of sentences that were joined; the joint step does what each would do."""
    joined: list[list[str]] = []

    @acting
    def all_at_once(calls: tuple[Any, ...]) -> None:
        node.acts.append(f"at once: {len(calls)}")
        for one in calls:
            one()

    @aggregate(of=sys.modules["states.probe"].present)
    def at_once(steps: Iterable[Step]) -> Iterator[Step]:
        listed = list(steps)
        joined.append([step.sentence for step in listed])
        yield Step("do all", None, None, do=call(all_at_once, tuple(step.do for step in listed)))

    return joined


def test_many_states_are_one_step_and_each_has_its_own_result(node: Node, joins: list[list[str]]) -> None:
    lows = [low("present", f"p{number}", colour="red", options=ON) for number in range(50)]
    verdicts = node.verdicts(*lows)
    assert [act for act in node.acts if act.startswith("at once")] == ["at once: 50"]
    assert len(joins) == 1
    for number in range(50):
        verdict = verdicts[f"p{number}"]
        assert (verdict.result, verdict.changed) == (True, True)
        assert verdict.changes == {"colour": {"old": None, "new": "red"}}
        assert verdict.comment.startswith(f"Done:\n- set colour of p{number}\nIn one step for p0, p1, ")


def test_each_state_is_observed_at_most_three_times(node: Node, joins: list[list[str]]) -> None:
    lows = [low("present", f"p{number}", colour="red", options=ON) for number in range(20)]
    node.run(*lows)
    assert max(node.observed.count(f"p{number}") for number in range(20)) <= 2
    node.observed.clear()
    node.run(*lows)
    assert max(node.observed.count(f"p{number}") for number in range(20)) <= 3


def test_what_the_joint_step_did_not_bring_about_is_the_failure_of_its_state_alone(
    node: Node, joins: list[list[str]]
) -> None:
    node.deaf.add("b")
    verdicts = node.verdicts(*(low("present", id, colour="red", options=ON) for id in "abc"))
    assert {id: verdict.result for id, verdict in verdicts.items()} == {"a": True, "b": False, "c": True}
    assert verdicts["b"].comment.startswith("did not converge: is absent")


def test_where_the_joint_step_fails_each_runs_alone(node: Node, joins: list[list[str]]) -> None:
    node.broken["b"] = OSError("no such package")
    verdicts = node.verdicts(*(low("present", id, colour="red", options=ON) for id in "abc"))
    assert {id: verdict.result for id, verdict in verdicts.items()} == {"a": True, "b": False, "c": True}
    assert len(joins) == 1


def test_a_state_that_waits_for_something_is_not_taken_along_before_it(node: Node, joins: list[list[str]]) -> None:
    lows = [
        low("present", "a", colour="red", options=ON),
        low("watchful", "repo", colour="red"),
        low("present", "b", need("require", "repo"), colour="red", options=ON),
        low("present", "c", need("require", "repo"), colour="red", options=ON),
    ]
    verdicts = node.verdicts(*lows)
    assert joins == [["set colour of b", "set colour of c"]]
    assert all(verdict.result for verdict in verdicts.values())


@pytest.mark.parametrize("own", [{"unless": "true"}, {"onlyif": "true"}, {"order": "last"}, {"aggregate": False}])
def test_a_state_with_a_moment_of_its_own_is_left_out(node: Node, joins: list[list[str]], own: dict[str, Any]) -> None:
    lows = [
        low("present", "a", colour="red", options=ON),
        low("present", "b", colour="red", options=own),
        low("present", "c", colour="red", options=ON),
    ]
    ctx = replace(node.ctx, call=lambda *_, **__: 0)
    node.run(*lows, ctx=ctx)
    assert joins[0] == ["set colour of a", "set colour of c"]


def test_a_preview_tells_the_joint_step_and_touches_nothing(node: Node, joins: list[list[str]]) -> None:
    verdict = {
        result.low.id: result.verdict
        for result in node.run(*(low("present", id, colour="red", options=ON) for id in "ab"), test=True).results
    }["b"]
    assert verdict.result is None
    assert verdict.comment == "Would be done:\n- set colour of b\nIn one step for a, b."
    assert (node.acts, node.things) == ([], {})


def test_what_was_joined_is_reported_although_the_run_was_stopped(node: Node, joins: list[list[str]]) -> None:
    lows = [
        low("present", "a", colour="red", options=ON),
        low("fails", "x", options={"failhard": True}),
        low("present", "b", colour="red", options=ON),
        low("watchful", "c", colour="red"),
    ]
    results = node.run(*lows).results
    assert [(result.low.id, result.verdict.result) for result in results] == [("a", True), ("x", False), ("b", True)]
    assert node.things == {"a": Thing("red"), "b": Thing("red")}


@pytest.mark.parametrize(("option", "groups"), [(True, 1), (["probe"], 1), (["pkg"], 0), (False, 0)])
def test_the_option_state_aggregate_holds_for_all_or_for_namespaces(
    node: Node, joins: list[list[str]], tmp_path: Path, option: Any, groups: int
) -> None:
    ctx = replace(node.ctx, config=Config(root=tmp_path, state_aggregate=option))
    node.run(low("present", "a", colour="red"), low("present", "b", colour="red"), ctx=ctx)
    assert len(joins) == groups


def test_state_aggregate_is_read_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "minion").write_text("state_aggregate: [pkg]\nfailhard: true\n")
    config = load_minion(tmp_path, tmp_path)
    assert (config.state_aggregate, config.failhard) == (["pkg"], True)


def test_packages_are_installed_in_one_transaction_per_set_of_options() -> None:
    def step(name: str, spec: str = "", **options: Any) -> Step:
        [found] = pkg_states.install_steps(
            {name: None}, {name: pkg_states.Installed(spec or "installed")}, {name: spec}, **options
        )
        return found

    joined = list(
        pkg_states.in_one_transaction(
            [step("a"), step("b"), step("c", fromrepo="sid"), step("d", "1.0"), step("d", "2.0"), step("e")]
        )
    )
    assert [dict(one.do.kwargs)["pkgs"] for one in joined] == [
        {"a": "", "b": "", "d": "1.0", "e": ""},
        {"c": ""},
        {"d": "2.0"},
    ]
    assert joined[0].sentence == "install a, b, d 1.0, e"
