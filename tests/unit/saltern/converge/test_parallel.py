"""States that say `parallel: True` run beside the next ones; their results are as if they had run in their turn."""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saltern.config import Config
from saltern.context import Context
from saltern.converge import parallel
from saltern.converge.engine import run
from saltern.converge.plan import Plan, Step, call
from saltern.converge.state import state
from saltern.marks import acting, may_act
from saltern.sls.low import Low, Place
from tests.patience import WAIT_S
from tests.unit.saltern.converge.node import Node, low, need

BESIDE = {"parallel": True}


def _umask() -> int:
    """The umask of this process, which Linux tells without changing it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Umask:")).split()[1], 8)


@pytest.fixture
def meeting(node: Node) -> threading.Barrier:
    """States `probe.meets` end when as many are at work as the barrier wants."""
    barrier = threading.Barrier(2)

    @acting
    def meet(name: str) -> None:
        barrier.wait(WAIT_S)
        node.acts.append(f"met {name}")

    @state
    def meets(ctx: Context, name: str) -> Plan:
        return Plan(None, None, [Step(f"meet {name}", None, None, do=call(meet, name))], imperative=True)

    meets.__module__ = "states.probe"
    sys.modules["states.probe"].meets = meets  # type: ignore[attr-defined]
    return barrier


def test_two_parallel_states_are_at_work_at_once_and_results_keep_their_order(
    node: Node, meeting: threading.Barrier
) -> None:
    lows = [low("meets", "a", options=BESIDE), low("present", "m", colour="red"), low("meets", "b", options=BESIDE)]
    results = node.run(*lows).results
    assert [(result.low.id, result.number, result.verdict.result) for result in results] == [
        ("a", 0, True),
        ("m", 1, True),
        ("b", 2, True),
    ]
    assert sorted(node.acts)[:2] == ["met a", "met b"]


def test_a_state_waits_for_the_parallel_ones_that_it_requires(node: Node, meeting: threading.Barrier) -> None:
    lows = [
        low("meets", "a", options=BESIDE),
        low("meets", "b", options=BESIDE),
        low("present", "after", need("require", "a"), need("require", "b"), colour="red"),
    ]
    node.run(*lows)
    assert node.acts[-1] == "put after"


def test_a_failure_in_a_thread_is_that_of_its_state_and_of_who_requires_it(node: Node) -> None:
    verdicts = node.verdicts(
        low("fails", "a", options=BESIDE),
        low("present", "b", need("require", "a"), colour="red"),
        low("present", "c", colour="red", options=BESIDE),
    )
    assert {id: verdict.result for id, verdict in verdicts.items()} == {"a": False, "b": False, "c": True}
    assert verdicts["b"].comment == "One or more requisite failed: web.a"


def test_a_reaction_to_a_parallel_state_is_done(node: Node) -> None:
    node.run(
        low("present", "a", colour="red", options=BESIDE), low("watchful", "w", need("watch", "a"), options=BESIDE)
    )
    assert node.acts == ["put a", "restart w"]


def test_failhard_in_a_thread_ends_the_run(node: Node) -> None:
    results = node.run(
        low("fails", "a", options={**BESIDE, "failhard": True}),
        low("present", "b", need("require", "a"), colour="red"),
        low("present", "c", colour="red"),
    ).results
    assert [result.low.id for result in results] == ["a"]


def test_no_more_than_a_few_run_at_once(node: Node) -> None:
    at_work, most, lock = [0], [0], threading.Lock()
    clock = node.clock

    def wake(_: float) -> None:
        with lock:
            at_work[0] += 1
            most[0] = max(most[0], at_work[0])
        threading.Event().wait(0.005)
        with lock:
            at_work[0] -= 1

    clock.wake = wake
    node.deaf.update(f"p{number}" for number in range(30))
    node.run(*(low("present", f"p{number}", colour="red", settle_s=0.01, options=BESIDE) for number in range(30)))
    assert 1 <= most[0] <= parallel.MOST


def test_a_thread_may_not_act_outside_of_its_steps(node: Node) -> None:
    verdict = node.one(low("acts_while_planning", "a", options=BESIDE))
    assert verdict.result is False
    assert "so only a step's `do` may call it" in verdict.comment
    assert not may_act()


def test_test_mode_runs_one_after_the_other(node: Node) -> None:
    assert node.one(low("present", "a", colour="red", options=BESIDE), test=True).result is None
    assert node.acts == []


def test_a_network_state_runs_by_itself_and_says_so() -> None:
    one = Low(module="bridge", fun="present", id="br0", name="br0", sls="net", saltenv="base", place=Place("net.sls"))
    assert parallel.objection(one) == "it may change the network, and such a change is one transaction"


def test_a_state_with_a_umask_runs_by_itself_with_a_note(node: Node, tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        seen: list[int] = []
        node.clock.wake = lambda _: seen.append(_umask())
        node.deaf.add("a")
        one = low("present", "a", colour="red", settle_s=0.01, options={**BESIDE, "umask": "077"})
        verdict = node.one(one)
        assert set(seen) == {0o077}
        assert _umask() == 0o022
        assert verdict.warnings == ("web.sls:3: `parallel` has no effect here: its umask holds for the whole process",)
    finally:
        os.umask(before)


@pytest.mark.parametrize("wrong", ["rwx", "1777", True, -1, "99"])
def test_a_wrong_umask_is_refused_before_anything_runs(node: Node, wrong: Any) -> None:
    verdict = node.one(low("present", "a", colour="red", options={"umask": wrong}))
    assert verdict.result is False
    assert "umask wants three octal digits" in verdict.comment
    assert node.acts == []


def test_failhard_of_the_configuration_ends_the_run_unless_a_state_says_no(node: Node, tmp_path: Path) -> None:
    ctx = replace(node.ctx, config=Config(root=tmp_path, failhard=True))
    lows = [low("fails", "a", options={"failhard": False}), low("fails", "b"), low("present", "c", colour="red")]
    assert [result.low.id for result in run(lows, ctx, test=False, clock=node.clock).results] == ["a", "b"]


def test_an_event_is_sent_after_a_state_that_wants_it(node: Node) -> None:
    sent: list[tuple[Any, ...]] = []
    ctx = replace(node.ctx, jid="20260101", ask=lambda what, args: None, call=lambda *args: sent.append(args))
    lows = [
        low("present", "a b", colour="red", options={"fire_event": True}),
        low("present", "c", colour="red", options={"fire_event": "web/done"}),
        low("present", "d", colour="red"),
    ]
    node.run(*lows, ctx=ctx)
    assert [(name, tag) for name, tag, _ in sent] == [
        ("event.send", "state_result/20260101/a_b"),
        ("event.send", "state_result/20260101/web/done"),
    ]
    assert sent[0][2]["changes"] == {"colour": {"old": None, "new": "red"}}
    sent.clear()
    node.run(*lows, ctx=ctx, test=True)
    assert sent == []


def test_an_event_that_can_not_be_sent_is_a_warning_and_no_failure(node: Node) -> None:
    from saltern.errors import TemporaryError

    def away(*_: Any) -> None:
        raise TemporaryError("the master is away")

    ctx = replace(node.ctx, ask=lambda what, args: None, call=away)
    result = node.run(low("present", "a", colour="red", options={"fire_event": True}), ctx=ctx)
    assert result.ok
    assert "the master is away" in result.warnings[0]


def test_grains_and_pillar_are_seen_anew_after_a_state_that_reloads_them(node: Node) -> None:
    seen: list[Any] = []

    @state
    def looks(ctx: Context, name: str) -> Plan:
        seen.append((ctx.grains.get("g"), ctx.pillar.get("p")))
        return Plan(None, None)

    looks.__module__ = "states.probe"
    sys.modules["states.probe"].looks = looks  # type: ignore[attr-defined]
    ctx = replace(node.ctx, extra={"renew_grains": lambda: {"g": 1}, "renew_pillar": lambda: {"p": 2}})
    both = {"reload_grains": True, "reload_pillar": True}
    node.run(
        low("looks", "a", options=both),  # nothing changed: nothing is reloaded
        low("present", "b", colour="red", options=both),
        low("looks", "c"),
        ctx=ctx,
    )
    assert seen == [(None, None), (1, 2)]
