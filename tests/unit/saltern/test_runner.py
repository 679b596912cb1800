"""One execution function: checked before the call, and every failure told in one line."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from saltern.config import Config
from saltern.context import Context
from saltern.errors import PermanentError, UsageError
from saltern.files import LocalFiles
from saltern.lazy import LazyMapping
from saltern.marks import ActedWhilePlanning, acting, reading
from saltern.runner import Returned, run_function, with_calls


def _functions() -> Iterator[Any]:
    @reading
    def add(one: int, other: int = 1, *, minus: int = 0) -> int:
        return one + other - minus

    @reading
    def who(ctx: Context) -> str:
        return ctx.id

    @reading
    def anything(*args: Any, **kwargs: Any) -> Any:
        return args, kwargs

    @reading
    def nested(ctx: Context, name: str, *args: Any) -> Any:
        assert ctx.call is not None
        return ctx.call(name, *args)

    @acting
    def act() -> str:
        return "acted"

    @reading
    def half() -> Returned:
        return Returned({"a": False}, 2)

    @reading
    def fail(kind: str) -> None:
        raise {
            "saltern": PermanentError("no such bridge"),
            "os": FileNotFoundError(2, "No such file or directory", "/x"),
            "bug": KeyError("x"),
        }[kind]

    yield from (add, who, anything, nested, act, half, fail)


@pytest.fixture
def ctx(monkeypatch: pytest.MonkeyPatch) -> Context:
    """The context of a node with the functions `probe.*`."""
    module = ModuleType("modules.probe")
    for function in _functions():
        function.__module__ = module.__name__
        setattr(module, function.__name__, function)
    monkeypatch.setitem(sys.modules, "modules.probe", module)
    return Context(id="n1", config=Config(root=Path("/")), grains={}, pillar={}, files=LocalFiles({}))


def test_a_function_is_run_with_its_arguments(ctx: Context) -> None:
    assert run_function("probe.add", [1], {"other": 5, "minus": 2}, ctx) == (4, True, 0, False)
    assert run_function("probe.who", [], {}, ctx).value == "n1"
    assert run_function("probe.anything", [1], {"a": 2}, ctx).value == ((1,), {"a": 2})


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "message"),
    [
        ("probe.ad", [], {}, "there is no function 'probe.ad'. Did you mean 'probe.add'?"),
        ("nosuch.add", [], {}, "there is no function 'nosuch.add': no namespace 'nosuch'."),
        ("add", [], {}, "'add' is not the name of a function: write it as NAMESPACE.NAME, like test.ping"),
        ("probe.add", [], {}, "probe.add wants one: probe.add ONE [other=1] [minus=0]"),
        ("probe.add", [1, 2, 3], {}, "probe.add takes at most 2 arguments, not 3: probe.add ONE [other=1] [minus=0]"),
        ("probe.add", [1], {"one": 2}, "probe.add: one is given twice: probe.add ONE [other=1] [minus=0]"),
        (
            "probe.add",
            [1],
            {"othr": 2},
            "probe.add has no argument 'othr'. Did you mean 'other'? It is called as probe.add ONE [other=1] [minus=0]",
        ),
        ("probe.who", ["x"], {}, "probe.who takes no argument, not 1: probe.who"),
        ("probe.who", [], {"ctx": 1}, "probe.who has no argument 'ctx'. It is called as probe.who"),
    ],
)
def test_a_wrong_call_is_refused_before_it_runs(
    ctx: Context, name: str, args: list[Any], kwargs: dict[str, Any], message: str
) -> None:
    result = run_function(name, args, kwargs, ctx)
    assert result.value.startswith(message)
    assert (result.success, result.retcode, result.misused) == (False, 2, True)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("saltern", "probe.fail: no such bridge"),
        ("os", "probe.fail: /x: No such file or directory"),
        ("bug", "bug in probe.fail: KeyError: 'x'"),
    ],
)
def test_a_failure_is_one_line(ctx: Context, kind: str, message: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        assert run_function("probe.fail", [kind], {}, ctx) == (message, False, 1, False)
    assert ("Traceback" in caplog.text) is (kind == "bug")


def test_a_function_may_return_a_code(ctx: Context) -> None:
    assert run_function("probe.half", [], {}, ctx) == ({"a": False}, False, 2, False)
    assert run_function("probe.nested", ["probe.half"], {}, ctx).value == {"a": False}


def test_a_function_that_a_user_named_may_act_and_so_may_what_it_calls(ctx: Context) -> None:
    assert run_function("probe.act", [], {}, ctx).value == "acted"
    assert run_function("probe.nested", ["probe.act"], {}, ctx).value == "acted"


def test_a_call_has_no_more_permit_than_its_caller(ctx: Context) -> None:
    call = with_calls(ctx).call
    assert call is not None
    assert call("probe.who") == "n1"
    with pytest.raises(ActedWhilePlanning):
        call("probe.act")
    with pytest.raises(UsageError, match=r"no argument 'x'"):
        call("probe.who", x=1)


def test_a_lazy_mapping_is_made_once_and_when_it_is_read() -> None:
    made: list[int] = []

    def make() -> dict[str, int]:
        made.append(1)
        return {"a": 1}

    lazy = LazyMapping(make)
    assert made == []
    assert (lazy["a"], list(lazy), len(lazy), lazy.get("b"), dict(lazy), repr(lazy)) == (
        1, ["a"], 1, None, {"a": 1}, "{'a': 1}",
    )  # fmt: skip
    assert made == [1]
