from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pillar import compiler
from pillar.compiler import compile_pillar
from saltern.errors import SalternError, SourceError
from saltern.files import LocalFiles
from saltern.sls import fence
from saltern.sls.problems import SourceErrors

Make = dict[str, str]


class Site:
    """A pillar tree of texts."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.envs = ["base"]

    def write(self, files: Mapping[str, str], env: str = "base") -> None:
        if env not in self.envs:
            self.envs.append(env)
        for path, text in files.items():
            file = self.place / env / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)

    def all(self, files: Mapping[str, str], **kwargs: Any) -> dict[str, Any]:
        """The pillar of on-node1 with FILES and a top file that gives each SLS in the order of FILES."""
        names = "".join(f"    - {path[:-4].replace('/', '.')}\n" for path in files if path.endswith(".sls"))
        self.write({**files, "top.sls": f"base:\n  '*':\n{names}"})
        return self.pillar(**kwargs)

    def pillar(self, id: str = "on-node1", grains: Mapping[str, Any] | None = None, **kwargs: Any) -> dict[str, Any]:
        files = LocalFiles({env: [str(self.place / env)] for env in self.envs})
        return compile_pillar(files, id, grains or {}, **kwargs)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


# --- the top file


def test_a_minion_gets_what_the_top_file_gives_it(site: Site) -> None:
    site.write(
        {
            "top.sls": """
base:
  '*': [everyone]
  'on-node*': [nodes]
  'os:Debian':
    - match: grain
    - debian
  'G@role:filer and not on-node*':
    - match: compound
    - filers
  compute:
    - match: nodegroup
    - grouped
""",
            **{f"{name}.sls": f"{name}: 1" for name in ("everyone", "nodes", "debian", "filers", "grouped")},
        }
    )
    groups = {"compute": "on-node1"}
    grains = {"os": "Debian", "role": "filer"}
    assert set(site.pillar(grains=grains, nodegroups=groups)) == {"everyone", "nodes", "debian", "grouped"}
    assert set(site.pillar("on-filer1", grains, nodegroups=groups)) == {"everyone", "debian", "filers"}
    assert set(site.pillar("on-filer1", nodegroups=groups)) == {"everyone"}


def test_without_a_top_file_there_is_no_pillar(site: Site) -> None:
    assert site.pillar() == {}


def test_environments_are_joined_unless_one_is_asked_for(site: Site) -> None:
    site.write({"top.sls": "base: {'*': [a]}", "a.sls": "a: base"})
    site.write({"top.sls": "dev: {'*': [b]}", "b.sls": "b: dev"}, env="dev")
    assert site.pillar() == {"a": "base", "b": "dev"}
    assert site.pillar(saltenv="dev") == {"b": "dev"}


# --- merging


def test_mappings_are_merged_at_every_depth_and_the_rest_replaced(site: Site) -> None:
    assert site.all(
        {
            "a.sls": "x: {deep: {one: 1, two: 2}, list: [1, 2]}\ny: 1\nz: {a: 1}",
            "b.sls": "x: {deep: {two: 3}, list: [3]}\ny: {now: mapping}\nz: 5",
        }
    ) == {"x": {"deep": {"one": 1, "two": 3}, "list": [3]}, "y": {"now": "mapping"}, "z": 5}


def test_an_override_is_laid_over_everything_and_seen_by_templates(site: Site) -> None:
    override = {"x": {"one": "given"}, "new": 1}
    found = site.all({"a.sls": "x: {one: 1, two: {{ pillar.get('new', 0) }}}"}, override=override)
    assert found == {"x": {"one": "given", "two": 1}, "new": 1}
    assert override == {"x": {"one": "given"}, "new": 1}


def test_an_anchor_that_two_values_share_is_merged_into_one_of_them_only(site: Site) -> None:
    found = site.all({"a.sls": "x: &same {k: 1}\ny: *same", "b.sls": "x: {k: 2}"})
    assert found == {"x": {"k": 2}, "y": {"k": 1}}


# --- include


def test_an_sls_wins_over_what_it_includes(site: Site) -> None:
    site.write({"common.sls": "a: common\nb: common", "net/init.sls": "net: 1", "net/vlan.sls": "include: [.other]"})
    site.write({"net/other.sls": "other: 1"})
    found = site.all({"a.sls": "include:\n  - common\n  - net\n  - net.vlan\na: own"})
    assert found == {"a": "own", "b": "common", "net": 1, "other": 1}


def test_an_include_may_have_defaults_and_a_key(site: Site) -> None:
    site.write({"user.sls": "name: {{ name }}"})
    found = site.all(
        {
            "a.sls": """
include:
  - user: {defaults: {name: ann}, key: 'users:ann'}
  - user:
      defaults:
        name: bob
      key: users:bob
