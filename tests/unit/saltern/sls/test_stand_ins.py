"""What templates make of a secret is a secret, and nothing of it is seen on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.closed import Closed
from saltern.errors import SourceError
from saltern.secret import MASK, Secret
from saltern.sls.render import Renderer, render_file, render_sls, render_template
from saltern.sls.stand_ins import StandIns
from tests.unit.saltern.sls.files import context

TEXT = 'it\'s: "hunter2" {{ #\n two lines\n'  # what would break YAML, Jinja and a shell
PILLAR: dict[str, Any] = {"pw": Secret(TEXT), "of": {"db": {"pw": Secret("x"), "user": "ada"}}, "l": [Secret("a"), "b"]}


def value(tmp_path: Path, text: str, tree: dict[str, str] | None = None) -> Any:
    """What `a: TEXT` of an SLS is."""
    ctx = context(tmp_path, {**(tree or {}), "a.sls": text}, pillar=PILLAR)
    return render_sls(text, place="a.sls", ctx=ctx, saltenv="base")["a"]


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("{{ pillar.pw }}", Secret(TEXT)),
        ("'{{ pillar.pw }}'", Secret(TEXT)),
        ("user:{{ pillar.pw }}@host", Secret(f"user:{TEXT}@host")),
        ("{{ 'user:' ~ pillar.pw ~ 1 }}", Secret(f"user:{TEXT}1")),
        ("{{ 'user:%s' % pillar.pw }}", Secret(f"user:{TEXT}")),
        ("{{ 'user:%(pw)s' % pillar.of.db }}", Secret("user:x")),
        ("{{ '{}:{}'.format('user', pillar.pw) }}", Secret(f"user:{TEXT}")),
        ("{{ pillar.pw | yaml_dquote }}", Secret(TEXT)),
        ("{{ pillar.pw | json }}", Secret(TEXT)),
        ("|\n    {{ pillar.pw | indent(4) }}", Secret(TEXT + "\n")),
        ("{{ pillar.of.db | json }}", {"pw": Secret("x"), "user": "ada"}),
        ("{{ pillar.l | yaml }}", [Secret("a"), "b"]),
        ("{{ pillar.l | join(',') }}", Secret("a,b")),
        ("{{ pillar.l | first }}", Secret("a")),
        ("{{ pillar.l | map('upper') | list | last }}", "B"),
        ("{{ pillar.l | map('upper') | first }}", Secret("A")),
        ("{{ pillar.of.db.pw | base64_encode }}", Secret("eA==")),
        ("{{ pillar.of.db.pw | default('none') }}", Secret("x")),
        ("{{ pillar.of.db.pw | length }}", 1),
        ("{{ pillar['of:db:pw'] | default('none') }}", "none"),
        ("{% set x = 'p' ~ pillar.of.db.pw %}{{ x | upper }}", Secret("PX")),
        ("{% set x %}p{{ pillar.of.db.pw }}{% endset %}{{ x | upper }}", Secret("PX")),
        ("{% macro f(p) %}p{{ p }}{% endmacro %}{{ f(pillar.of.db.pw) | upper }}", Secret("PX")),
        ("{% load_yaml as x %}\nb: {{ pillar.pw }}\n{% endload %}{{ x.b }}", Secret(TEXT)),
        ("{% import_yaml 'm.yaml' as x with context %}{{ x.b | upper }}", Secret("X")),
        ("{{ salt['test.echo'](pillar.pw) }}", Secret(TEXT)),
        ("[1, {b: '{{ pillar.pw }}'}]", [1, {"b": Secret(TEXT)}]),
        ("{{ pillar.of.db.user }}", "ada"),
    ],
)
def test_a_secret_goes_through_a_template_of_an_sls_unseen(tmp_path: Path, written: str, found: Any) -> None:
    seen = value(tmp_path, f"a: {written}\n", {"m.yaml": "b: {{ pillar.of.db.pw }}\n"})
    assert seen == found
    assert type(seen) is type(found)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("[db]\npw={{ pillar.pw }}\n", Secret(f"[db]\npw={TEXT}\n")),
        ("{{ pillar.of.db | json }}", Secret('{"pw": "x", "user": "ada"}')),
        ("{{ pillar.pw | indent(2) }}", Secret(TEXT.replace("\n two", "\n   two"))),
        ("{% for one in pillar.l %}{{ one }} {% endfor %}", Secret("a b ")),
        ("{{ pillar.of.db.user }}", "ada"),
    ],
)
def test_a_file_with_a_secret_in_it_is_one(tmp_path: Path, written: str, found: Any) -> None:
    ctx = context(tmp_path, {}, pillar=PILLAR)
    made = render_file(written, place="t", context={}, ctx=ctx, saltenv="base")
    assert made == found
    assert type(made) is type(found)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ pillar.of.db.pw }}: 1\n", "can't be a key"),
        ("a:\n  - x{{ pillar.of.db.pw }}: 1\n", "can't be a key"),
        ("a: {{ pillar.pw + 1 }}\n", "unsupported operand"),
    ],
)
def test_where_a_secret_can_not_go_it_is_refused_unseen(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SourceError) as caught:
        value(tmp_path, text)
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "written",
    [
        "{{ pillar.pw }}",
        "x{{ pillar.pw }}y",
        "{{ pillar.pw | upper }}",
        "{{ 'x' ~ pillar.pw }}",
        "{{ 'x%s' % pillar.pw }}",
        "{{ '{}'.format(pillar.pw) }}",
        "{{ [pillar.pw] | join(',') }}",
    ],
)
def test_what_is_made_of_a_value_that_is_closed_is_that_value_and_fails_where_it_is_used(
    tmp_path: Path, written: str
) -> None:
    closed = Closed("web*")
    ctx = context(tmp_path, {"a.sls": f"a: {written}\nb: 1\n"}, pillar={"pw": closed})
    found = render_sls("a: " + written + "\nb: 1\n", place="a.sls", ctx=ctx, saltenv="base")
    assert found["a"] is closed
    assert found["b"] == 1
    assert render_file(written, place="t", context={}, ctx=ctx, saltenv="base") is closed


def test_a_text_that_is_shown_takes_no_secret(tmp_path: Path) -> None:
    ctx = context(tmp_path, {}, pillar=PILLAR)
    with pytest.raises(SourceError, match="this template writes out a secret"):
        render_template("{{ pillar.pw }}", place="t", context={}, ctx=ctx, saltenv="base")


def test_on_the_master_a_template_can_not_write_one_out(tmp_path: Path) -> None:
    renderer = Renderer(context(tmp_path, {}, pillar=PILLAR), sandboxed=True)
    with pytest.raises(SourceError, match="can't write out"):
        renderer.document("a: {{ pillar.pw }}", file="a.sls", saltenv="base")


@given(st.lists(st.text(), min_size=1), st.text())
def test_words_give_back_their_secrets_wherever_they_stand(texts: list[str], between: str) -> None:
    ins = StandIns()
    words = [ins.of(Secret(text)) for text in texts]
    assert MASK not in "".join(words)
    assert ins.put_back([between.join(words)]) == [Secret(between.join(texts))]
    assert ins.put_back({"a": words}) == {"a": [Secret(text) for text in texts]}
    assert ins.put_back(between) == between
