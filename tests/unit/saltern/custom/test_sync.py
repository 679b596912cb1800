"""A sync brings what changed into a private folder, whole or not at all; what is there is checked when it is used."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from saltern.custom.custom import Custom
from saltern.custom.errors import BrokenModule
from saltern.custom.source import SyncedSource
from saltern.custom.sync import sync
from saltern.errors import PermanentError
from saltern.files import LocalFiles
from saltern.runner import run_function
from tests.unit.saltern.custom.trees import node, put


def files(tree: Path) -> LocalFiles:
    return LocalFiles({"base": [str(tree)]})


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    put(tmp_path / "tree", {"_modules/web.py": "x = 1\n", "_states/web.py": "y = 1\n"})
    return tmp_path / "tree"


def test_only_what_changed_is_told_and_written(tree: Path, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    assert sync(files(tree), folder).changed["modules"] == ("modules.web",)
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    assert not sync(files(tree), folder)
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before
    put(tree, {"_modules/web.py": "x = 2\n", "_modules/more.py": ""})
    assert sync(files(tree), folder).changed == {
        "modules": ("modules.more", "modules.web"),
        "states": (),
        "grains": (),
        "utils": (),
    }
    (tree / "_modules/more.py").unlink()
    assert sync(files(tree), folder).changed["modules"] == ("modules.more",)


def test_one_kind_can_be_brought_alone(tree: Path, tmp_path: Path) -> None:
    assert sync(files(tree), tmp_path / "kept", ("states",)).changed == {"states": ("states.web",)}
    source = SyncedSource(tmp_path / "kept")
    assert [one.path for one in source.origins("states")] == ["_states/web.py"]
    assert source.origins("modules") == ()


def test_a_tree_without_code_leaves_no_folder(tmp_path: Path) -> None:
    put(tmp_path / "tree", {"top.sls": ""})
    assert not sync(files(tmp_path / "tree"), tmp_path / "kept")
    assert not (tmp_path / "kept").exists()


def test_folder_and_files_are_private(tree: Path, tmp_path: Path) -> None:
    sync(files(tree), tmp_path / "kept")
    assert stat.S_IMODE((tmp_path / "kept").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "kept").iterdir()} == {0o600}


def test_a_folder_that_others_may_enter_is_refused(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept").chmod(0o755)
    with pytest.raises(PermanentError, match="0700"):
        sync(files(tree), tmp_path / "kept")


@pytest.mark.parametrize("how", ["changed", "link", "gone"])
def test_a_copy_that_is_not_what_was_sent_is_refused_and_brought_anew(tree: Path, tmp_path: Path, how: str) -> None:
    folder = tmp_path / "kept"
    sync(files(tree), folder)
    (origin,) = SyncedSource(folder).origins("modules")
    file = folder / f"{origin.digest}.py"
    good = file.read_bytes()
    if how == "changed":
        file.write_bytes(b"import os\n")
    else:
        file.unlink()
        if how == "link":
            os.symlink(tree / "_modules/web.py", file)
    with pytest.raises(BrokenModule, match=r"_modules/web\.py: its copy"):
        SyncedSource(folder).read(origin)
    sync(files(tree), folder)
    assert SyncedSource(folder).read(origin) == good


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"files": [{"kind": 1}]}', b"\xff"])
def test_a_damaged_index_is_as_none(tree: Path, tmp_path: Path, damage: bytes) -> None:
    sync(files(tree), tmp_path / "kept")
    (tmp_path / "kept/index.json").write_bytes(damage)
    assert SyncedSource(tmp_path / "kept").origins("modules") == ()
    assert sync(files(tree), tmp_path / "kept").changed["modules"] == ("modules.web",)


def test_a_file_with_a_problem_is_told_each_time_until_it_is_mended(tree: Path, tmp_path: Path) -> None:
    put(tree, {"_modules/torn.py": "def x(:\n"})
    for _ in range(2):
        assert sync(files(tree), tmp_path / "kept").problems == (
            "_modules/torn.py:1: this is no Python: invalid syntax",
        )
    put(tree, {"_modules/torn.py": "def x():\n    pass\n"})
    assert sync(files(tree), tmp_path / "kept").problems == ()


def test_what_was_synced_is_used_without_the_tree(tree: Path, tmp_path: Path) -> None:
    put(tree, {"_modules/web.py": "def say():\n    return 'kept'\n"})
    custom = Custom(folder=tmp_path / "kept")
    ctx = node(tmp_path, custom=custom)
    custom.sync(files(tree))
    (tree / "_modules/web.py").unlink()
    assert run_function("web.say", [], {}, ctx).value == "kept"
