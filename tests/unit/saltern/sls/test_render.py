"""The rules of rendering: Salt's names, tags and filters, and errors with the place in what the user wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from saltern.errors import SourceError
from saltern.marks import acting, reading
from saltern.sls.render import Renderer, render_sls, render_template
from tests.patience import WAIT_S
from tests.unit.saltern.sls.files import context


def render(tmp_path: Path, text: str, tree: dict[str, str] | None = None, **given: Any) -> Any:
    ctx = context(tmp_path, {"a/b.sls": text, **(tree or {})}, **given)
    return render_sls(text, place="a/b.sls", ctx=ctx, saltenv="base", sls="a.b")


def refusal(tmp_path: Path, text: str, tree: dict[str, str] | None = None, **given: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        render(tmp_path, text, tree, **given)
    return caught.value


def test_a_plain_sls_does_not_import_jinja() -> None:
    code = (
        "import sys; from saltern.sls.state_tree import StateTree; from saltern.sls.source import Source;"
        "from saltern.sls.render import Renderer;"
        "r = Renderer(None); print(r.document('a: 1', file='a.sls', saltenv='base').data, 'jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=WAIT_S, check=True)
    assert done.stdout == "{'a': 1} False\n"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("{{ grains.os }}", "Debian"),
        ("{{ grains['os'] }}", "Debian"),
        ("{{ pillar.app.port }}", 80),
        ("{{ opts.id }} {{ opts['test'] }} {{ opts.saltenv }}", "m1 False base"),
        ("{{ saltenv }} {{ env }}", "base base"),
        ("{{ sls }} {{ slspath }} {{ slsdotpath }} {{ slscolonpath }} {{ sls_path }}", "a.b a a a a"),
        ("{{ tplfile }} {{ tpldir }} {{ tpldot }}", "a/b.sls a a"),
        ("{{ salt['fake.reads'](2) }}", 2),
        ("{{ salt.fake.reads(3) }}", 3),
        ("{{ salt['fake.acts']() }}", "acted"),
        ("{{ 'fake.reads' in salt }} {{ 'fake.nope' in salt }}", "True False"),
        ("{{ salt.get('fake.nope', 'none') }}", "none"),
        ("{{ 1 if 'x1' is match('x\\d') else 2 }}", 1),
        ("{% set l = [] %}{% do l.append(7) %}{{ l[0] }}", 7),
        ("{{ missing | default('d') }}", "d"),
        ("{{ missing is defined }}", False),
        ("{% for i in [1, 2, 3] %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", 1),
        ("{{ log.info('x') }}{{ salt.log.debug('y') }}z", "z"),
        ("{% load_yaml as x %}\na: [1, 2]\n{% endload %}{{ x.a[1] }}", 2),
        ('{% load_json as x %}{"a": 3}{% endload %}{{ x.a }}', 3),
        ("{% load_text as x %}t {{ grains.os }}{% endload %}{{ x }}", "t Debian"),
        ("{% import_yaml 'd.yaml' as d %}{{ d.k }}", "Debian"),
        ("{% import_json 'd.json' as d %}{{ d.k }}", 4),
        ("{% import_text 'd.txt' as d %}{{ d }}", "plain"),
        ("{% from 'm.jinja' import plus %}{{ plus(1) }}", 2),
        ("{% from './n.jinja' import where with context %}{{ where }}", "a/b.sls"),
        ("{% import 'salt://m.jinja' as m %}{{ m.plus(2) }}", 3),
        ("{% include 'd.txt' %}", "plain"),
        ("{% profile as 'x' %}p{% endprofile %}", "p"),
    ],
)
def test_templates_know_what_salts_know(tmp_path: Path, expression: str, value: Any) -> None:
    tree = {
        "m.jinja": "{% macro plus(n) %}{{ n + 1 }}{% endmacro %}",
        "a/n.jinja": "{% set where = tplfile %}",
        "d.yaml": "k: {{ grains.os }}\n",
        "d.json": '{"k": 4}',
        "d.txt": "plain",
    }
    ctx = context(tmp_path, tree, pillar={"app": {"port": 80}})
    functions: dict[str, Any] | None = {"fake.reads": reads, "fake.acts": acts} if "fake" in expression else None
    text = f"k: {expression}\n"
    document = Renderer(ctx, functions=functions).document(text, file="a/b.sls", saltenv="base", sls="a.b")
    assert document.data == {"k": value}


@reading
def reads(number: int) -> int:
    return number


@acting
def acts() -> str:
    return "acted"


def test_a_sandboxed_template_may_not_act(tmp_path: Path) -> None:
    renderer = Renderer(context(tmp_path, {}), sandboxed=True, functions={"fake.acts": acts})
    with pytest.raises(SourceError, match=r"a.sls:2:4: a template may only read here"):
        renderer.document("a: 1\nb: {{ salt['fake.acts']() }}\n", file="a.sls", saltenv="base")


def test_a_sandboxed_sls_may_not_be_python(tmp_path: Path) -> None:
    renderer = Renderer(context(tmp_path, {}), sandboxed=True)
    with pytest.raises(SourceError, match="the renderer py runs any code"):
        renderer.document("#!py\ndef run(): return {}\n", file="a.sls", saltenv="base")


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\nb: {{ grians.os }}\n", "a/b.sls:2:7", "'grians' is undefined. Did you mean 'grains'?"),
        ("a: {{ grains.oss }}\n", "a/b.sls:1:14", "no key 'oss'. Did you mean 'os'?"),
        ("a: {{ pillar['nope'] }}\n", "a/b.sls:1:15", "no key 'nope'"),
        ("a: 1\n{% if grains.os == %}\n", "a/b.sls:2:1", "Jinja: "),
        ("{% for i in [1] %}\na: 1\n", "a/b.sls:1:4", "A block is not closed."),
        ("\n{{ raise('not on this one') }}\n", "a/b.sls:2:1", "not on this one"),
        ("a: {{ 1 / 0 }}\n", "a/b.sls:1:4", "division by zero"),
        ("a: {{ salt['test.pong']() }}\n", "a/b.sls:1:13", "Did you mean 'test.ping'?"),
        ("a: {{ salt.tset.ping() }}\n", "a/b.sls:1:12", "no namespace 'tset'"),
        ("a: {{ 'x' | nope }}\n", "a/b.sls:1:13", "No filter named 'nope'"),
        ("{% import 'mm.jinja' as m %}\n", "a/b.sls:1:12", "Did you mean 'm.jinja'?"),
        ("{% import '../../x' as m %}\n", "a/b.sls:1:15", "outside the tree"),
        ("a: {{ ''.__class__ }}\n", "a/b.sls:1:10", "unsafe"),
        ("#!jinja|yml\na: 1\n", "a/b.sls:1:9", "there is no renderer 'yml'. Did you mean 'yaml'?"),
        ("#!yaml|jinja\na: 1\n", "a/b.sls:1:3", "nothing can follow the renderer yaml"),
        ('#!json\n{"a": 1,\n', "a/b.sls:3:1", "not JSON"),
        ("#!py\nx = 1\n", "a/b.sls", "needs a function run()"),
        ("#!py\ndef run():\n    return nope\n", "a/b.sls:3:12", "NameError"),
        ("#!py\ndef run(:\n", "a/b.sls:2:9", "Python: "),
        ("{% from 'm.jinja' import f %}\n\n{{ f() }}\n", "m.jinja:3:4", "'nope' is undefined"),
        ("{% import_yaml 'd.yaml' as d %}\n", "d.yaml:2:1", "Imported at a/b.sls:1."),
        ("a: 1\n{% load_yaml as d %}\nx: [1\n{% endload %}\n", "a/b.sls:2", "loaded text, line"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, place: str, words: str) -> None:
    tree = {"m.jinja": "{% macro f() %}\n\n{{ nope }}\n{% endmacro %}", "d.yaml": "a: 1\na: 2\n"}
    error = refusal(tmp_path, text, tree)
    assert str(error).startswith(place + ": ")
    assert words in str(error)


def test_a_mistake_in_an_imported_macro_names_the_line_that_used_it_too(tmp_path: Path) -> None:
    tree = {"m.jinja": "{% macro f(n) %}\n{{ n + 'x' }}\n{% endmacro %}"}
    error = refusal(tmp_path, "{% from 'm.jinja' import f %}\na: 1\nb: {{ f(1) }}\n", tree)
    assert (error.file, error.line, error.hint) == ("m.jinja", 2, "Used at a/b.sls:3.")


def test_a_yaml_error_after_jinja_names_the_written_line_and_shows_both(tmp_path: Path) -> None:
    text = (
        "{% set names = ['a', 'b'] %}\n{% for name in names %}\n{{ name }}:\n  x: 1\n   {{ name }}y: 2\n{% endfor %}\n"
    )
    error = refusal(tmp_path, text)
    assert (error.file, error.line) == ("a/b.sls", 5)
    assert error.excerpt is not None
    assert "5 |    {{ name }}y: 2" in error.excerpt
    assert "rendered line 5:" in error.excerpt
    assert "ay: 2" in error.excerpt


def test_a_line_that_jinja_left_alone_keeps_its_column(tmp_path: Path) -> None:
    error = refusal(tmp_path, "{% if true %}\na: 1\n{% endif %}\n{# note\nnote #}\nb: c: d\n")
    assert (error.line, error.column) == (6, 5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n{% for i in range(10000000) %}{% endfor %}", "Range too big"),
        ("\n{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "more than 5000000 turns"),
        ("\n{{ 'x' * 1000000000 }}", "a product of 1000000000 parts"),
        ("\n{{ 10 ** 100000000 }}", "power"),
        ("\n{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "calls itself without an end"),
        ("\n{% for i in range(900) %}{{ 'x' * 99999 }}{% endfor %}", "characters: is there an end?"),
    ],
)
def test_a_template_without_an_end_is_stopped_by_a_limit_that_says_so(tmp_path: Path, text: str, words: str) -> None:
    error = refusal(tmp_path, text)
    assert words in error.message
    assert error.line == 2


def test_loops_are_counted_anew_for_each_rendering(tmp_path: Path) -> None:
    ctx = context(tmp_path, {})
    text = "{% for i in range(99999) %}{% endfor %}x"
    for _ in range(60):
        assert render_template(text, place="t", context={}, ctx=ctx, saltenv="base") == "x"


def test_pipelines_name_their_renderers(tmp_path: Path) -> None:
    assert render(tmp_path, "#!yaml\na: '{{ x }}'\n") == {"a": "{{ x }}"}
    assert render(tmp_path, '#!jinja|json\n{"a": "{{ grains.os }}"}') == {"a": "Debian"}
    assert render(tmp_path, "#!text\na: {{") == "\na: {{"
    assert render(tmp_path, "#!py\ndef run():\n    return {'os': __grains__['os'], 'env': saltenv}\n") == {
        "os": "Debian",
        "env": "base",
    }


def test_a_template_keeps_its_last_line_end_and_sees_its_context(tmp_path: Path) -> None:
    ctx = context(tmp_path, {})
    text = render_template("port {{ port }} {{ grains.os }}\n", place="t", context={"port": 1}, ctx=ctx, saltenv="base")
    assert text == "port 1 Debian\n"


def test_a_template_of_another_environment_is_found_there(tmp_path: Path) -> None:
    ctx = context(tmp_path, {"base": {"x.jinja": "base"}, "dev": {"x.jinja": "dev"}})
    text = "{% include 'x.jinja' %} {% include 'salt://x.jinja?saltenv=dev' %}"
    assert render_template(text, place="t", context={}, ctx=ctx, saltenv="base") == "base dev"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("{% for i in [1, 2] %}\nk{{ i }}: v\nk{{ i }}: 2\n{% endfor %}\n", 3),
        ("a: 1\n\n{% if true %}\nb: 1\na: 2\n{% endif %}\n", 5),
        ("{% set x = 'a' %}\n\na: 1\n{{ x }}: 2\n", 4),
        ("x: 1\n{% raw %}\na: 1\na: 2\n{% endraw %}\n", 4),
        ("a: 1\n{%- if true %}\nb: 1\nb: 2\n{%- endif %}\n", 4),
        ("a: {{ 'x' }}\nb: {{ 'y' }}\nc: 1\nb: 2\n", 4),
    ],
)
def test_a_rendered_line_is_told_by_the_line_that_was_written(tmp_path: Path, text: str, line: int) -> None:
    error = refusal(tmp_path, text)
    assert "stands here again" in error.message
    assert error.line == line


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("a: {{ nothing }}", 7),
        ("a: {{ grains.os }} {{ grains.oss }}", 30),
        ("a: {{ pillar['nope'] }}", 15),
        ("a: {{ 'x' | nope }}", 13),
        ("a: {{ salt['test.pong']() }}", 13),
        ("a: x {{ 1 / 0 }}", 6),
        ("{% import 'none.jinja' as m %}", 12),
    ],
)
def test_a_mistake_in_a_template_has_its_column(tmp_path: Path, text: str, column: int) -> None:
    error = refusal(tmp_path, f"b: 1\n{text}\n")
    assert (error.line, error.column) == (2, column)
    assert str(error).splitlines()[3].index("^") == str(error).splitlines()[2].index(text) + column - 1
