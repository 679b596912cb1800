"""What the other states of files do to real files, and what they leave alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from modules import file as module
from modules._file.remove import MOUNTS, mount_below, mount_points
from modules._file.safe import UnsafePath
from saltern.context import Context
from saltern.converge.plan import UNSET, Unset, call
from saltern.errors import SalternError
from states import file
from states._file.directory import Directory, steps
from tests.plans import context, converge


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return context(tmp_path)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize(
    ("current", "wish", "expected"),
    [
        (None, Directory(), [call(module.mkdir, "/srv/x")]),
        (None, Directory("root", mode="0750"), [call(module.mkdir, "/srv/x", user="root", mode="0750")]),
        (Directory(mode="0700"), Directory(mode="0755"), [call(module.set_attributes, "/srv/x", mode="0755")]),
        (
            Directory(mode="0755", differing={"a": "mode 0600 instead of 0755"}),
            Directory(mode="0755", differing={}),
            [call(module.set_tree, "/srv/x", (("a", {"mode": "0755"}),))],
        ),
        (Directory("root"), Directory("root"), []),
    ],
)
def test_a_directorys_differences_have_their_steps(
    current: Directory | None, wish: Directory, expected: list[Any]
) -> None:
    differing = current.differing if current else UNSET
    changes = () if isinstance(differing, Unset) else tuple((path, {"mode": "0755"}) for path in differing)
    assert [step.do for step in steps("/srv/x", current, wish, changes)] == expected


def test_a_directory_is_made_once_with_those_above(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "a/b/c"
    assert "no directory" in str(file.directory(ctx, str(path)).unknown)
    converge(file.directory, ctx, str(path), mode="0750", makedirs=True)
    assert (mode(path), mode(path.parent)) == (0o750, 0o750)
    path.chmod(0o700)
    converge(file.directory, ctx, str(path) + "/", mode=750)
    assert mode(path) == 0o750


def test_recursion_mends_what_differs_and_follows_no_link(ctx: Context, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("")
    outside.chmod(0o600)
    path = tmp_path / "d"
    (path / "sub/deep").mkdir(parents=True)
    (path / "sub/f").write_text("")
    (path / "sub/f").chmod(0o600)
    (path / "link").symlink_to(outside)
    plan = converge(file.directory, ctx, str(path), mode="0755", file_mode="0640", recurse=["mode"])
    assert plan.current.differing == {"sub/f": "mode 0600 instead of 0640"}
    assert (mode(path / "sub/f"), mode(path / "sub"), mode(outside)) == (0o640, 0o755, 0o600)
    (path / "sub/deep").chmod(0o700)
    assert not converge(
        file.directory, ctx, str(path), mode="0755", file_mode="0640", recurse=["mode"], max_depth=1
    ).steps
    assert not converge(
        file.directory, ctx, str(path), mode="0755", file_mode="0640", recurse=["mode", "ignore_dirs"]
    ).steps


@pytest.mark.parametrize(
    ("recurse", "message"), [(["mod"], "'mod' is not one of"), (["user"], "there is no `user:` to set")]
)
def test_recursion_of_what_is_not_there_is_refused(
    ctx: Context, tmp_path: Path, recurse: list[str], message: str
) -> None:
    with pytest.raises(SalternError, match=message):
        file.directory(ctx, str(tmp_path), recurse=recurse)


def test_what_is_in_the_way_of_a_directory_goes_only_by_force(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    (tmp_path / "l").symlink_to(tmp_path / "tree")
    for name in ("f", "l"):
        with pytest.raises(SalternError, match="`force: True` replaces it"):
            file.directory(ctx, str(tmp_path / name))
    converge(file.directory, ctx, str(tmp_path / "l"), allow_symlink=True)
    assert (tmp_path / "l").is_symlink()
    converge(file.directory, ctx, str(tmp_path / "f"), force=True)
    converge(file.directory, ctx, str(tmp_path / "l"), force=True)
    assert not (tmp_path / "l").is_symlink()


def test_absent_deletes_all_below_and_nothing_behind_a_link(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/f").write_text("")
    path = tmp_path / "d"
    (path / "a/b").mkdir(parents=True)
    (path / "a/b/f").write_text("")
    (path / "a/link").symlink_to(tmp_path / "kept")
    os.mkfifo(path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    converge(file.absent, ctx, str(path))
    converge(file.absent, ctx, str(tmp_path / "link"))
    assert not path.exists()
    assert (tmp_path / "kept/f").exists()
    assert not converge(file.absent, ctx, str(tmp_path / "never/there")).steps


def test_a_folder_deeper_than_any_path_is_deleted(ctx: Context, tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for name in ["top", *["d" * 200] * 60]:
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    converge(file.absent, ctx, str(tmp_path / "top"))


@pytest.mark.parametrize("path", ["/", "//", "/.", "/etc/..", "relative"])
def test_the_root_and_what_may_be_it_is_never_deleted(ctx: Context, path: str) -> None:
    with pytest.raises(UnsafePath):
        file.absent(ctx, path)


def test_what_holds_a_mount_point_is_not_deleted(ctx: Context) -> None:
    with open(MOUNTS) as opened:
        points = mount_points(opened.read())
    assert "/proc" in points
    with pytest.raises(UnsafePath, match="/proc is a mount point"):
        file.absent(ctx, "/proc")
    assert mount_below("/a", ["/ab", "/a/b c"]) == "/a/b c"
    assert mount_below("/a", ["/ab", "/"]) is None


def test_mount_points_are_read_with_their_escapes() -> None:
    assert mount_points("1 2 0:3 / /mnt/a\\040b rw - ext4 x rw\nshort\n") == ("/mnt/a b",)


def test_a_link_is_made_and_moved_at_once(ctx: Context, tmp_path: Path) -> None:
    link = tmp_path / "link"
    converge(file.symlink, ctx, str(link), target="a")
    converge(file.symlink, ctx, str(link), target="/nix/nix")
    assert os.readlink(link) == "/nix/nix"
    assert not converge(file.symlink, ctx, str(link), target="/nix/nix").steps
    assert sorted(os.listdir(tmp_path)) == ["link", "tree"]


def test_what_is_in_the_way_of_a_link_goes_only_by_force(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "d/e").mkdir(parents=True)
    with pytest.raises(SalternError, match="is a directory; `force: True`"):
        file.symlink(ctx, str(tmp_path / "d"), target="x")
    converge(file.symlink, ctx, str(tmp_path / "d"), target="x", force=True)
    converge(file.symlink, ctx, str(tmp_path / "n/l"), target="x", makedirs=True)


def test_text_is_appended_where_it_lacks(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("a  b\nc")
    path.chmod(0o600)
    converge(file.append, ctx, str(path), text=["a b", "d\ne"])
    assert path.read_text() == "a  b\nc\nd\ne\n"
    assert mode(path) == 0o600
    converge(file.append, ctx, str(path), text="a b", ignore_whitespace=False)
    assert path.read_text() == "a  b\nc\nd\ne\na b\n"
    converge(file.prepend, ctx, str(path), text=["x", "y"])
    assert path.read_text().startswith("x\ny\na  b\n")
    converge(file.append, ctx, str(tmp_path / "new/f"), text="a", makedirs=True)
    (tmp_path / "tree/part").write_text("from the tree\n")
    converge(file.append, ctx, str(tmp_path / "new/f"), source="salt://part")
    assert (tmp_path / "new/f").read_text() == "a\nfrom the tree\n"


def test_bytes_that_are_no_text_survive_an_edit(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"caf\xe9\na=1\n")
    converge(file.replace, ctx, str(path), pattern="^a=.*", repl="a=2")
    assert path.read_bytes() == b"caf\xe9\na=2\n"


def test_a_value_is_replaced_and_the_rest_is_left(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("# PORT=1\nPORT=1\nPORT=2\n")
    plan = converge(file.replace, ctx, str(path), pattern=r"^PORT=.*$", repl="PORT=8080")
    assert path.read_text() == "# PORT=1\nPORT=8080\nPORT=8080\n"
    assert "+PORT=8080" in plan.current.contents.diff(plan.wish.contents)
    converge(file.replace, ctx, str(path), pattern="^HOST=.*", repl="HOST=a", append_if_not_found=True)
    converge(
        file.replace,
        ctx,
        str(path),
        pattern="^USER=(.*)",
        repl=r"USER=\1",
        prepend_if_not_found=True,
        not_found_content="USER=b",
    )
    assert path.read_text() == "USER=b\n# PORT=1\nPORT=8080\nPORT=8080\nHOST=a\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pattern": "a", "repl": "aa"}, "matches its own replacement"),
        ({"pattern": "b", "repl": "x", "count": 1}, "matches its own replacement"),
        ({"pattern": "(", "repl": "x"}, "not a pattern and replacement"),
        ({"pattern": "a", "repl": r"\9"}, "not a pattern and replacement"),
        ({"pattern": "a", "repl": "x", "flags": ["NIX"]}, "no flag 'NIX'"),
    ],
)
def test_a_replacement_that_can_not_settle_is_refused(
    ctx: Context, tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    (tmp_path / "f").write_text("a\nb\nb\n")
    with pytest.raises(SalternError, match=message):
        file.replace(ctx, str(tmp_path / "f"), **arguments)


def test_a_missing_file_is_replaced_in_only_if_that_is_fine(ctx: Context, tmp_path: Path) -> None:
    assert "no file" in str(file.replace(ctx, str(tmp_path / "f"), pattern="a", repl="b").unknown)
    converge(file.replace, ctx, str(tmp_path / "f"), pattern="a", repl="b", ignore_if_missing=True)


def tree(folder: Path, *names: str) -> None:
    """Files of these NAMES in FOLDER, each holding its own name."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name}\n")


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_folder_of_the_tree_is_brought_over_and_mended(ctx: Context, tmp_path: Path) -> None:
    tree(tmp_path / "tree", "web/a", "web/conf/b", "web/conf/deep/c", "other")
    path = tmp_path / "srv"
    arguments: dict[str, Any] = {"source": "salt://web", "dir_mode": "0750", "file_mode": "0640"}
    converge(file.recurse, ctx, str(path), **arguments)
    assert files(path) == ["a", "conf/b", "conf/deep/c"]
    assert (mode(path / "conf"), mode(path / "conf/b")) == (0o750, 0o640)
    (path / "a").write_text("mine\n")
    (path / "conf/b").chmod(0o600)
    (path / "extra").write_text("")
    plan = converge(file.recurse, ctx, str(path), **arguments)
    assert [step.sentence for step in plan.steps] == [f"write {path}/a", f"set mode 0640 of {path}/conf/b"]
    assert (path / "extra").exists()


