"""Execution functions as states: `module.run` in both forms of Salt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from modules import state as state_module
from saltern.context import Context
from saltern.errors import SalternError
from saltern.marks import permit_acting
from saltern.runner import Returned, with_calls
from states import module
from tests.plans import context


@pytest.mark.parametrize(
    ("name", "calls", "wanted"),
    [
        ("test.ping", {}, [("test.ping", (), {})]),
        ("test.arg", {"a": 1, "args": [2]}, [("test.arg", (2,), {"a": 1})]),
        ("test.arg", {"kwargs": {"args": 1}}, [("test.arg", (), {"args": 1})]),
        ("x", {"test.ping": None, "test.echo": "hi"}, [("test.ping", (), {}), ("test.echo", ("hi",), {})]),
        ("x", {"test.echo": [{"text": "a"}]}, [("test.echo", (), {"text": "a"})]),
        ("x", {"test.arg": [1, [2], {"b": 3}]}, [("test.arg", (1, [2]), {"b": 3})]),
    ],
)
def test_both_forms_name_functions_and_arguments(name: str, calls: Any, wanted: Any) -> None:
    assert module.wanted(name, calls) == wanted


@pytest.mark.parametrize(
    "calls", [{"test.ping": [], "other": 1}, {"args": 1}, {"kwargs": []}, {"test.arg": [{"a": 1}, 2]}]
)
def test_what_can_not_be_a_call_is_refused(calls: Any) -> None:
    with pytest.raises(SalternError, match=r"module\.run"):
        module.wanted("x", calls)


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return with_calls(context(tmp_path))


def applied(ctx: Context, tmp_path: Path, text: str, **more: Any) -> Any:
    (tmp_path / "tree/one.sls").write_text(text)
    with permit_acting():
        answer = state_module.apply(ctx, "one", **more)
    assert isinstance(answer, Returned)
    assert isinstance(answer.value, dict), answer.value
    return {one["__id__"]: one for one in answer.value.values()}


TEXT = """
a:
  module.run:
    - test.echo: [hello]
    - grains.setval: {key: rack, val: 4}
b:
  module.run:
    - name: test.false
c:
  module.wait:
    - name: test.echo
    - text: again
    - watch: [module: a]
"""


def test_functions_run_in_order_and_only_what_acts_is_a_change(ctx: Context, tmp_path: Path) -> None:
    found = applied(ctx, tmp_path, TEXT)
    assert {id: one["result"] for id, one in found.items()} == {"a": True, "b": False, "c": True}
    assert found["a"]["changes"] == {"grains.setval": {"rack": 4}}
    assert found["a"]["comment"] == "test.echo returned hello\ngrains.setval returned {'rack': 4}"
    assert "test.echo returned again" in found["c"]["comment"]
    assert (tmp_path / "root/etc/saltern/grains").read_text() == "rack: 4\n"


def test_a_preview_calls_nothing(ctx: Context, tmp_path: Path) -> None:
    found = applied(ctx, tmp_path, TEXT, test=True)
    assert found["a"]["comment"] == "Would be done:\n- run test.echo('hello')\n- run grains.setval(key='rack', val=4)"
    assert not (tmp_path / "root/etc/saltern/grains").exists()


@pytest.mark.parametrize(("text", "said"), [("test.pong: []", "test.ping"), ("test.echo: {txt: 1}", "text")])
def test_a_wrong_name_is_told_with_the_nearest_and_runs_nothing(
    ctx: Context, tmp_path: Path, text: str, said: str
) -> None:
    tree = f"a:\n  module.run:\n    - grains.setval: {{key: a, val: 1}}\n    - {text}\n"
    (tmp_path / "tree/one.sls").write_text(tree)
    with permit_acting():
        answer = state_module.apply(ctx, "one")
    assert isinstance(answer, Returned)
    assert answer.value[0].startswith("one.sls:4:7: ")
    assert said in answer.value[0]
    assert not (tmp_path / "root/etc/saltern/grains").exists()
