import os
from pathlib import Path

import pytest

from saltern.wire import private


@pytest.fixture(autouse=True)
def _open_umask() -> object:
    before = os.umask(0)
    yield
    os.umask(before)


def test_folders_and_files_are_closed_to_others_under_any_umask(tmp_path: Path) -> None:
    folder = private.make_folder(tmp_path / "a" / "b")
    handle, path = private.new_file(folder)
    os.close(handle)
    private.write_file(folder / "named", b"x")
    for made in (folder, folder.parent, path, folder / "named"):
        assert made.stat().st_mode & 0o077 == 0


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(private.NotPrivate, match="mode 0700"):
        private.make_folder(tmp_path / "open")


def test_a_link_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(private.NotPrivate):
        private.make_folder(tmp_path / "link")


def test_a_planted_link_in_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("keep")
    (tmp_path / "file").symlink_to(victim)
    private.write_file(tmp_path / "file", b"secret")
    assert victim.read_text() == "keep"
    assert not (tmp_path / "file").is_symlink()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    private.write_file(tmp_path / "file", b"old")
    with pytest.raises(TypeError):
        private.write_file(tmp_path / "file", "no bytes")  # type: ignore[arg-type]
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]
