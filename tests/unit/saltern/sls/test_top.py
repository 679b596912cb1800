"""The rules of top files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saltern.config import Config
from saltern.errors import SalternError, SourceError
from saltern.sls.state_tree import StateTree
from tests.unit.saltern.sls.files import context

SLS = {f"{name}.sls": "" for name in ("one", "two", "three")} | {"web/init.sls": "", "web/tls.sls": ""}


def top(tmp_path: Path, tree: dict[str, Any], saltenv: str | None = None, **given: Any) -> dict[str, list[str]]:
    return StateTree(context(tmp_path, tree, **given)).top(saltenv)


@pytest.mark.parametrize(
    ("target", "matches"),
    [
        ("'*': [one]", True),
        ("'m*': [one]", True),
        ("'x*': [one]", False),
        ("'m1': one", True),
        ("'m[12]': [match: pcre, one]", True),
        ("'a,m1': [match: list, one]", True),
        ("'os:Deb*': [match: grain, one]", True),
        ("'os:(Debian|Ubuntu)': [match: grain_pcre, one]", True),
        ("'role:web': [match: pillar, one]", True),
        ("'role:db': [match: pillar, one]", False),
        ("'10.0.0.0/8': [match: ipcidr, one]", True),
        ("'G@os:Debian and not m2': [match: compound, one]", True),
        ("'webs': [match: nodegroup, one]", True),
        ("'G@os:Debian and not x*': [one]", True),  # without `match`, a target is a compound expression
    ],
)
def test_every_form_of_target_is_matched(tmp_path: Path, target: str, matches: bool) -> None:
    config = Config(module_options={"nodegroups": {"webs": "m1 or m2"}})
    grains = {"os": "Debian", "ipv4": ["10.0.0.5"], "ip4_interfaces": {"eth0": ["10.0.0.5"]}}
    tree = {**SLS, "top.sls": f"base:\n  {target}\n"}
    found = top(tmp_path, tree, grains=grains, pillar={"role": "web"}, config=config)
    assert found == ({"base": ["one"]} if matches else {})


def test_each_sls_comes_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    tree = {**SLS, "top.sls": "base:\n  '*': [two, one]\n  'm*': [one, three]\n  m1:\n    - order: -1\n    - web\n"}
    assert top(tmp_path, tree) == {"base": ["web", "two", "one", "three"]}


def test_a_glob_means_every_sls_that_it_matches(tmp_path: Path) -> None:
    assert top(tmp_path, {**SLS, "top.sls": "base: {'*': ['web*', 'x*']}\n"}) == {"base": ["web", "web.tls"]}


def test_a_top_file_may_be_a_template(tmp_path: Path) -> None:
    text = "base:\n  '*':\n  {% for name in ['one', 'two'] %}\n    - {{ name }}\n  {% endfor %}\n"
    assert top(tmp_path, {**SLS, "top.sls": text}) == {"base": ["one", "two"]}


@pytest.mark.parametrize(
    ("strategy", "saltenv", "found"),
    [
        ("merge", None, {"base": ["one"], "dev": ["two"], "qa": ["q"]}),
        ("same", None, {"base": ["one"], "dev": ["three"], "qa": ["q"]}),
        ("merge_all", None, {"base": ["one", "two"], "dev": ["two", "three"], "qa": ["q"]}),
        ("merge", "dev", {"dev": ["three"]}),
        ("merge", "base", {"base": ["one"]}),
    ],
)
def test_top_files_of_environments_are_merged_as_asked(
    tmp_path: Path, strategy: str, saltenv: str | None, found: dict[str, list[str]]
) -> None:
    tree = {
        "base": {**SLS, "top.sls": "base: {'*': [one]}\ndev: {'*': [two]}\n"},
        "dev": {**SLS, "top.sls": "base: {'*': [two]}\ndev: {'*': [three]}\n"},
        "qa": {"q.sls": "", "top.sls": "qa: {'*': [q]}\n"},
    }
    config = Config(module_options={"top_file_merging_strategy": strategy})
    assert top(tmp_path, tree, saltenv, config=config) == found


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("base:\n  '*':\n    - onee\n", "top.sls:3:7", "Did you mean 'one'?"),
        ("base:\n  '*':\n    - match: grian\n    - one\n", "top.sls:3:7", "Did you mean 'grain'?"),
        ("base:\n  '*':\n    - mtch: grain\n", "top.sls:3:7", "Did you mean 'match'?"),
        ("base:\n  '*':\n", "top.sls:2:3", "wants a list of SLS"),
        ("base:\n  - one\n", "top.sls:1:1", "wants targets"),
        ("- base\n", "top.sls:1:1", "a top file is a mapping"),
        ("bse:\n  '*': [one]\n", "top.sls:1:1", "there is no environment 'bse'. Did you mean 'base'?"),
        ("base:\n  'os:Debian and':\n    - match: compound\n    - one\n", "top.sls:2:3", ""),
        ("base:\n  '*': [one]\n  '*': [two]\n", "top.sls:3:3", "first at line 2"),
        ("base:\n  5: [one]\n", "top.sls:2:3", "is no text"),
        ("base:\n  '*':\n    - {{ nope }}\n", "top.sls:3:10", "'nope' is undefined"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, place: str, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        top(tmp_path, {**SLS, "top.sls": text})
    assert str(caught.value).startswith(place + ": ")
    assert words in str(caught.value)


def test_an_environment_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SalternError, match="Did you mean 'base'"):
        top(tmp_path, SLS, "bse")


def test_no_top_file_gives_nothing(tmp_path: Path) -> None:
    assert top(tmp_path, SLS) == {}


ENVIRONMENTS = {
    "base": {"one.sls": "", "top.sls": "base: {'*': [one]}\ndev: {'*': [two]}\n", "other.sls": "base: {m1: [one]}\n"},
    "dev": {"two.sls": "", "three.sls": "", "top.sls": "dev: {'*': [three]}\nbase: {'*': [one]}\n"},
    "qa": {"two.sls": ""},
}


@pytest.mark.parametrize(
    ("options", "saltenv", "wanted"),
    [
        ({}, None, {"base": ["one"], "dev": ["two"]}),
        ({"top_file_merging_strategy": "same"}, None, {"base": ["one"], "dev": ["three"]}),
        ({"top_file_merging_strategy": "merge_all"}, None, {"base": ["one"], "dev": ["two", "three"]}),
        (
            {"top_file_merging_strategy": "merge_all", "env_order": ["dev"]},
            None,
            {"dev": ["three", "two"], "base": ["one"]},
        ),
        ({"state_top_saltenv": "dev"}, None, {"dev": ["three"], "base": ["one"]}),
        ({"state_top": "other.sls"}, None, {"base": ["one"]}),
        ({}, "dev", {"dev": ["three"]}),
    ],
)
def test_the_top_files_of_environments_are_joined_as_the_options_say(
    tmp_path: Path, options: dict[str, Any], saltenv: str | None, wanted: dict[str, list[str]]
) -> None:
    found = top(tmp_path, ENVIRONMENTS, saltenv, config=Config(module_options=options))
    assert found == wanted
    assert list(found) == list(wanted)


@pytest.mark.parametrize(
    ("default", "wanted"), [("base", {"dev": ["three"], "qa": ["two"]}), ("dev", {"dev": ["three"]})]
)
def test_with_same_the_default_top_file_stands_in_where_there_is_none(
    tmp_path: Path, default: str, wanted: dict[str, list[str]]
) -> None:
    tree = {**ENVIRONMENTS, "base": {**ENVIRONMENTS["base"], "top.sls": "qa: {'*': [two]}\n"}}
    options = {"top_file_merging_strategy": "same", "default_top": default}
    assert top(tmp_path, tree, config=Config(module_options=options)) == wanted
