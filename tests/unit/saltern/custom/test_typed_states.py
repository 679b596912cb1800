"""A typed state of a tree is planned, run and verified as a built-in one; a mistake in it fails it alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.saltern.custom.trees import put, ran

HEAD = """
from saltern.converge.plan import Plan, Step, call
from saltern.converge.state import state
from saltern.marks import acting


@acting
def nothing():
    return None

"""


def result(tmp_path: Path, body: str, *, test: bool = False) -> dict[str, Any]:
    """How a state with this BODY ends, beside another that has to end well."""
    put(tmp_path, {"_states/own.py": f"{HEAD}\n@state\ndef done(ctx, name, *, n: int = 0):\n    {body}\n"})
    put(tmp_path, {"t.sls": "a:\n  own.done: []\nb:\n  test.nop: []\n"})
    given = ran(tmp_path, "state.apply", "t", test=test).value
    assert isinstance(given, dict), given
    by_id = {one["__id__"]: one for one in given.values()}
    assert by_id["b"]["result"] is True
    own: dict[str, Any] = by_id["a"]
    return own


@pytest.mark.parametrize("test", [False, True])
@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return None", "bug in _states/own.py, own.done: TypeError: it returned NoneType and no Plan"),
        ("return {}['k']", "bug in _states/own.py:14, own.done: KeyError: 'k'"),
        ("return Plan(1, 2, ['go'])", "a step of its plan is no Step"),
        ("return Plan(1, 2)", "bug in _states/own.py, own.done: it sees a difference and has no step"),
        ("nothing()", "ActedWhilePlanning"),
    ],
)
def test_a_mistake_fails_the_state_alone_and_names_its_file(tmp_path: Path, body: str, why: str, test: bool) -> None:
    own = result(tmp_path, body, test=test)
    assert own["result"] is False
    assert why in own["comment"]


def test_what_it_did_not_reach_is_told(tmp_path: Path) -> None:
    own = result(tmp_path, "return Plan(1, 2, [Step('go', 1, 2, do=call(nothing))])")
    assert "did not converge" in own["comment"]


def test_an_argument_of_a_wrong_type_is_refused_before_anything_runs(tmp_path: Path) -> None:
    put(tmp_path, {"_states/own.py": f"{HEAD}\n@state\ndef done(ctx, name, *, n: int = 0):\n    return Plan(1, 1)\n"})
    put(tmp_path, {"t.sls": "a:\n  own.done:\n    - n: x\n"})
    assert "the argument 'n' of own.done wants a whole number" in str(ran(tmp_path, "state.apply", "t").value)


def test_parameters_that_can_not_be_read_are_told(tmp_path: Path) -> None:
    body = "def done(ctx, name, *, n: 'int[' = 0):\n    return Plan(1, 1)\n"
    put(tmp_path, {"_states/own.py": f"{HEAD}\n@state\n{body}"})
    put(tmp_path, {"t.sls": "a:\n  own.done: []\n"})
    assert "the parameters of own.done can't be read" in str(ran(tmp_path, "state.apply", "t").value)
