"""Putting a whole file in a place: what it becomes there, and what is left."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from modules._file import safe
from saltern.marks import permit_acting

SHM = Path("/dev/shm")  # a file system of its own


@pytest.fixture
def source(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    made.write_text("new\n")
    made.chmod(0o600)
    return made


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    if not SHM.is_mount():
        pytest.fail(f"{SHM} is no file system of its own here")
    with TemporaryDirectory(dir=SHM) as folder:
        yield Path(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_moved_into_its_place_as_a_copy_would_be_made_there(source: Path, tmp_path: Path) -> None:
    inode, target = source.stat().st_ino, tmp_path / "target"
    with permit_acting():
        safe.move(str(target), str(source))
    assert (target.read_text(), mode(target), target.stat().st_ino) == ("new\n", 0o644, inode)
    assert os.listdir(tmp_path) == ["target"]


def test_the_mode_of_the_file_that_is_replaced_stays(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("old\n")
    target.chmod(0o750)
    with permit_acting():
        safe.move(str(target), str(source))
    assert (target.read_text(), mode(target)) == ("new\n", 0o750)
    assert os.listdir(tmp_path) == ["target"]


def test_it_is_copied_where_the_folder_gives_new_files_their_group(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o2775)
    inode = source.stat().st_ino
    with permit_acting():
        safe.move(str(folder / "target"), str(source))
    assert (folder / "target").read_text() == "new\n"
    assert (folder / "target").stat().st_ino != inode
    assert not source.exists()


def test_it_is_copied_to_another_file_system(source: Path, elsewhere: Path) -> None:
    with permit_acting():
        safe.move(str(elsewhere / "target"), str(source))
    assert (elsewhere / "target").read_text() == "new\n"
    assert os.listdir(elsewhere) == ["target"]
    assert not source.exists()


def test_a_folder_in_its_place_is_refused_and_the_file_is_where_it_was(source: Path, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    with permit_acting(), pytest.raises(safe.UnsafePath, match="is a directory, not a file"):
        safe.move(str(tmp_path / "target"), str(source))
    assert source.read_text() == "new\n"
