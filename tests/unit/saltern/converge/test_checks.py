"""unless, onlyif, creates and check_cmd, as Salt documents them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saltern.converge.checks import failed_check
from saltern.marks import acting
from tests.unit.saltern.converge.node import Node, low


@pytest.fixture
def asked(node: Node) -> list[Any]:
    """What the conditions asked: `true` and `false` are the commands, `a.thing` the function."""
    calls: list[Any] = []

    @acting
    def call(name: str, *args: Any, **kwargs: Any) -> Any:
        calls.append((name, args, kwargs))
        if name == "cmd.retcode":
            return {"true": 0, "false": 1}[args[0]]
        return {"a": {"b": args[0]}} if args else kwargs.get("answer")

    node.ctx = replace(node.ctx, call=call)
    return calls


@pytest.mark.parametrize(
    ("options", "comment"),
    [
        ({"unless": "true"}, "unless condition is true"),
        ({"unless": "false"}, None),
        ({"unless": ["true", "true"]}, "unless condition is true"),
        ({"unless": ["true", "false"]}, None),
        ({"unless": []}, None),
        ({"unless": True}, "unless condition is true"),
        ({"onlyif": "true"}, None),
        ({"onlyif": "false"}, "onlyif condition is false"),
        ({"onlyif": ["true", "false"]}, "onlyif condition is false"),
        ({"onlyif": False}, "onlyif condition is false"),
        ({"onlyif": "true", "unless": "true"}, "unless condition is true"),
        ({"onlyif": {"fun": "a.thing", "answer": 1}}, None),
        ({"onlyif": [{"fun": "a.thing", "answer": ""}]}, "onlyif condition is false"),
        ({"unless": {"fun": "a.thing", "args": ["x"], "get_return": "a:b"}}, "unless condition is true"),
        ({"unless": {"fun": "a.thing", "args": ["x"], "get_return": "a:c"}}, None),
    ],
)
def test_conditions_decide_whether_a_state_runs(
    node: Node, asked: list[Any], options: dict[str, Any], comment: str | None
) -> None:
    verdict = node.one(low("command", "it", options=options))
    assert verdict.result is True
    assert (verdict.comment if not verdict.ran else None) == comment
    assert node.acts == ([] if comment else ["run it"])


def test_conditions_are_asked_in_test_mode_too(node: Node, asked: list[Any]) -> None:
    assert node.one(low("command", "it", options={"unless": "true"}), test=True).result is True


def test_commands_run_as_and_where_the_state_does(node: Node, asked: list[Any]) -> None:
    options = {"onlyif": "true", "runas": "ann"}
    node.one(low("fails", "it", options=options, cwd="/srv", env={"A": "b"}, shell="/bin/bash", group="root"))
    assert asked == [
        ("cmd.retcode", ("true",), {"runas": "ann", "cwd": "/srv", "env": {"A": "b"}, "shell": "/bin/bash"})
    ]


@pytest.mark.parametrize(("there", "runs"), [((), True), (("a",), True), (("a", "b"), False)])
def test_creates_skips_where_all_paths_exist(node: Node, tmp_path: Path, there: tuple[str, ...], runs: bool) -> None:
    for name in there:
        (tmp_path / name).symlink_to("nowhere")
    paths = [str(tmp_path / "a"), str(tmp_path / "b")]
    assert node.one(low("command", "it", options={"creates": paths})).ran is runs


def test_creates_of_one_path_names_it(node: Node, tmp_path: Path) -> None:
    assert node.one(low("command", "it", options={"creates": str(tmp_path)})).comment == f"{tmp_path} exists"


def test_check_cmd_overrules_a_success(node: Node, asked: list[Any]) -> None:
    verdict = node.one(low("command", "it", options={"check_cmd": ["true", "false"]}))
    assert verdict.result is False
    assert verdict.comment == "ran it\ncheck_cmd determined the state failed: false"
    assert node.one(low("command", "it", options={"check_cmd": "true"})).result is True


def test_check_cmd_is_not_asked_in_test_mode_or_after_a_failure(node: Node, asked: list[Any]) -> None:
    node.one(low("command", "it", options={"check_cmd": "false"}), test=True)
    node.one(low("fails", "it", options={"check_cmd": "false"}))
    assert asked == []


@pytest.mark.parametrize("condition", [{"func": "a.thing"}, 3, {"fun": 3}])
def test_a_malformed_condition_fails_its_state(node: Node, asked: list[Any], condition: Any) -> None:
    verdict = node.one(low("command", "it", options={"onlyif": condition}))
    assert verdict.result is False
    assert verdict.comment.startswith("web.sls:3: a condition is a command, or a mapping with `fun`")
    assert node.acts == []


def test_a_state_that_takes_check_cmd_itself_is_not_checked_again(node: Node, asked: list[Any]) -> None:
    taken = low("command", "it", options={"check_cmd": "false"}, check_cmd="false")
    assert failed_check(taken, node.ctx) is None
