"""A file is read without being run, whatever is in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.custom.errors import BrokenModule
from saltern.custom.outline import outline
from saltern.custom.source import read_index

LINES = st.lists(
    st.sampled_from(
        [
            *("import saltern", "from saltern.marks import x", "__virtualname__ = 'n'", "__virtualname__ = 3"),
            *("def __virtual__():", " return 'm'", " return", "async def a(): ...", "class A:", "@", "x = (", "\0"),
            "\udcff",
        ]
    )
)


@given(st.one_of(st.binary(max_size=200), LINES.map(lambda ls: "\n".join(ls).encode("utf-8", "surrogateescape"))))
def test_any_bytes_are_an_outline_or_told_in_one_line(source: bytes) -> None:
    told = ""
    try:
        assert outline(source, "_modules/web.py").names
    except BrokenModule as error:
        told = str(error)
    assert not told or told.startswith("_modules/web.py")
    assert "\n" not in told


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("import saltern", True),
        ("from saltern.marks import reading", True),
        ("def f():\n    import saltern.secret as s", True),
        ("import salt.utils.files", False),
        ("from saltern_other import x", False),
        ("from . import saltern", False),
        ("saltern = 1", False),
    ],
)
def test_a_file_is_typed_when_it_imports_something_of_saltern(text: str, typed: bool) -> None:
    assert outline(text.encode(), "_modules/web.py").typed is typed


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ("web",)),
        ("__virtualname__ = 'net'\ndef __virtual__():\n    return __virtualname__", ("net",)),
        ("def __virtual__():\n    if x:\n        return 'a'\n    return 'b'", ("a", "b")),
        ("def __virtual__():\n    return False, 'why'", ("web",)),
        ("def __virtual__():\n    return 'a' if x else False", ("a",)),
        ("def __virtual__():\n    return x and 'a'", ("a", "web")),
        ("def __virtual__():\n    if x:\n        return True\n    return 'b'", ("b", "web")),
        ("__virtualname__: str = 'net'", ("net",)),
        ("__virtualname__ = made()", ("web",)),
    ],
)
def test_the_names_that_a_file_may_offer_are_read_from_its_text(text: str, names: tuple[str, ...]) -> None:
    assert outline(text.encode(), "_modules/web.py").names == names


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["files", "kind", "names", "path"]), inner),
    max_leaves=8,
)


@given(found=JSON)
def test_any_index_is_read_or_counts_as_none(found: object, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("kept")
    (folder / "index.json").write_text(json.dumps(found))
    assert all(isinstance(origins, tuple) for origins in read_index(Path(folder)).values())
