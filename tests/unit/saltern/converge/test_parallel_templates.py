"""Templates of states that run in parallel are rendered where they can be ended, and hold nobody up."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from saltern.context import Context
from saltern.converge.parallel import Lanes
from saltern.converge.plan import Plan
from saltern.converge.state import state
from saltern.sls import fence
from saltern.sls.desk import BrokenOff, by_main_thread
from saltern.sls.render import render_sls, render_template
from tests.patience import WAIT_S
from tests.unit.saltern.converge.node import Node, low

BESIDE = {"parallel": True}
ENDLESS = {
    "match": "\n{% set x = ('a' * 60 ~ 'b') | regex_match('(a+)+$') %}",
    "macro": "\n{% macro f(n) %}{% if n < 60 %}{{ f(n + 1) }}{{ f(n + 1) }}{% endif %}{% endmacro %}{{ f(0) }}",
}
PYTHON = "#!py\ndef run():\n    while True:\n        pass\n"


@pytest.fixture
def states(node: Node) -> dict[str, threading.Thread]:
    """`probe.renders` and `probe.runs_python` render their names. Of two `probe.meets`, the one that says that it is
    `first` renders before they meet, the other one afterwards. What is given is in which threads they were."""
    seen: dict[str, threading.Thread] = {}
    met = threading.Barrier(2)

    @state
    def renders(ctx: Context, name: str) -> Plan:
        seen["renders"] = threading.current_thread()
        text = render_template(name, place="a.j2", context={}, ctx=ctx, saltenv="base")
        node.acts.append(text)
        return Plan(None, None)

    @state
    def runs_python(ctx: Context, name: str) -> Plan:
        render_sls(name, place="a.sls", ctx=ctx, saltenv="base")
        return Plan(None, None)

    @state
    def meets(ctx: Context, name: str, *, first: bool) -> Plan:
        seen[name] = threading.current_thread()
        if not first:
            met.wait(WAIT_S)
        node.acts.append(render_template("{{ name }}", place="b.j2", context={"name": name}, ctx=ctx, saltenv="base"))
        if first:
            met.wait(WAIT_S)
        return Plan(None, None)

    for one in (renders, runs_python, meets):
        one.__module__ = "states.probe"
        setattr(sys.modules["states.probe"], one.__name__, one)
    return seen


@pytest.mark.parametrize("name", ENDLESS)
def test_a_template_without_an_end_in_a_parallel_state_is_ended_with_its_line(
    node: Node, states: dict[str, threading.Thread], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(fence, "CPU_S", 0.1)
    verdicts = node.verdicts(low("renders", ENDLESS[name], options=BESIDE), low("present", "b", colour="red"))
    assert verdicts[ENDLESS[name]].result is False
    assert "takes more than 0.1 s of processor time: is there an end?" in verdicts[ENDLESS[name]].comment
    assert "a.j2:2:1: " in verdicts[ENDLESS[name]].comment
    assert verdicts["b"].result is True
    assert states["renders"] is not threading.main_thread()


def test_an_sls_in_python_without_an_end_is_ended_there_too(
    node: Node, states: dict[str, threading.Thread], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fence, "CPU_S", 0.1)
    verdict = node.one(low("runs_python", PYTHON, options=BESIDE))
    assert "takes more than 0.1 s of processor time: is there an end?" in verdict.comment


def test_a_parallel_state_renders_while_the_next_one_is_at_work(
    node: Node, states: dict[str, threading.Thread]
) -> None:
    results = node.run(low("meets", "a", first=True, options=BESIDE), low("meets", "b", first=False)).results
    assert [result.verdict.result for result in results] == [True, True]
    assert node.acts == ["a", "b"]
    assert threading.main_thread() not in states.values()


def test_time_that_other_threads_take_does_not_end_a_template(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fence, "CPU_S", 0.05)
    monkeypatch.setattr(fence, "_AGAIN_S", 0.02)
    stop = threading.Event()

    def busy() -> None:
        while not stop.is_set():
            pass

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        with fence.fence():
            stop.wait(0.5)
    finally:
        stop.set()
        thread.join()


def test_after_a_run_nobody_waits_at_the_desk_and_who_comes_late_is_turned_away() -> None:
    lanes = Lanes()
    late = lanes._desk
    assert late is not None
    lanes.close()
    with pytest.raises(BrokenOff):
        late.hand_in(lambda: 1)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(by_main_thread, lambda: 1).result(WAIT_S) == 1


def test_a_run_that_is_broken_off_leaves_no_thread_waiting() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    before = set(threading.enumerate())
    lanes = Lanes()
    found: list[BaseException | None] = []

    def renders() -> None:
        try:
            by_main_thread(interrupted)
        except BrokenOff as error:
            found.append(error)

    with pytest.raises(KeyboardInterrupt):
        lanes._result(lanes._pool.submit(renders))
    lanes.close()
    assert [str(error) for error in found] == ["the run was broken off"]
    assert set(threading.enumerate()) <= before
