"""Code of a tree stands beside the built-in modules while a job runs, and nowhere else."""

from __future__ import annotations

import gc
import sys
import weakref
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from saltern import loader
from saltern.custom.custom import Custom
from saltern.custom.source import Origin
from saltern.errors import UsageError
from saltern.files import LocalFiles
from saltern.marks import kind_of
from saltern.runner import run_function
from tests.unit.saltern.custom.trees import node, put, ran

TYPED = "from saltern.marks import reading\n\n\n@reading\ndef say() -> str:\n    return {!r}\n"


def test_a_function_of_the_tree_is_found_while_a_job_runs_and_not_afterwards(tmp_path: Path) -> None:
    put(tmp_path, {"_modules/web.py": TYPED.format("hi")})
    ctx = node(tmp_path)
    custom = ctx.extra["custom"]
    with custom.offered(ctx):
        assert kind_of(loader.find("web.say")) == "reading"
        assert "web" in loader.namespaces("modules")
    with pytest.raises(UsageError, match="no namespace 'web'"):
        loader.find("web.say")
    assert "modules.web" not in sys.modules
    assert custom not in sys.meta_path


@pytest.mark.parametrize("typed", [True, False])
def test_nothing_of_it_stays_in_the_process_after_the_job(tmp_path: Path, typed: bool) -> None:
    text = TYPED.format("x") if typed else "def say():\n    return 'x'\n"
    claim = "{'name': name, 'changes': {}, 'result': True, 'comment': ''}"
    put(tmp_path, {"_modules/web.py": text, "_states/web.py": f"def done(name, n=1):\n    return {claim}\n"})
    put(tmp_path, {"t.sls": "a:\n  web.done:\n    - n: {{ salt['web.say']() }}\n"})
    alive: list[weakref.ref[Any]] = []

    class Watched(Custom):
        def load(self, module: ModuleType, origin: Origin) -> None:
            super().load(module, origin)
            alive.extend(weakref.ref(one) for name, one in vars(module).items() if name in ("say", "done"))

    ctx = node(tmp_path, custom=Watched(files=LocalFiles({"base": [str(tmp_path)]})))
    assert run_function("web.say", [], {}, ctx).value == "x"
    assert run_function("state.apply", ["t"], {}, ctx).success
    gc.collect()
    assert len(alive) == 3
    assert [found() for found in alive] == [None, None, None]


def test_a_changed_file_is_another_one_for_the_next_job(tmp_path: Path) -> None:
    put(tmp_path, {"_modules/web.py": TYPED.format("one")})
    assert ran(tmp_path, "web.say").value == "one"
    put(tmp_path, {"_modules/web.py": TYPED.format("two")})
    assert ran(tmp_path, "web.say").value == "two"


@pytest.mark.parametrize(
    "file", ["_modules/test.py", "_modules/sys.py", "_modules/random_.py", "_modules/other.py"], ids=lambda file: file
)
def test_what_is_built_in_can_not_be_replaced(tmp_path: Path, file: str) -> None:
    name = "__virtualname__ = 'test'\n" if "other" in file else ""
    put(tmp_path, {file: name + TYPED.format("shadow").replace("say", "ping")})
    assert ran(tmp_path, "test.ping").value is True
    custom = Custom(files=LocalFiles({"base": [str(tmp_path)]}))
    (origin,) = custom.source.origins("modules")
    assert "one of Saltern's own modules, which the tree can't replace" in origin.problem


def test_a_private_file_is_a_part_of_others_and_offers_nothing(tmp_path: Path) -> None:
    whole = TYPED.format("").replace("''", "word()").replace("\n", "\nfrom modules._web_words import word\n", 1)
    put(tmp_path, {"_modules/web.py": whole, "_modules/_web_words.py": "def word():\n    return 'part'\n"})
    assert ran(tmp_path, "web.say").value == "part"
    assert not ran(tmp_path, "_web_words.word").success


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("False", "_modules/web.py is not for this node, as its __virtual__ says"),
        ("(False, 'no nginx')", "__virtual__ says: no nginx"),
        ("'net'", "there is no function 'web.say': no namespace 'web'"),
    ],
)
def test_virtual_may_refuse_a_node_or_give_another_name(tmp_path: Path, said: str, why: str) -> None:
    put(tmp_path, {"_modules/web.py": f"def __virtual__():\n    return {said}\n\n\n" + TYPED.format("x")})
    assert why in str(ran(tmp_path, "web.say").value)


def test_of_several_files_with_one_virtual_name_the_one_for_the_node_is_taken(tmp_path: Path) -> None:
    head = "__virtualname__ = 'web'\n\n\ndef __virtual__():\n    return {} and __virtualname__\n\n\n"
    put(tmp_path, {"_modules/web_a.py": head.format(False) + TYPED.format("a")})
    put(tmp_path, {"_modules/web_b.py": head.format(True) + TYPED.format("b")})
    assert ran(tmp_path, "web.say").value == "b"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def x(:\n", "_modules/web.py:1: this is no Python"),
        ("import saltern\n\nimport nowhere_at_all\n", "_modules/web.py:3: needs the Python module 'nowhere_at_all'"),
        ("import saltern\nimport saltext.web\n", "_modules/web.py:2: needs the Python module 'saltext'"),
        ("import saltern\nimport salt.utils\n", "_modules/web.py:2: it imports something of saltern, so it is in"),
        ("import saltern\nx = {}['k']\n", "_modules/web.py:2: KeyError: 'k'"),
        ("raise SystemExit(3)\n", "_modules/web.py:1: SystemExit: 3"),
        ("x = 1\0\n", "_modules/web.py: "),
    ],
)
def test_a_file_that_can_not_be_loaded_says_where_and_leaves_others_alone(tmp_path: Path, text: str, told: str) -> None:
    put(tmp_path, {"_modules/web.py": text, "_modules/well.py": TYPED.format("well")})
    result = ran(tmp_path, "web.say")
    assert result.misused
    assert told in result.value
    assert "\n" not in result.value
    assert ran(tmp_path, "well.say").value == "well"
    assert "well.say" in ran(tmp_path, "sys.list_functions").value


def test_an_error_in_a_typed_function_has_its_place(tmp_path: Path) -> None:
    put(tmp_path, {"_modules/web.py": TYPED.format("x").replace("'x'", "{}['nothing']")})
    assert ran(tmp_path, "web.say").value == "bug in web.say: _modules/web.py:6: KeyError: 'nothing'"


def test_a_name_that_can_be_no_namespace_is_refused_by_name(tmp_path: Path) -> None:
    put(
        tmp_path, {"_modules/Web-1.py": "", "_modules/deep/web.py": "", "_modules/notes.txt": "", "_modules/README": ""}
    )
    problems = [one.problem for one in Custom(files=LocalFiles({"base": [str(tmp_path)]})).source.origins("modules")]
    assert problems == [
        "_modules/Web-1.py: its name can't be one of a namespace: use small letters, digits and _",
        "_modules/deep/web.py: only files right in _modules are taken, no folders",
    ]


def test_the_first_environment_that_has_a_file_wins(tmp_path: Path) -> None:
    put(tmp_path, {"a/_modules/web.py": TYPED.format("base"), "b/_modules/web.py": TYPED.format("dev")})
    files = LocalFiles({"dev": [str(tmp_path / "b")], "base": [str(tmp_path / "a")]})
    custom = Custom(files=files)
    ctx = node(tmp_path)
    with custom.offered(ctx):
        assert loader.find("web.say")() == "base"
