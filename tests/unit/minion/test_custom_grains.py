"""The grains that a tree's code finds: beside Saltern's own, before them, and behind what is configured."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from minion.custom import in_tree, synced
from minion.grains import LazyGrains
from saltern.config import Config
from saltern.custom import grains as custom_grains
from saltern.files import LocalFiles
from tests.unit.saltern.custom.trees import put


def grains(tree: Path, **static: str) -> LazyGrains:
    """The grains of a node that uses TREE."""
    config = Config(root=tree / "root", id="node", file_roots={"base": [str(tree)]}, grains=static)
    return LazyGrains(config, in_tree(config, LocalFiles(config.file_roots)))


@pytest.mark.parametrize("by", ["__grains__", "grains"])
def test_custom_grains_see_those_that_are_found_and_win_over_them(tmp_path: Path, by: str) -> None:
    parameters = "grains" if by == "grains" else ""
    text = f"def own({parameters}):\n    return {{'kernel': {by}['kernel'] + '+', 'more': {by}['kernel'].lower()}}\n"
    put(tmp_path, {"_grains/own.py": text})
    found = grains(tmp_path)
    assert found["more"] == "linux"
    assert found["kernel"] == "Linux+"
    assert dict(found)["kernel"] == "Linux+"


def test_what_is_configured_wins_over_custom_grains(tmp_path: Path) -> None:
    put(tmp_path, {"_grains/own.py": "def own():\n    return {'role': 'found', 'id': 'other', 'more': 1}\n"})
    found = grains(tmp_path, role="set")
    assert (found["role"], found["id"], found["more"]) == ("set", "node", 1)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def bad():\n    return {}['k']\n", "_grains/bad.py:2: KeyError: 'k'"),
        ("def bad(:\n", "_grains/bad.py:1: this is no Python"),
        ("def bad():\n    raise SystemExit\n", "_grains/bad.py:2: SystemExit"),
        ("def bad(what):\n    return {}\n", "TypeError"),
        ("def bad():\n    return 3\n", "bad gives int, not a mapping of grains"),
        ("def bad():\n    while True: pass\n", "it took longer than"),
        ("def bad():\n    while True:\n        try: pass\n        except Exception: pass\n", "it took longer than"),
    ],
)
def test_a_file_that_fails_is_left_out_with_a_line_in_the_log(
    tmp_path: Path, text: str, why: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom_grains, "LONGEST_S", 0.3)
    put(tmp_path, {"_grains/bad.py": text, "_grains/good.py": "def good():\n    return {'good': 1}\n"})
    with caplog.at_level(logging.WARNING):
        found = grains(tmp_path)
        assert found["good"] == 1
    assert found["kernel"] == "Linux"
    assert why in caplog.text


def test_a_node_that_refuses_custom_code_has_none(tmp_path: Path) -> None:
    put(tmp_path, {"_grains/own.py": "def own():\n    return {'more': 1}\n"})
    config = Config(root=tmp_path / "root", file_roots={"base": [str(tmp_path)]}, custom_modules=False)
    for custom in (in_tree(config, LocalFiles(config.file_roots)), synced(config)):
        assert "more" not in LazyGrains(config, custom)
