"""When the agent has something brought for the schedule, and when it leaves master and node alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from minion.schedule.ahead import BRING, SPREAD_S, Ahead
from minion.schedule.bring import named
from minion.schedule.clock import Clock
from saltern.schedule.item import Item, parse


class Node(Clock):
    """A minion whose timers and workers the test lets go on."""

    def __init__(self, folder: Path) -> None:
        self.bundle = folder / "bundle"
        self.bundle.write_text("1")
        self.here = True
        self.timers: list[tuple[float, Callable[[], object]]] = []
        self.work: list[tuple[Sequence[Any], Callable[[Any], None]]] = []
        self.items: list[Item] = [parse("highstate", {"function": "state.apply", "hours": 1})]
        self.ahead = Ahead(self, lambda: self.items, self.bundle, self)

    def call_later(self, delay_s: float, then: Callable[[], object]) -> asyncio.TimerHandle:
        self.timers.append((delay_s, then))
        return SimpleNamespace(cancel=lambda: None)  # type: ignore[return-value]

    def look_up(self, function: str, args: Sequence[Any], then: Callable[[Any], None]) -> None:
        assert function == BRING
        self.work.append((args, then))

    def is_connected(self) -> bool:
        return self.here

    def pass_time(self) -> None:
        timers, self.timers = self.timers, []
        for _, then in timers:
            then()

    def end(self, answer: Mapping[str, Any] | None) -> None:
        [(_, then)], self.work = self.work, []
        then(answer)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def done(key: str = "k", failed: str = "") -> dict[str, Any]:
    return {"key": key, "problems": [], "failed": failed}


def test_what_a_state_run_needs_is_brought_once_for_a_bundle_and_after_a_delay_by_chance(node: Node) -> None:
    node.ahead.look()
    node.ahead.look()
    [(delay_s, _)] = node.timers
    assert 0 <= delay_s <= SPREAD_S
    node.pass_time()
    assert [args for args, _ in node.work] == [["", [["state.apply", [], {}]]]]
    node.ahead.look()
    node.end(done("k"))
    node.ahead.look()
    assert not node.timers
    node.bundle.unlink()
    node.bundle.write_text("2")
    node.ahead.look()
    node.pass_time()
    assert node.work[0][0][0] == "k", "the worker sees by it that nothing is to be done"


@pytest.mark.parametrize("function", ["test.ping", "mine.update"])
def test_without_a_state_run_nothing_is_brought(node: Node, function: str) -> None:
    node.items = [parse("other", {"function": function, "hours": 1})]
    node.items += [parse("off", {"function": "state.apply", "hours": 1, "enabled": False})]
    node.ahead.look()
    assert not node.timers


def test_without_the_master_nothing_is_begun(node: Node) -> None:
    node.ahead.look()
    node.here = False
    node.pass_time()
    node.ahead.look()
    assert (node.work, node.timers) == ([], [])


@pytest.mark.parametrize("answer", [None, done(failed="no space left")])
def test_what_failed_is_tried_again_later(
    node: Node, answer: dict[str, Any] | None, caplog: pytest.LogCaptureFixture
) -> None:
    node.ahead.look()
    node.pass_time()
    node.end(answer)
    assert "may fail while the master is away" in caplog.text
    [(delay_s, _)] = node.timers
    assert delay_s > SPREAD_S
    node.pass_time()
    node.end(done())
    assert not node.timers


def test_what_comes_meanwhile_is_brought_too(node: Node) -> None:
    node.ahead.look()
    node.pass_time()
    node.items = [*node.items, parse("net", {"function": "state.sls", "args": ["net"], "hours": 1})]
    node.ahead.look()
    node.end(done())
    node.pass_time()
    assert node.work[0][0] == ["k", [["state.apply", [], {}], ["state.sls", ["net"], {}]]]


def test_files_and_folders_that_states_name_are_found_in_their_environment() -> None:
    trees = {"base": ("a", "dir/x", "dir/y", "dirt"), "dev": ("a", "b")}
    low = [
        {"__env__": "base", "source": ["salt://a", {"salt://b?saltenv=dev": "hash"}], "name": "/etc/a"},
        {"__env__": "base", "source": "salt://dir/", "contents": "see salt://nothing"},
        {"__env__": "dev", "source": "salt://a"},
        {"__env__": "dev", "source": "salt://../etc/shadow"},
    ]
    found = set(named(low, trees.__getitem__))
    assert found == {("base", "a"), ("dev", "b"), ("base", "dir/x"), ("base", "dir/y"), ("dev", "a")}