def test_clean_deletes_what_the_tree_lacks_but_for_what_is_excluded(ctx: Context, tmp_path: Path) -> None:
    tree(tmp_path / "tree", "web/a", "web/conf/b", "web/conf/b.bak")
    path = tmp_path / "srv"
    tree(path, "extra", "old/f", "conf/keep.bak")
    converge(file.recurse, ctx, str(path), source="salt://web", clean=True, exclude_pat="*.bak")
    assert files(path) == ["a", "conf/b", "conf/keep.bak"]
    assert not (path / "old").exists()
    converge(file.recurse, ctx, str(path), source="salt://web", clean=True, include_pat=r"E@^a$")
    assert files(path) == ["a"]


def test_depth_and_the_modes_of_the_tree_are_kept(ctx: Context, tmp_path: Path) -> None:
    tree(tmp_path / "tree", "web/run", "web/conf/b")
    (tmp_path / "tree/web/run").chmod(0o755)
    converge(file.recurse, ctx, str(tmp_path / "srv"), source="salt://web", file_mode="keep", max_depth=0)
    assert files(tmp_path / "srv") == ["run"]
    assert mode(tmp_path / "srv/run") == 0o755


def test_a_folder_that_the_tree_lacks_is_named_with_a_near_one(ctx: Context, tmp_path: Path) -> None:
    tree(tmp_path / "tree", "webs/a")
    with pytest.raises(SalternError, match=r"no folder salt://web .*'webs'"):
        file.recurse(ctx, str(tmp_path / "srv"), source="salt://web")


def test_exists_and_missing_only_look(ctx: Context, tmp_path: Path) -> None:
    assert file.exists(ctx, str(tmp_path)).unknown is None
    assert file.exists(ctx, str(tmp_path / "x")).unknown
    assert file.missing(ctx, str(tmp_path / "x")).steps == ()
    with pytest.raises(SalternError, match="exists, and should not"):
        file.missing(ctx, str(tmp_path))
