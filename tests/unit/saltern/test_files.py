"""The rules of a state tree in local directories."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from saltern.files import LocalFiles


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_base_comes_first_and_paths_are_sorted(tmp_path: Path) -> None:
    write(tmp_path / "b/z.sls")
    write(tmp_path / "b/net/init.sls")
    files = LocalFiles({"a": [str(tmp_path / "a")], "base": [str(tmp_path / "b")]})
    assert files.environments() == ("base", "a")
    assert files.list() == ("net/init.sls", "z.sls")
    assert files.list("a") == ()
    assert files.list("nowhere") == ()


def test_the_first_root_wins(tmp_path: Path) -> None:
    write(tmp_path / "one/motd", "one")
    write(tmp_path / "two/motd", "two")
    write(tmp_path / "two/only", "two")
    files = LocalFiles({"base": [str(tmp_path / "one"), str(tmp_path / "two")]})
    for _ in range(2):  # before and after the listing was read
        assert files.local("motd").read_text() == "one"
        assert files.local("only").read_text() == "two"
        files.list()


@pytest.mark.parametrize(
    "path", ["../secret", "a/../../secret", "/etc/passwd", "link", "linked/secret", "", "fifo", "."]
)
def test_nothing_outside_the_root_and_nothing_irregular_is_served(tmp_path: Path, path: str) -> None:
    write(tmp_path / "secret")
    root = tmp_path / "root"
    write(root / "a/b")
    os.symlink(tmp_path / "secret", root / "link")
    os.symlink(tmp_path, root / "linked")
    os.mkfifo(root / "fifo")
    files = LocalFiles({"base": [str(root)]})
    for _ in range(2):
        assert files.digest(path) is None
        with pytest.raises(FileNotFoundError):
            files.local(path)
        assert files.list() == ("a/b",)


def test_links_inside_the_root_are_followed_without_end(tmp_path: Path) -> None:
    write(tmp_path / "a/b", "text")
    os.symlink("b", tmp_path / "a/c")
    os.symlink(".", tmp_path / "a/self")
    os.symlink("../a", tmp_path / "a/loop")
    os.symlink("a", tmp_path / "d")
    files = LocalFiles({"base": [str(tmp_path)]})
    assert {"a/b", "a/c", "d/b", "d/c"} <= set(files.list())
    assert files.local("d/c").read_text() == "text"


def test_a_digest_follows_the_content(tmp_path: Path) -> None:
    file = write(tmp_path / "f", "old")
    files = LocalFiles({"base": [str(tmp_path)]})
    assert files.digest("f") == hashlib.sha256(b"old").hexdigest()
    file.write_text("newer")
    assert files.digest("f") == hashlib.sha256(b"newer").hexdigest()


def test_modes_are_those_of_the_tree(tmp_path: Path) -> None:
    write(tmp_path / "f").chmod(0o750)
    assert LocalFiles({"base": [str(tmp_path)]}).mode("f") == 0o750


def test_fetch_names_the_first_missing_file(tmp_path: Path) -> None:
    write(tmp_path / "f")
    files = LocalFiles({"base": [str(tmp_path)]})
    files.fetch(("f",))
    with pytest.raises(FileNotFoundError, match="'gone'"):
        files.fetch(("f", "gone", "gone2"))
