"""A reactor SLS as values; an event's data stays data wherever a template puts it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from master import reactor
from master.reaction import Call, ReactionError, calls_of
from master.reactor import Reactor, Rule, rules_of
from saltern.errors import ConfigError, UsageError
from saltern.files import LocalFiles

FILES = LocalFiles({"base": []})


def calls(text: str, data: Mapping[str, Any] | None = None, tag: str = "t") -> list[Call]:
    return calls_of(text, "r.sls", tag, data or {}, FILES)


def test_all_kinds_of_calls_are_read() -> None:
    text = """
    start:
      local.state.apply:
        - tgt: {{ data.id }}
        - arg: [web]
        - kwarg: {test: true}
        - queue: 60
    list:
      local.cmd.run:
        - tgt: [a, b]
        - args:
          - uptime
          - cwd: /
    tell:
      runner.event.send:
        - args: {tag: {{ tag }}, data: {{ data }} }
    key:
      wheel.key.accept:
        - match: {{ data.id }}
    """
    assert calls(text, {"id": "n1"}, "x/y") == [
        Call(
            id="start", kind="local", function="state.apply", tgt="n1", args=("web",), kwargs={"test": True}, queue_s=60
        ),
        Call(
            id="list", kind="local", function="cmd.run", tgt="a,b", form="list", args=("uptime",), kwargs={"cwd": "/"}
        ),
        Call(id="tell", kind="runner", function="event.send", kwargs={"tag": "x/y", "data": {"id": "n1"}}),
        Call(id="key", kind="wheel", function="key.accept", tgt="n1"),
    ]


@given(st.text(max_size=60) | st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
@settings(max_examples=60)
def test_no_value_of_an_event_is_read_as_yaml_or_template(value: Any) -> None:
    text = "x:\n  local.test.echo:\n    - tgt: '*'\n    - arg: [{{ data.v }}, a]\n    - kwarg: {k: {{ data.v }}}\n"
    [call] = calls(text, {"v": value})
    assert call == Call(id="x", kind="local", function="test.echo", tgt="*", args=(value, "a"), kwargs={"k": value})


@pytest.mark.parametrize(
    "evil", ["x\n  local.cmd.run:\n    - tgt: '*'", "{{ 7 * 7 }}", "a: b", "'\"]}", "{% raise('x') %}"]
)
def test_a_value_inside_a_text_stays_one(evil: str) -> None:
    [call] = calls("{{ data.v }}_id:\n  local.test.echo:\n    - tgt: n1\n    - arg: say {{ data.v }}!\n", {"v": evil})
    assert (call.id, call.args) == (f"{evil}_id", (f"say {evil}!",))


def test_conditions_and_loops_see_the_values() -> None:
    body = "{{ id }}:\n  local.test.ping:\n    - tgt: {{ id }}\n"
    text = f"{{% for id in data.ids if id.startswith('web') %}}\n{body}{{% endfor %}}\n"
    assert [call.tgt for call in calls(text, {"ids": ["web1", "db1", "web2"]})] == ["web1", "web2"]
    assert calls("{% if data.v == 'no' %}x: {}{% endif %}", {"v": "yes"}) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x:\n  local.{{ data.v }}:\n    - tgt: a\n", "may not come from an event"),
        ("x:\n  local.test.ping:\n    - {{ data.v }}: a\n", "may not come from an event"),
        ("x:\n  local.test.ping: []\n", "wants `tgt`"),
        ("x:\n  lokal.test.ping: []\n", "is no call"),
        ("x:\n  local.test.ping:\n    - tgt: a\n    - tg: b\n", "has no option 'tg'"),
        ("x:\n  wheel.key.accept:\n    - match: '*'\n", "`match` is one id"),
        ("x:\n  wheel.config.set:\n    - match: a\n", "wheel has key.accept"),
        ("x: {{ nothing.here }}\n", "r.sls:1"),
        ("\n{% if %}\n", "r.sls:2"),
        ("x: [\n", "r.sls"),
        ("- a\n", "a mapping of ids"),
        ("x: {{ ''.__class__ }}\n", "r.sls:1"),
    ],
)
def test_what_is_wrong_has_its_place(text: str, expected: str) -> None:
    with pytest.raises(ReactionError, match=expected):
        calls(text, {"v": "test.ping"})


@pytest.mark.parametrize(
    ("pattern", "tag", "matches"),
    [
        ("salt/job/*/ret/*", "salt/job/1/ret/n1", True),
        ("*", "salt/auth", True),
        ("*", "minion/n1/salt/job/1/ret/n2", False),
        ("*job/*", "minion/n1/job/1", False),
        ("[ms]*", "minion/n1/x", False),
        ("minion/*/x", "minion/n1/x", True),
    ],
)
def test_what_a_minion_says_passes_for_nothing_else(pattern: str, tag: str, matches: bool) -> None:
    assert Rule(pattern, ["/x"]).matches(tag) is matches


def test_a_tag_that_comes_too_often_is_passed_over_and_counted() -> None:
    rule = Rule("x", ["/x"])
    taken = [rule.takes(1.0) for _ in range(150)]
    assert (taken.count(True), rule.passed_over) == (100, 50)
    assert rule.takes(2.0)


@pytest.mark.parametrize(
    "given", [["x"], [{"x": []}], [{"x": ["relative.sls"]}], [{"x": ["salt://../x"]}], [{1: ["/x"]}]]
)
def test_a_reactor_that_makes_no_sense_ends_the_start(given: list[Any]) -> None:
    with pytest.raises(ConfigError):
        rules_of(given)


def test_one_reaction_that_fails_stops_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "bad.sls").write_text("x: [\n")
    (tmp_path / "good.sls").write_text(
        "a:\n  local.test.ping:\n    - tgt: nobody\nb:\n  local.test.ping:\n    - tgt: n1\n"
    )
    done: list[str] = []

    async def do(call: Call) -> None:
        if call.tgt == "nobody":
            raise UsageError("no minion matches 'nobody'")
        done.append(call.tgt)

    async def run() -> None:
        rules = rules_of([{"x/*": [str(tmp_path / "bad.sls"), "/no/such.sls", "salt://good.sls"]}])
        made = Reactor(rules, {"base": [str(tmp_path)]}, do)
        made.take("y", dict)
        made.take("x/1", lambda: {"a": 1})
        while made._task:
            await asyncio.sleep(0.01)
        made.close()

    with caplog.at_level(logging.ERROR, reactor.__name__):
        asyncio.run(run())
    assert done == ["n1"]
    assert [text in caplog.text for text in ("bad.sls", "/no/such.sls: it can't be read", "'a': no minion")] == [
        True
    ] * 3
