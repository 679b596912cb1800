"""`pillar_source_merging_strategy`: how the values of several SLS become one pillar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pillar.compiler import compile_pillar
from saltern.config import load_master
from saltern.errors import SalternError
from saltern.files import LocalFiles

FILES = {
    "base/top.sls": "base:\n  '*': [one, two]\n",
    "dev/top.sls": "dev:\n  '*': [three]\n",
    "base/one.sls": "a: {x: 1, l: [1]}\n",
    "base/two.sls": "a: {y: 2, l: [1, 2]}\n",
    "dev/three.sls": "b: 3\n",
}


def found(folder: Path, **settings: Any) -> dict[str, Any]:
    for path, text in FILES.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    files = LocalFiles({env: [str(folder / env)] for env in ("base", "dev")})
    return compile_pillar(files, "m1", {}, **settings)


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({}, {"a": {"x": 1, "y": 2, "l": [1, 2]}, "b": 3}),
        ({"strategy": "recurse"}, {"a": {"x": 1, "y": 2, "l": [1, 2]}, "b": 3}),
        ({"strategy": "overwrite"}, {"a": {"y": 2, "l": [1, 2]}, "b": 3}),
        ({"strategy": "none"}, {"a": {"x": 1, "y": 2, "l": [1, 2]}}),
        ({"strategy": "none", "saltenv": "dev"}, {"b": 3}),
    ],
)
def test_each_strategy_joins_as_it_is_known_for(tmp_path: Path, settings: Any, wanted: Any) -> None:
    assert found(tmp_path, **settings) == wanted


@pytest.mark.parametrize("settings", [{"strategy": "aggregate"}, {"merge_lists": True}])
def test_lists_are_appended_where_that_is_wanted_and_nothing_twice(tmp_path: Path, settings: Any) -> None:
    listed = found(tmp_path, **settings)["a"]["l"]
    assert listed == [1, 2]


def test_an_unknown_strategy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SalternError, match="recurse"):
        found(tmp_path, strategy="recurce")
    (tmp_path / "master").write_text("pillar_source_merging_strategy: recurce\n")
    with pytest.raises(SalternError, match="one of smart, recurse"):
        load_master(tmp_path, tmp_path)
