"""Modules that were made for Salt run as they are: with the names that Salt gives them, and nothing of it outside."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from saltern import loader
from saltern.marks import ActedWhilePlanning, kind_of
from saltern.secret import Secret
from tests.unit.saltern.custom.trees import node, put, ran


def module(tmp_path: Path, text: str, function: str = "web.do", /, *args: Any, **kwargs: Any) -> Any:
    """What FUNCTION of a module with this TEXT gives."""
    put(tmp_path, {"_modules/web.py": text})
    return ran(tmp_path, function, *args, **kwargs).value


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("__grains__['kernel']", "Linux"),
        ("__grains__.get('nothing', 1)", 1),
        ("__opts__['id']", "node"),
        ("__opts__['test']", False),
        ("__pillar__['a']['b']", 1),
        ("__salt__['test.echo']('x')", "x"),
        ("__salt__.test.echo('x')", "x"),
        ("'test.echo' in __salt__", True),
        ("'test.nothing' in __salt__", False),
        ("__salt__.get('no.such')", None),
        ("__salt__['log.warning']('a line')", ""),
        ("__salt__['cmd.run']('echo a; echo b', output_loglevel='quiet')", "a\nb"),
        ("__salt__['web.do2'](2)", 4),
        ("__context__.setdefault('n', 7)", 7),
        ("__utils__['words.loud']('x')", "X"),
        ("'words.loud' in __utils__", True),
    ],
)
def test_the_names_of_salt_are_there(tmp_path: Path, expression: str, value: object) -> None:
    put(tmp_path, {"_utils/words.py": "def loud(x):\n    return x.upper()\n"})
    text = f"def do():\n    return {expression}\n\n\ndef do2(n):\n    return n * 2\n"
    assert module(tmp_path, text, pillar={"a": {"b": 1}}) == value


def test_what_is_offered_is_what_salt_would_offer(tmp_path: Path) -> None:
    text = (
        "from os.path import join\n__func_alias__ = {'ls': 'list', 'set_': 'put'}\nvalue = 3\n"
        "class Own: pass\ndef ls(): pass\ndef set_(): pass\ndef type_(): pass\ndef _own(): pass\n"
    )
    put(tmp_path, {"_modules/web.py": text})
    assert ran(tmp_path, "sys.list_functions", "web").value == ["web.list", "web.put", "web.type"]
    put(tmp_path, {"_modules/web.py": "__load__ = ['b']\n" + text + "def b(): pass\n"})
    assert ran(tmp_path, "sys.list_functions", "web").value == ["web.b"]


def test_a_plain_function_counts_as_acting_so_planning_can_not_call_it(tmp_path: Path) -> None:
    put(tmp_path, {"_modules/web.py": "def do():\n    return 1\n"})
    ctx = node(tmp_path)
    with ctx.extra["custom"].offered(ctx):
        found = loader.find("web.do")
        assert kind_of(found) == "acting"
        with pytest.raises(ActedWhilePlanning):
            found()


def test_the_shim_is_seen_by_salt_style_code_alone(tmp_path: Path) -> None:
    text = (
        "import sys\nimport salt.utils.files, salt.utils.path as paths\n"
        "from salt.exceptions import CommandExecutionError\n"
        "import salt.ext.six as six\nfrom salt.utils.decorators import depends\nimport salt\n"
        "def do():\n    return [paths.which('sh') is not None, six.PY3, salt.utils.platform.is_linux(), "
        "'salt' in sys.modules]\n"
    )
    assert module(tmp_path, text) == [True, True, True, False]
    assert not [name for name in sys.modules if name.partition(".")[0] == "salt"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("import salt.cloud", "_modules/web.py:2: it needs salt.cloud, which the bridge to Salt's modules has not"),
        ("import salt.utils.pkg.rpm", "_modules/web.py:2: it needs salt.utils.pkg.rpm, which"),
        ("from salt.utils.files import nothing", "_modules/web.py:2: it needs 'nothing' of salt.utils.files, which"),
        ("import salt; salt.minion.x", "_modules/web.py:2: AttributeError: it needs salt.minion, which"),
    ],
)
def test_what_the_shim_has_not_is_named(tmp_path: Path, line: str, told: str) -> None:
    assert module(tmp_path, f"# made for Salt\n{line}\ndef do(): pass\n").startswith(told)


def test_a_module_may_do_without_what_the_shim_has_not(tmp_path: Path) -> None:
    text = "try:\n    import salt.cloud\n    HAS = True\nexcept ImportError:\n    HAS = False\ndef do(): return HAS\n"
    assert module(tmp_path, text) is False


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise CommandExecutionError('no luck')", "web.do: no luck"),
        ("raise SaltInvocationError('say which')", "web.do: say which"),
        ("return {}['k']", "web.do: _modules/web.py:4: KeyError: 'k'"),
        ("import sys; sys.exit(2)", "web.do: _modules/web.py:4: SystemExit: 2"),
        ("return __salt__['no.such']()", "web.do: _modules/web.py:4: KeyError: \"there is no function 'no.such'"),
        ("return __opts__['nothing']", "web.do: _modules/web.py:4: KeyError: 'nothing'"),
        ("return __proxy_info__", "web.do: _modules/web.py:4: NameError: name '__proxy_info__' is not defined"),
    ],
)
def test_an_error_is_one_line_with_its_place(tmp_path: Path, body: str, told: str) -> None:
    text = f"from salt.exceptions import CommandExecutionError, SaltInvocationError\n\ndef do():\n    {body}\n"
    said = module(tmp_path, text)
    assert said.startswith(told)
    assert "\n" not in said


def test_salt_style_code_catches_what_salt_style_code_raises(tmp_path: Path) -> None:
    put(tmp_path, {"_modules/low.py": "def fail():\n    raise KeyError('k')\n"})
    text = "def do():\n    try:\n        __salt__['low.fail']()\n    except KeyError:\n        return 'caught'\n"
    assert module(tmp_path, text) == "caught"


def test_a_secret_is_a_text_inside_and_masked_outside(tmp_path: Path) -> None:
    text = "def do():\n    p = __pillar__['db']['pw']\n    return [p == 'hunter2', 'the word is ' + p, {p: p}]\n"
    given = module(tmp_path, text, pillar={"db": {"pw": Secret("hunter2")}})
    assert given[0] is True
    assert "hunter2" not in repr(given)
    raised = module(tmp_path, "def do():\n    raise ValueError(__pillar__['pw'])\n", pillar={"pw": Secret("hunter2")})
    assert "ValueError" in raised
    assert "hunter2" not in raised


def test_what_saltern_types_is_a_mapping_for_salt_style_code(tmp_path: Path) -> None:
    put(
        tmp_path,
        {
            "_modules/typed.py": "from dataclasses import dataclass\nfrom saltern.marks import reading\n\n"
            "@dataclass(frozen=True)\nclass Thing:\n    size: int\n\n"
            "@reading\ndef get() -> Thing:\n    return Thing(3)\n"
        },
    )
    assert module(tmp_path, "def do():\n    return __salt__['typed.get']()['size']\n") == 3