"""
        }
    )
    assert found == {"users": {"ann": {"name": "ann"}, "bob": {"name": "bob"}}}


def test_a_glob_includes_all_that_it_matches_in_order(site: Site) -> None:
    site.write({"users/a.sls": "u: a\na: 1", "users/b.sls": "u: b\nb: 1"})
    assert site.all({"x.sls": "include: ['users.*']"}) == {"u": "b", "a": 1, "b": 1}


@pytest.mark.parametrize(
    ("files", "place", "message"),
    [
        ({"a.sls": "include: [a]"}, "a.sls:1", "a loop of includes: a → a"),
        ({"a.sls": "x: 1\ninclude:\n  - b\n", "b.sls": "include: [a]"}, "b.sls:1", "a loop of includes: a → b → a"),
        ({"a.sls": "include:\n  - nowhere"}, "a.sls:2", "there is no SLS 'nowhere'"),
        ({"a.sls": "include: b", "b.sls": ""}, "a.sls:1", "include wants a list"),
        ({"a.sls": "include: [5]"}, "a.sls:1", "include wants names of SLS, not 5"),
        ({"a.sls": "include: [b: {key: x, defualts: {}}]", "b.sls": ""}, "a.sls:1", "Did you mean 'defaults'?"),
        ({"a.sls": "include: [....b]", "b.sls": ""}, "a.sls:1", "leads out of the tree"),
        ({"a.sls": "- a list"}, "a.sls", "a pillar SLS is a mapping of names to values, not a list"),
        ({"a.sls": "a: {{ nope }}"}, "a.sls:1", "the variable 'nope' is undefined"),
        ({"a.sls": "a: 1\n\tb: 2"}, "a.sls:2", "tab"),
        ({"a.sls": "a: 1\na: 2"}, "a.sls:2", "a"),
        ({"a.sls": "#!py\ndef run(): return {}"}, "a.sls:1", "py"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_there_is_no_pillar(
    site: Site, files: dict[str, str], place: str, message: str
) -> None:
    with pytest.raises(SourceError) as caught:
        site.all({"good.sls": "good: 1", **files})
    assert place in str(caught.value)
    assert message in str(caught.value)


def test_a_file_that_is_no_utf_8_is_told(site: Site) -> None:
    site.write({"top.sls": "base: {'*': [a]}"})
    (site.place / "base" / "a.sls").write_bytes(b"a: \xff")
    with pytest.raises(SourceError, match=r"a\.sls: not UTF-8"):
        site.pillar()


# --- what a minion says of itself is data


INJECTIONS = [
    "{{ ''.__class__ }}",
    "{% import 'secret.sls' as s %}{{ s }}",
    "{% include 'secret.sls' %}",
    "{{ 7 * 7 }}",
    "{# gone #}",
    "!!python/object/apply:os.system ['id']",
    "$(id)",
]


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_grain_that_looks_like_a_template_stays_a_text(site: Site, text: str) -> None:
    site.write({"secret.sls": "CANARY"})
    files = {
        "a.sls": "x: {{ grains.x | json }}\ny: {{ grains['x'] | yaml_dquote }}\nz: {{ salt['grains.get']('x') | json }}"
    }
    assert site.all(files, grains={"x": text}) == {"x": text, "y": text, "z": text}


@pytest.mark.parametrize("text", INJECTIONS)
def test_a_minion_id_in_a_template_is_not_a_template(site: Site, text: str) -> None:
    assert site.all({"a.sls": "x: {{ id | json }}"}, id=text) == {"x": text}


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x85", "\u2028", "\u2029"])
def test_a_grain_with_a_line_break_cannot_write_lines_of_an_sls(site: Site, end: str) -> None:
    site.write({"secret.sls": "password: CANARY"})
    grains = {"host": f"x{end}include:{end}  - secret", "nested": {"list": ["ok", f"a{end}b"]}, "plain": "ok"}
    with pytest.raises(SourceError, match=r"a\.sls:1:\d+: the grain 'host' has a line break"):
        site.all({"a.sls": "host: {{ grains.host }}\n# include:"}, grains=grains)
    with pytest.raises(SourceError, match=r"the grain 'nested:list:1' has a line break"):
        site.all({"a.sls": "host: {{ grains['nested']['list'][1] | upper }}"}, grains=grains)
    with pytest.raises(SourceError, match="has a line break"):
        site.all({"a.sls": "host: {{ salt['grains.get']('host') ~ '' }}"}, grains=grains)
    found = site.all({"a.sls": "a: {{ grains.plain }}{{ grains.nested.list[0] }}"}, grains=grains)
    assert found == {"a": "okok"}, "other grains, and those that are not used, do no harm"


@pytest.mark.parametrize(
    ("text", "grain"),
    [
        ('#!jinja|json\n{"host": "{{ grains.host }}"}', 'x", "include": ["secret"], "y": "'),
        ('#!jinja|yaml\n{host: "{{ grains.host }}"}', 'x", include: [secret], y: "'),
    ],
)
def test_a_grain_cannot_bring_an_sls_into_the_pillar(site: Site, text: str, grain: str) -> None:
    site.write({"secret.sls": "password: CANARY"})
    with pytest.raises(SourceError, match="an include that is not written in this file") as caught:
        site.all({"a.sls": text}, grains={"host": grain})
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ grains.__class__ }}",
        "{{ salt.__init__ }}",
        "{{ self.__init__.__globals__ }}",
        "{{ salt['cmd.run']('id') }}",
        "{{ salt['pillar.items']() }}",
        "{% include '../../../etc/passwd' %}",
        "{% import_text '/etc/passwd' as x %}{{ x }}",
    ],
)
def test_a_template_reaches_nothing_of_the_master(site: Site, template: str) -> None:
    with pytest.raises(SalternError) as caught:
        site.all({"a.sls": f"x: |\n  {template}"})
    assert "a.sls" in str(caught.value)
    assert "root:" not in str(caught.value)


def test_shared_templates_never_carry_one_minions_values_to_another(site: Site) -> None:
    site.write(
        {
            "top.sls": "base: {'*': [a]}",
            "map.jinja": "{% set owner = grains.id %}{% set calls = [] %}",
            "a.sls": "{% import 'map.jinja' as m %}{% from 'map.jinja' import owner %}"
            "{% do m.calls.append(id) %}x: {{ m.owner }} {{ owner }} {{ m.calls | join(',') }}",
        }
    )
    compiled: dict[tuple[str, str, str], Any] = {}
    for name in ("one", "two", "one"):
        found = site.pillar(name, {"id": name}, compiled=compiled)
        assert found == {"x": f"{name} {name} {name}"}
    assert compiled


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("salt['config.get']('os')", "Debian"),
        ("salt['slsutil.merge']({'a': 1}, {'b': 2}) | json", {"a": 1, "b": 2}),
        ("salt['defaults.merge']({'a': 1}, {'b': 2}) | json", {"a": 1, "b": 2}),
        ("salt['match.compound']('G@os:Debian and on-*')", True),
        ("salt['match.nodegroup']('nodes')", True),
        ("salt.match.list('a,b')", False),
        ("salt['slsutil.boolstr'](true, 'on', 'off') | yaml_dquote", "on"),
        ("salt['random.seed'](1)", 0),
    ],
)
def test_a_template_may_call_what_reckons_and_looks_up(site: Site, expression: str, wanted: Any) -> None:
    text = f"x: {{{{ {expression} }}}}\n"
    assert site.all({"a.sls": text}, grains={"os": "Debian"}, nodegroups={"nodes": "on-*"}) == {"x": wanted}


@pytest.mark.parametrize("name", ["slsutil.renderer", "cmd.run", "file.read", "cp.get_file_str", "defaults.get"])
def test_a_template_may_not_call_what_reads_or_touches_the_master(site: Site, name: str) -> None:
    with pytest.raises(SourceError, match="there is no function"):
        site.all({"a.sls": f"x: {{{{ salt['{name}']('x') }}}}\n"})


def test_what_is_wrong_with_several_sls_is_told_together(site: Site) -> None:
    with pytest.raises(SourceErrors) as caught:
        site.all({"one.sls": "a: {{ x }}", "two.sls": "a: 1", "three.sls": "a: ["})
    assert [error.file for error in caught.value.errors] == ["one.sls", "three.sls"]


def test_an_sls_that_may_be_missing_is_left_out(site: Site) -> None:
    top = "base:\n  '*':\n    - ignore_missing: {}\n    - none\n    - one\n"
    site.write({"top.sls": top.format("true"), "one.sls": "a: 1"})
    assert site.pillar() == {"a": 1}
    site.write({"top.sls": top.format("maybe")})
    with pytest.raises(SourceError, match="ignore_missing wants true or false, not 'maybe'"):
        site.pillar()


def test_includes_that_double_at_each_step_come_to_an_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "_MOST", 200)
    twice = "include:\n  - s{0}: {{defaults: {{x: 1}}}}\n  - s{0}: {{defaults: {{x: 2}}}}\n"
    with pytest.raises(SourceError, match="more than 200 SLS are included"):
        site.all({"a.sls": "include: [s1]", **{f"s{n}.sls": twice.format(n + 1) for n in range(1, 40)}})


def test_a_template_without_an_end_is_stopped_and_so_is_a_bomb_of_aliases(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fence, "CPU_S", 0.5)
    bomb = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}' if n else 'x'] * 10)}]" for n in range(9))
    endless = "a: 1\nb: {{ ('a' * 60 ~ 'b') | regex_match('(a+)+$') }}\n"
    with pytest.raises(SourceErrors) as caught:
        site.all({"one.sls": endless, "two.sls": bomb, "three.sls": "a: {{ 'x'.ljust(10 ** 12) }}"})
    assert [(error.file, error.line, error.message[:30]) for error in caught.value.errors] == [
        ("one.sls", 2, "the template takes more than 0"),
        ("two.sls", 6, "the aliases multiply the docum"),
        ("three.sls", 1, "the template takes more than 1"),
    ]
