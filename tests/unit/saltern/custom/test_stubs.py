"""Lint knows the parameters of a tree's code from its text, and nothing of the text is evaluated."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

from saltern.converge.state import is_state
from saltern.custom.outline import outline
from saltern.custom.stubs import offers
from saltern.errors import NoValue
from saltern.sls.check import Signature
from saltern.sls.coerce import Mismatch

STATE = """
from saltern.converge.state import state

@state
def present(ctx, name: str, *, size: int, tags: list[str] | Unset = UNSET, odd: {annotation} = {default}) -> Plan:
    ...

def helper(): ...
"""


def stubs(text: str, kind: str = "states") -> dict[str, Any]:
    return offers(outline(text.encode(), f"_{kind}/web.py"), kind, "web")


def test_a_typed_state_has_its_parameters_and_types() -> None:
    table = stubs(STATE.format(annotation="Own", default="1"))
    assert list(table) == ["present"]
    assert is_state(table["present"])
    signature = Signature(table["present"])
    assert sorted(signature.converters) == ["odd", "size", "tags"]
    assert signature.required == ["size"]
    assert signature.fit("tags", "a") == ["a"]
    with pytest.raises(Mismatch, match="a whole number"):
        signature.fit("size", "x")


@pytest.mark.parametrize(
    "annotation",
    ["__import__('os').mkdir({!r})", "Annotated[str, open({!r}, 'w')]", "{!r}.x", "Own[{!r}]", "(lambda: {!r})()"],
)
def test_no_expression_of_the_file_is_evaluated(tmp_path: Path, annotation: str) -> None:
    trap = str(tmp_path / "trap")
    text = STATE.format(annotation=annotation.format(trap), default=f"open({trap!r}, 'w')")
    signature = Signature(stubs(f"open({trap!r}, 'w')\n" + text)["present"])
    assert signature.fit("odd", 5) == 5
    assert not (tmp_path / "trap").exists()


def test_a_state_made_for_salt_takes_any_value_and_wants_what_has_no_default() -> None:
    table = stubs("def set_(name, path, value=None, **kwargs): ...\ndef mod_watch(name): ...\ndef _own(): ...\n")
    assert list(table) == ["set"]
    signature = Signature(table["set"])
    assert signature.required == ["path"]
    assert signature.open
    assert signature.fit("value", [1]) == [1]


def test_a_function_of_the_tree_can_be_named_and_not_called() -> None:
    text = "__func_alias__ = {'list_': 'all'}\ndef list_(path, n=1): ...\n"
    table = stubs(text, "modules")
    assert list(inspect.signature(table["all"]).parameters) == ["path", "n"]
    with pytest.raises(NoValue, match=r"what web\.list returns is known on a node only"):
        table["all"]("x")
