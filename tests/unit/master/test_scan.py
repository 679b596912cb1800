import os
from pathlib import Path

import pytest

from master.scan import merged, scan


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("CANARY")
    (tmp_path / "root" / "net").mkdir(parents=True)
    (tmp_path / "root" / "net" / "init.sls").write_text("x")
    return tmp_path / "root"


def paths(root: Path) -> list[str]:
    return sorted(scan(str(root)).files)


def skipped(root: Path) -> dict[str, str]:
    return dict(scan(str(root)).skipped)


def test_regular_files_are_found_with_mode_and_size(root: Path) -> None:
    (root / "run.sh").write_text("#!")
    (root / "run.sh").chmod(0o4755)
    found = scan(str(root)).files
    assert sorted(found) == ["net/init.sls", "run.sh"]
    assert (found["run.sh"].mode, found["run.sh"].stat.size) == (0o755, 2)


@pytest.mark.parametrize(
    "target", ["../secret", "{outside}/secret", "..", "/", "net/../../secret", "/etc", "/proc/self/environ"]
)
def test_a_link_that_leaves_the_root_is_not_followed(root: Path, target: str) -> None:
    (root / "link").symlink_to(target.format(outside=root.parent))
    assert paths(root) == ["net/init.sls"]
    assert skipped(root) == {"link": "a link that leaves the root"}


def test_a_link_to_a_sibling_whose_name_begins_like_the_root_leaves_it(root: Path) -> None:
    sibling = root.parent / "root2"
    sibling.mkdir()
    (sibling / "x").write_text("CANARY")
    (root / "link").symlink_to(sibling)
    (root / "link2").symlink_to(sibling / "x")
    assert paths(root) == ["net/init.sls"]


def test_links_inside_the_root_are_followed(root: Path) -> None:
    (root / "alias.sls").symlink_to("net/init.sls")
    (root / "absolute.sls").symlink_to(root / "net" / "init.sls")
    (root / "folder").symlink_to("net")
    assert paths(root) == ["absolute.sls", "alias.sls", "folder/init.sls", "net/init.sls"]


def test_loops_and_dangling_links_are_told_and_end(root: Path) -> None:
    (root / "net" / "up").symlink_to("..")
    (root / "net" / "here").symlink_to(".")
    (root / "self").symlink_to("self")
    (root / "gone").symlink_to("nowhere")
    assert paths(root) == ["net/init.sls"]
    assert set(skipped(root)) == {"net/here", "self", "gone", "net/up"}


def test_the_root_itself_may_be_a_link(root: Path) -> None:
    (root.parent / "srv").symlink_to(root)
    assert paths(root.parent / "srv") == ["net/init.sls"]


def test_what_is_no_regular_file_is_not_opened(root: Path) -> None:
    os.mkfifo(root / "fifo")
    (root / "link").symlink_to("fifo")
    assert paths(root) == ["net/init.sls"]
    assert skipped(root) == {"fifo": "not a regular file", "link": "not a regular file"}


@pytest.mark.parametrize("name", [b"a\nb", b"a\x1b[2J", b"a\\b", b"\xff\xfe"])
def test_a_name_that_would_not_be_safe_everywhere_is_skipped(root: Path, name: bytes) -> None:
    with open(os.fsencode(root) + b"/" + name, "w"):
        pass
    assert paths(root) == ["net/init.sls"]
    assert "a name that is not allowed" in next(iter(skipped(root).values()))


def test_the_history_of_a_repository_is_not_published(root: Path) -> None:
    (root / ".git").mkdir()
    (root / ".git" / "config").write_text("token=CANARY")
    (root / "link").symlink_to(".git/config")
    assert paths(root) == ["net/init.sls"]


def test_the_first_root_that_has_a_path_wins(root: Path) -> None:
    other = root.parent / "other"
    (other / "net").mkdir(parents=True)
    (other / "net" / "init.sls").write_text("longer")
    (other / "more.sls").write_text("")
    found = merged([str(root), str(other)]).files
    assert (found["net/init.sls"].stat.size, sorted(found)) == (1, ["more.sls", "net/init.sls"])
    assert merged([str(other), str(root)]).files["net/init.sls"].stat.size == 6


def test_a_root_that_does_not_exist_is_told_and_empty(tmp_path: Path) -> None:
    assert paths(tmp_path / "none") == []
    assert list(skipped(tmp_path / "none")) == [str(tmp_path / "none")]


def test_a_path_that_is_a_file_in_one_root_and_a_folder_in_another_keeps_the_folder(root: Path) -> None:
    other = root.parent / "other"
    other.mkdir()
    (other / "net").write_text("a file")
    result = merged([str(other), str(root)])
    assert list(result.files) == ["net/init.sls"]
    assert dict(result.skipped)["net"]
