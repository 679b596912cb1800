"""What the linter finds in a tree, and that it changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saltern.config import Config
from saltern.sls.lint import Report, lint
from tests.unit.saltern.sls.files import context

GOOD = {
    "top.sls": "base:\n  '*': [web]\n",
    "web/init.sls": "/etc/motd:\n  file.managed:\n    - source: salt://web/motd\n",
    "web/motd": "hello",
}


def look(folder: Path, *only: str, **files: str) -> Report:
    tree = {**GOOD, **{name.replace("__", "."): text for name, text in files.items()}}
    return lint(context(folder, tree), only or None)


def test_a_good_tree_has_no_findings(tmp_path: Path) -> None:
    assert look(tmp_path) == Report(1, (), ())


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a__sls", "x:\n  file.managd: []\n", "a.sls:2:3: there is no state 'file.managd'"),
        ("a__sls", "x:\n  file.managed:\n    - modes: 1\n", "a.sls:3:7: file.managed takes no argument 'modes'"),
        ("a__sls", "x:\n  test.nop:\n    - require: [{test: y}]\n", "a.sls:3:18: require names 'test: y'"),
        ("a__sls", "include: [webb]\n", "a.sls:1:11: there is no SLS 'webb'"),
        ("a__sls", "a: [\n", "a.sls:2:1: "),
        ("a__sls", "x:\n  salt.state:\n    - tgt: a\n    - sls: wen\n", "a.sls:4:7: there is no SLS 'wen'. Did you"),
        ("a__sls", "x:\n  salt.state:\n    - sls: web\n", "a.sls:2:3: salt.state wants the argument 'tgt'"),
        ("a__jinja", "{% if x %}", "a.jinja:1:4: Jinja: Unexpected end of template"),
        ("top__sls", "base:\n  '*': [wen]\n", "top.sls:2:9: there is no SLS 'wen'"),
        ("top__sls", "base:\n  'a and (':\n    - match: compound\n    - web\n", "top.sls:2:3: can't read the target"),
        (
            "a__sls",
            "/x:\n  file.managed:\n    - source: salt://web/mot\n",
            "a.sls:3:7: there is no file 'web/mot' in environment 'base'. Did you mean 'web/motd'?",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, name: str, text: str, expected: str) -> None:
    report = look(tmp_path, **{name: text})
    assert [str(error)[: len(expected)] for error in report.errors] == [expected]


def test_all_mistakes_are_found_in_one_pass(tmp_path: Path) -> None:
    report = look(tmp_path, a__sls="x: {test.nopp: []}\n", b__sls="y: {test.noop: []}\n", c__j2="{{")
    assert [error.file for error in report.errors] == ["c.j2", "a.sls", "b.sls"]


def test_a_value_that_only_a_node_has_is_no_mistake(tmp_path: Path) -> None:
    report = look(tmp_path, a__sls="{{ pillar['who'] }}:\n  test.nop\n", b__sls="{{ grains.os }}:\n  test.nop\n")
    assert report.errors == ()
    assert [str(error).splitlines()[0] for error in report.unknown] == ["a.sls:1:12: the mapping has no key 'who'."]


def test_a_template_that_would_act_is_not_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    report = look(tmp_path, a__sls=f"{{{{ salt['cmd.run']('touch {made}') }}}}")
    assert not made.exists()
    assert [error.file for error in report.unknown] == ["a.sls"]


def test_only_the_named_sls_are_looked_at(tmp_path: Path) -> None:
    assert look(tmp_path, "web", a__sls="x: {test.nopp: []}\n") == Report(1, (), ())
    unknown = look(tmp_path, "wob")
    assert [str(error) for error in unknown.errors] == ["there is no SLS 'wob'. Did you mean 'web'?"]


def first_lines(errors: tuple[Any, ...]) -> list[str]:
    return [str(error).splitlines()[0] for error in errors]


def test_of_a_list_of_sources_one_is_enough(tmp_path: Path) -> None:
    two = "/x:\n  file.managed:\n    - source: [salt://web/{}, salt://web/other]\n"
    report = look(tmp_path, a__sls=two.format("motd"), b__sls=two.format("none"))
    assert first_lines(report.errors) == ["b.sls:3:7: none of these files is there: salt://web/none, salt://web/other"]


def test_the_templates_that_states_give_out_are_rendered_with_their_context(tmp_path: Path) -> None:
    state = "/{0}:\n  file.managed:\n    - source: salt://{0}\n    - template: jinja\n    - context: {{port: 80}}\n"
    contents = "#!yaml\n/z:\n  file.managed:\n    - contents: '{{ nothing }}'\n    - template: jinja\n"
    tree = {"good__conf": "{{ port }}", "bad__conf": "a\n{% if %}\n", "open__conf": "a\n{{ portt }}\n"}
    slss = {f"{name}__sls": state.format(f"{name}.conf") for name in ("good", "bad", "open")}
    report = look(tmp_path, **tree, **slss, c__sls=contents)
    assert [line[:21] for line in first_lines(report.errors)] == ["bad.conf:2:1: Jinja: "]
    assert first_lines(report.unknown) == [
        "c.sls:4:7 (contents):1:4: the variable 'nothing' is undefined.",
        "open.conf:2:4: the variable 'portt' is undefined. Did you mean 'port'?",
    ]


def test_a_missing_value_does_not_hide_the_mistakes_that_no_value_mends(tmp_path: Path) -> None:
    text = """
    a:
      test.nop:
        - name: {{ pillar['who'] }}
        - require:
          - test: {{ pillar['whom'] }}
    b:
      file.managd: []
    {% for user in pillar.users %}
    {{ user }}:
      test.nop: []
    {% endfor %}
    c:
      file.managed:
        - name: /{{ salt['cmd.run']('hostname') }}
        - modes: {{ pillar.mode }}
        - require:
          - test: someone
    """
    report = look(tmp_path, a__sls=text)
    assert first_lines(report.errors) == [
        "a.sls:8:3: there is no state 'file.managd'. Did you mean 'file.managed'?",
        "a.sls:16: file.managed takes no argument 'modes'. Did you mean 'mode'?",
    ]
    assert [error.line for error in report.unknown] == [4]


def test_a_pillar_key_that_no_pillar_file_gives_is_told(tmp_path: Path) -> None:
    uses = """
    {# {{ pillar.comment }} #}
    {% set a = salt['pillar.get']('stie:name') %}
    {% set b = salt['pillar.get']('stie:name', 'x') %}
    {% set c = pillar.get('stie') or salt['pillar.items']() or salt.pillar.items() %}
    {% set d = salt.pillar.get('tls:key') %}{% set e = pillar['other'] | default('x') %}
    {% if false %}{{ pillar['webb'] }}{% endif %}
    """
    pillar = tmp_path / "pillar"
    pillar.mkdir()
    (pillar / "top.sls").write_text("base: {'*': [site]}\n")
    (pillar / "site.sls").write_text("site:\n  name: x\n{% if false %}\nweb: 1\n{% endif %}\n")
    (pillar / "more.sls").write_text("include:\n  - site:\n      key: tls:sub\n")
    ctx = context(tmp_path / "tree", {**GOOD, "a.sls": uses}, config=Config(pillar_roots={"base": [str(pillar)]}))
    report = lint(ctx)
    assert first_lines(report.unknown) == [
        "a.sls:3:12: no pillar file gives 'stie'. Did you mean 'site'?",
        "a.sls:7:18: no pillar file gives 'webb'. Did you mean 'web'?",
    ]
    assert report.errors == ()


def test_a_wrong_call_of_a_function_is_told_as_such(tmp_path: Path) -> None:
    report = look(tmp_path, a__sls="a: {{ salt['grains.get']() }}\n")
    assert first_lines(report.errors)[0].startswith("a.sls:1:4: grains.get wants key: grains.get KEY")


def test_a_template_knows_the_texts_that_are_gathered_for_it(tmp_path: Path) -> None:
    sls = "/x:\n  file.managed:\n    - source: salt://x.j2\n    - template: jinja\n    - require: [{file: t}]\n"
    sls += "t:\n  file.accumulated:\n    - filename: /x\n    - text: a\n"
    assert look(tmp_path / "1", a__sls=sls, x__j2="{{ accumulator.t[0] }}") == Report(2, (), ())
    (unknown,) = look(tmp_path / "2", a__sls=sls, x__j2="{{ accumulator.tt }}").unknown
    assert "tt" in str(unknown)
