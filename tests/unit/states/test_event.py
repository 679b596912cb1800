"""Events that a state sends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules.event import NoBus
from saltern.converge.state import reaction_of
from saltern.marks import permit_acting
from states import event
from tests.plans import context


def test_an_event_is_sent_in_each_run_or_only_by_reaction(tmp_path: Path) -> None:
    asked: list[Any] = []
    ctx = replace(context(tmp_path), ask=lambda *words: asked.append(words))
    plan, waiting = event.send(ctx, "web/done", data={"a": 1}), event.wait(ctx, "web/done")
    react = reaction_of(event.wait)
    assert react is not None
    assert (plan.imperative, len(plan.steps), waiting.steps) == (True, 1, ())
    assert asked == [], "planning sends nothing"
    with permit_acting():
        for step in [*plan.steps, *react(ctx, "web/again")]:
            step.do()
    assert asked == [
        ("event.send", {"tag": "web/done", "data": {"a": 1}}),
        ("event.send", {"tag": "web/again", "data": {}}),
    ]


def test_a_node_without_a_master_has_nobody_to_tell(tmp_path: Path) -> None:
    (step,) = event.send(context(tmp_path), "x").steps
    with permit_acting(), pytest.raises(NoBus):
        step.do()
