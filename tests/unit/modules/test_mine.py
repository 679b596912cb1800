"""The forms of `mine_functions`, and what is told of a function that fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from modules import mine
from modules._mine import Dug, MineError, parse, parse_all
from saltern.config import Config
from saltern.context import Context
from saltern.marks import permit_acting
from saltern.runner import Returned


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("test.ping", None, Dug(name="test.ping", function="test.ping")),
        ("test.ping", [], Dug(name="test.ping", function="test.ping")),
        ("test.echo", ["hi"], Dug(name="test.echo", function="test.echo", args=("hi",))),
        ("a.b", {"c": "d"}, Dug(name="a.b", function="a.b", kwargs={"c": "d"})),
        (
            "private",
            [{"mine_function": "test.echo"}, "hi", {"allow_tgt": "web*"}],
            Dug(name="private", function="test.echo", args=("hi",), allow="web*"),
        ),
        ("private", ["test.echo", "hi"], Dug(name="private", function="test.echo", args=("hi",))),
        ("test.ping", {"allow_tgt": ["a", "b"]}, Dug(name="test.ping", function="test.ping", allow="a,b", form="list")),
    ],
)
def test_all_forms_are_read(name: str, given: Any, expected: Dug) -> None:
    assert parse(name, given) == expected


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("private", None, "names no function"),
        ("test.ping", 5, "a list of arguments or a mapping"),
        ("test.ping", {"allow_tgt": "os:Debian", "allow_tgt_type": "grain"}, "opens no door"),
    ],
)
def test_what_makes_no_sense_is_named(name: str, given: Any, expected: str) -> None:
    with pytest.raises(MineError, match=expected):
        parse(name, given)
    found, problems = parse_all({"test.ping": None, name + "": given} if name != "test.ping" else {name: given})
    assert len(problems) == 1
    assert len(found) == (name != "test.ping")


def context(asked: list[tuple[str, Mapping[str, Any]]], pillar: Mapping[str, Any]) -> Context:
    def ask(what: str, args: Mapping[str, Any], /) -> Any:
        asked.append((what, args))
        return {"test.ping": {"n1": True, "n2": True}} if what == "mine.get" else True

    def call(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "test.exception":
            raise OSError("broken")
        return {name: args}

    config = replace(Config(), id="n1", mine_functions={"test.ping": [], "test.echo": ["configured"]})
    return Context(id="n1", config=config, grains={}, pillar=pillar, files=None, ask=ask, call=call)  # type: ignore[arg-type]


def test_one_function_that_fails_keeps_the_others_from_nothing() -> None:
    asked: list[tuple[str, Mapping[str, Any]]] = []
    ctx = context(asked, {"mine_functions": {"test.exception": [], "test.echo": ["pillar"]}})
    with permit_acting():
        returned = mine.update(ctx)
    assert isinstance(returned, Returned)
    assert returned.value["problems"] == ["mine: test.exception: broken"]
    told = {args["function"]: args["value"] for what, args in asked if what == "mine.send"}
    assert told == {"test.ping": {"test.ping": []}, "test.echo": {"test.echo": ["pillar"]}}


def test_several_names_give_a_mapping_of_each() -> None:
    ctx = context([], {})
    assert mine.get(ctx, "*", "test.ping", exclude_minion=True) == {"n2": True}
    assert mine.get(ctx, "*", ["test.ping"]) == {"test.ping": {"n1": True, "n2": True}}
    assert mine.get(ctx, "*", "test.ping,test.x") == {"test.ping": {"n1": True, "n2": True}, "test.x": {}}
