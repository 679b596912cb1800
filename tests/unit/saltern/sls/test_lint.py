"""What the linter finds in a tree, and that it changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

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
        ("a__jinja", "{% if x %}", "a.jinja:1: Jinja: Unexpected end of template"),
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
    assert [str(error).splitlines()[0] for error in report.unknown] == ["a.sls:1: the mapping has no key 'who'."]


def test_a_template_that_would_act_is_not_run(tmp_path: Path) -> None:
    made = tmp_path / "made"
    report = look(tmp_path, a__sls=f"{{{{ salt['cmd.run']('touch {made}') }}}}")
    assert not made.exists()
    assert [error.file for error in report.unknown] == ["a.sls"]


def test_only_the_named_sls_are_looked_at(tmp_path: Path) -> None:
    assert look(tmp_path, "web", a__sls="x: {test.nopp: []}\n") == Report(1, (), ())
    unknown = look(tmp_path, "wob")
    assert [str(error) for error in unknown.errors] == ["there is no SLS 'wob'. Did you mean 'web'?"]
