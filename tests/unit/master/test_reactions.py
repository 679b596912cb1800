"""Reactor SLS are read in another process, which ends what has no end and is begun anew when it is gone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from master.reaction import ReactionError
from master.reactions import Reactions
from tests.patience import WAIT_S

GOOD = "a:\n  local.test.ping:\n    - tgt: {{ data.id }}\n    - arg: [{{ data.given }}]\n    - kwarg: {n: 1}\n"


@pytest.fixture
def reactions(tmp_path: Path) -> Iterator[Reactions]:
    made = Reactions({"base": [str(tmp_path)]})
    yield made
    made.close()


def test_calls_come_back_as_they_were_read(reactions: Reactions) -> None:
    [call] = reactions.calls(GOOD, "r.sls", "t", {"id": "n1", "given": {"x": [1, "{{ no }}"]}})
    assert (call.id, call.kind, call.function, call.tgt) == ("a", "local", "test.ping", "n1")
    assert (call.args, call.kwargs) == (({"x": [1, "{{ no }}"]},), {"n": 1})


def test_an_expression_that_an_event_makes_endless_is_ended_and_the_next_is_read(reactions: Reactions) -> None:
    endless = "{% if data.id | regex_match('(a+)+$') %}{% endif %}"
    began = time.process_time()
    with pytest.raises(ReactionError, match=r"r\.sls: the template takes more than 1 s of processor time"):
        reactions.calls(endless, "r.sls", "t", {"id": "a" * 60 + "b"})
    assert time.process_time() - began < 0.8, "another process had the work"
    assert reactions.calls("", "r.sls", "t", {}) == []


def test_a_process_that_ended_is_begun_anew(reactions: Reactions) -> None:
    assert reactions.calls("", "r.sls", "t", {}) == []
    assert reactions._process is not None
    pid = reactions._process.pid
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + WAIT_S
    while os.path.exists(f"/proc/{pid}"):  # no zombie is left
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(reactions.calls(GOOD, "r.sls", "t", {"id": "n1", "given": 1})) == 1


def test_ctrl_c_is_for_the_master_alone(reactions: Reactions) -> None:
    assert reactions.calls("", "r.sls", "t", {}) == []
    assert reactions._process is not None
    assert os.getpgid(reactions._process.pid) != os.getpgid(0)


def test_what_does_not_render_is_told_with_its_place(reactions: Reactions) -> None:
    with pytest.raises(ReactionError, match=r"r\.sls:2: .*nothing"):
        reactions.calls("\n{{ nothing.at.all }}", "r.sls", "t", {})


def test_once_it_is_closed_nothing_is_read(reactions: Reactions) -> None:
    reactions.close()
    with pytest.raises(ReactionError, match="ended by itself"):
        reactions.calls("", "r.sls", "t", {})
