"""Functions are found by the names that users write."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from saltern import loader
from saltern.errors import PermanentError, UsageError
from saltern.marks import kind_of

SAMPLE = """
from collections import OrderedDict
from os.path import join
from saltern.marks import acting, reading

@reading
def ping(): return True

@reading
def list_(): return []

@acting
def act(): return None

@reading
def _private(): return 1

def helper(): return 2
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = "saltern_sample_modules"
    folder = tmp_path / name
    folder.mkdir()
    for file, text in {
        "__init__.py": "",
        "sample.py": SAMPLE,
        "borrows.py": f"from {name}.sample import ping\nfrom saltern.marks import reading\n",
        "_borrows_more.py": "from saltern.marks import reading\n@reading\ndef part(): return 1\n",
        "_borrows.py": "from saltern.marks import reading\n@reading\ndef helper(): return 1\n",
        "lambda_.py": "from saltern.marks import reading\n@reading\ndef ping(): return 1\n",
        "_hidden.py": SAMPLE,
        "lacking.py": "import saltern_not_installed.part\n",
        "broken.py": "raise RuntimeError('boom')\n",
    }.items():
        (folder / file).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    for loaded in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[loaded]


def test_a_namespace_has_what_it_imports_from_its_own_parts_and_from_nothing_else(package: str, tmp_path: Path) -> None:
    borrows = tmp_path / package / "borrows.py"
    more = f"from {package}._borrows_more import part\nfrom {package}._borrows import helper\n"
    borrows.write_text(borrows.read_text() + more)
    assert loader.find("borrows.part", package)() == 1
    for other in ("borrows.ping", "borrows.helper"):
        with pytest.raises(UsageError):
            loader.find(other, package)


def test_namespaces_are_listed_without_importing_them(package: str) -> None:
    assert loader.namespaces(package) == ("borrows", "broken", "lacking", "lambda", "sample")
    assert f"{package}.sample" not in sys.modules


def test_a_function_is_found_and_only_its_namespace_imported(package: str) -> None:
    assert loader.find("sample.ping", package)() is True
    assert f"{package}.sample" in sys.modules
    assert f"{package}.lambda_" not in sys.modules


def test_names_that_python_reserves_have_an_underscore_in_the_source_alone(package: str) -> None:
    assert loader.find("sample.list", package)() == []
    assert loader.find("lambda.ping", package)() == 1


def test_only_marked_functions_of_the_module_itself_are_offered(package: str) -> None:
    sample = loader.namespace(package, "sample")
    assert sample is not None
    found = loader.functions(sample)
    assert set(found) == {"ping", "list", "act"}
    assert {kind_of(function) for function in found.values()} == {"reading", "acting"}
    borrows = loader.namespace(package, "borrows")
    assert borrows is not None
    assert loader.functions(borrows) == {}


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("sample.pong", r"no function 'sample\.pong'\. Did you mean 'sample\.ping'"),
        ("sampel.ping", r"no namespace 'sampel'\. Did you mean 'sample'"),
        ("sample._private", "is not the name of a function"),
        ("sample.helper", r"no function 'sample\.helper'"),
        ("_hidden.ping", "is not the name of a function"),
        ("ping", "is not the name of a function: write it as NAMESPACE.NAME"),
        ("", "is not the name"),
        ("sample.ping\n", "is not the name"),
        ("sample.ping.x", "is not the name"),
        ("../sample.ping", "is not the name"),
        ("sample.__class__", "is not the name"),
        ("os.system", "no namespace 'os'"),
    ],
)
def test_what_is_no_function_is_answered_with_the_nearest(package: str, name: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        loader.find(name, package)


def test_a_state_is_called_a_state() -> None:
    with pytest.raises(UsageError, match=r"no state 'nosuch\.present'"):
        loader.find("nosuch.present", "states")


def test_a_namespace_whose_dependency_is_missing_says_so(package: str) -> None:
    with pytest.raises(PermanentError, match="'lacking' needs the Python module 'saltern_not_installed'"):
        loader.find("lacking.ping", package)


def test_a_bug_of_a_namespace_is_loud(package: str) -> None:
    with pytest.raises(RuntimeError, match="boom"):
        loader.find("broken.ping", package)


def test_another_mark_may_decide_what_is_offered(package: str) -> None:
    def anything(function: object) -> bool:
        return True

    assert loader.find("sample.helper", package, anything)() == 2
