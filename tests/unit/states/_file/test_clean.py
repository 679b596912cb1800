"""`clean: True` deletes what nobody has in a folder, says what, and touches nothing else."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules import file as module
from modules._file.safe import UnsafePath
from saltern.context import Context
from saltern.converge.plan import call
from saltern.errors import SourceError
from saltern.marks import permit_acting
from states import file
from states._file.clean import Going, Surplus, steps, surplus
from states._file.kept import defaults_of
from tests.plans import context, converge
from tests.unit.states.sls_run import apply

CLEAN = "d:\n  file.directory:\n    - name: @/d\n    - clean: True\n"


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return context(tmp_path)


def tree(folder: Path, *names: str) -> None:
    """Files of these NAMES in FOLDER; a name that ends with a slash is a folder."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        else:
            (folder / name).write_text(name)


def found(folder: Path) -> list[str]:
    """All that is below FOLDER."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_all_that_nobody_has_is_deleted_and_told(ctx: Context, tmp_path: Path) -> None:
    tree(tmp_path / "d", "a", "old/x/1", "old/2", "empty/")
    plan = converge(file.directory, ctx, str(tmp_path / "d"), clean=True)
    assert [step.sentence for step in plan.steps] == [
        f"delete {tmp_path}/d/a",
        f"delete {tmp_path}/d/empty",
        f"delete {tmp_path}/d/old with the 3 entries in it",
    ]
    assert plan.current.surplus == ("a", "empty", "old with the 3 entries in it")
    assert found(tmp_path / "d") == []


def test_a_preview_tells_what_goes_and_deletes_nothing(tmp_path: Path) -> None:
    tree(tmp_path / "d", "a", "b")
    verdict = apply(tmp_path, CLEAN, test=True)["d"]
    assert verdict.changes == {"surplus": {"old": ["a", "b"], "new": []}}
    assert verdict.comment == f"Would be done:\n- delete {tmp_path}/d/a\n- delete {tmp_path}/d/b"
    assert found(tmp_path / "d") == ["a", "b"]
    done = apply(tmp_path, CLEAN)["d"]
    assert (done.result, done.changes) == (True, verdict.changes)
    assert not apply(tmp_path, CLEAN)["d"].changed


def test_a_folder_that_is_only_made_has_nothing_to_be_cleaned(ctx: Context, tmp_path: Path) -> None:
    assert len(converge(file.directory, ctx, str(tmp_path / "d"), clean=True).steps) == 1


def test_many_entries_of_a_folder_share_a_line_and_a_step(ctx: Context, tmp_path: Path) -> None:
    tree(tmp_path / "d", *(f"cache/{number:03}" for number in range(40)), "keep.bak", "cache/keep.bak", "a")
    plan = converge(file.directory, ctx, str(tmp_path / "d"), clean=True, exclude_pat="*.bak")
    assert plan.current.surplus == ("a", "40 entries of cache: 000, 001, 002 and 37 more")
    assert [step.sentence for step in plan.steps][1:] == [
        f"delete 40 entries of {tmp_path}/d/cache: 000, 001, 002 and 37 more"
    ]
    assert found(tmp_path / "d") == ["cache", "cache/keep.bak", "keep.bak"]


@pytest.mark.parametrize("pattern", ["*.bak", [r"E@\.bak$"], ["no", "old/deep/*"]])
def test_what_is_excluded_stays_with_the_folders_above_it(ctx: Context, tmp_path: Path, pattern: Any) -> None:
    tree(tmp_path / "d", "old/deep/x.bak", "old/y", "z")
    converge(file.directory, ctx, str(tmp_path / "d"), clean=True, exclude_pat=pattern)
    assert found(tmp_path / "d") == ["old", "old/deep", "old/deep/x.bak"]


def test_a_link_is_deleted_and_what_it_points_to_stays(ctx: Context, tmp_path: Path) -> None:
    tree(tmp_path, "outside/f", "d/")
    (tmp_path / "d/folder").symlink_to(tmp_path / "outside")
    (tmp_path / "d/dangling").symlink_to("nowhere")
    converge(file.directory, ctx, str(tmp_path / "d"), clean=True)
    assert (found(tmp_path / "d"), found(tmp_path / "outside")) == ([], ["f"])


def test_a_folder_behind_a_link_is_cleaned_by_its_links_name(ctx: Context, tmp_path: Path) -> None:
    tree(tmp_path, "real/f")
    (tmp_path / "d").symlink_to("real")
    converge(file.directory, ctx, str(tmp_path / "d"), clean=True, allow_symlink=True)
    assert (tmp_path / "d").is_symlink()
    assert found(tmp_path / "real") == []


def test_a_name_that_does_not_print_is_escaped_and_deleted(ctx: Context, tmp_path: Path) -> None:
    tree(tmp_path, "d/line\nfeed")
    with open(os.fsencode(tmp_path / "d") + b"/\xff", "wb"):
        pass
    plan = converge(file.directory, ctx, str(tmp_path / "d"), clean=True)
    assert plan.current.surplus == (r"'line\nfeed'", r"'\udcff'")
    assert all(step.sentence.isprintable() for step in plan.steps)


def test_attributes_below_are_set_of_what_stays_alone(ctx: Context, tmp_path: Path) -> None:
    tree(tmp_path / "d", "a", "old/b", "c.bak")
    plan = converge(
        file.directory, ctx, str(tmp_path / "d"), mode="0700", recurse=["mode"], clean=True, exclude_pat="*.bak"
    )
    assert plan.current.differing == {"c.bak": "mode 0644 instead of 0700"}


@pytest.mark.parametrize(
    "other",
    [
        "file.managed: [name: @/d/sub/f, replace: False]",
        "file.managed: [name: '@/d//sub/./f', replace: False]",
        "file.managed: [name: @/link/sub/f, replace: False]",
        "file.touch: [name: @/d/sub/f]",
        "file.copy: [name: @/copy, source: @/d/sub/f]",
        "file.directory: [name: @/d/sub]",
        "file.symlink: [name: @/to, target: @/d/sub/f]",
        "cmd.run: [name: 'true', cwd: @/d/sub]",
        "cmd.run: [name: 'true', creates: @/d/sub/f]",
        "file.managed: [name: @/e, source: [{@/d/sub/f: ''}, @/d/sub/f]]",
        "file.recurse: [name: @/d, source: 'salt://tree']",
        "file.recurse: [name: @, source: 'salt://above']",
        "file.recurse: [name: @/d/sub, source: 'salt://other']",
    ],
)
@pytest.mark.parametrize("test", [True, False])
def test_what_another_state_has_there_is_kept_without_a_requisite(tmp_path: Path, other: str, test: bool) -> None:
    tree(tmp_path / "d", "sub/f", "gone")
    (tmp_path / "link").symlink_to("d")
    files = {"tree/sub/f": "", "above/d/sub/f": "", "other/g": ""}
    verdict = apply(tmp_path, f"{CLEAN}o:\n  {other}\n", tree=files, test=test)["d"]
    assert verdict.changes == {"surplus": {"old": ["gone"], "new": []}}
    assert (tmp_path / "d/sub/f").exists()
    assert (tmp_path / "d/gone").exists() is test


@pytest.mark.parametrize(
    "other",
    [
        "file.managed: [name: @/e, contents: [@/d/sub/f]]",
        "file.managed: [name: @/d/subway]",
        "file.managed: [name: @/dd/sub/f, makedirs: True]",
        "file.recurse: [name: @/d, source: 'salt://tree', exclude_pat: 'sub/*']",
    ],
)
def test_what_no_other_state_has_there_goes(tmp_path: Path, other: str) -> None:
    tree(tmp_path / "d", "sub/f")
    verdict = apply(tmp_path, f"{CLEAN}o:\n  {other}\n", tree={"tree/sub/f": "", "tree/g": ""})["d"]
    assert verdict.changes == {"surplus": {"old": ["sub with the 1 entry in it"], "new": []}}


def test_a_folder_is_kept_for_a_file_that_a_later_state_makes_behind_a_link_in_it(tmp_path: Path) -> None:
    tree(tmp_path, "outside/", "d/")
    (tmp_path / "d/link").symlink_to(tmp_path / "outside")
    assert not apply(tmp_path, CLEAN + "f:\n  file.managed:\n    - name: @/d/link/f\n")["d"].changed


def test_what_a_state_names_by_default_counts() -> None:
    assert defaults_of("sysctl", "present")["config"] == "/etc/sysctl.d/90-saltern.conf"
    assert defaults_of("sysctl", "no_such") == {}


def test_a_default_is_kept_unless_the_state_says_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree(tmp_path / "d", "default", "given")
    monkeypatch.setattr("states._file.kept.defaults_of", lambda module, fun: {"source": str(tmp_path / "d/default")})
    other = "o:\n  file.managed:\n    - name: @/e\n"
    assert apply(tmp_path, CLEAN + other, test=True)["d"].changes["surplus"]["old"] == ["given"]
    other += "    - source: @/d/given\n"
    assert apply(tmp_path, CLEAN + other, test=True)["d"].changes["surplus"]["old"] == ["default"]


def test_what_saltern_keeps_below_etc_stays_and_nowhere_else(ctx: Context, tmp_path: Path) -> None:
    names = ("10-saltern-br0.network", "saltern-br0", "10-saltern.d/x", "mine", "10-saltern")
    for folder in (tmp_path / "root/etc/systemd/network", tmp_path / "d"):
        tree(folder, *names)
        converge(file.directory, ctx, str(folder), clean=True)
    kept = ["10-saltern-br0.network", "10-saltern.d", "10-saltern.d/x", "saltern-br0"]
    assert found(tmp_path / "root/etc/systemd/network") == kept
    assert found(tmp_path / "d") == []


def test_what_absent_names_is_not_kept(tmp_path: Path) -> None:
    tree(tmp_path / "d", "f")
    assert apply(tmp_path, CLEAN + "f:\n  file.absent:\n    - name: @/d/f\n", test=True)["d"].changed


RECURSE = "d:\n  file.recurse:\n    - name: @/d\n    - source: salt://tree\n    - clean: True\n"


def test_recurse_keeps_what_other_states_have_there(tmp_path: Path) -> None:
    tree(tmp_path / "d", "sub/f", "gone", "sub/gone")
    (tmp_path / "d/sub/link").symlink_to("/")
    sls = RECURSE + "f:\n  file.managed:\n    - name: @/d/sub/f\n"
    preview = apply(tmp_path, sls, tree={"tree/sub/g": "g"}, test=True)["d"]
    assert preview.changes["surplus"] == {"old": ["gone", "sub/gone", "sub/link"], "new": []}
    assert all(one.result for one in apply(tmp_path, sls, tree={"tree/sub/g": "g"}).values())
    assert found(tmp_path / "d") == ["sub", "sub/f", "sub/g"]


@pytest.mark.parametrize(
    ("sls", "message"),
    [
        (CLEAN.replace("@/d", "/"), r"a.sls:4:\d+: '/' is not cleaned"),
        (CLEAN + "    - max_depth: 2\n", r"a.sls:5:\d+: `clean` looks at all .* does not go with `max_depth`"),
    ],
)
def test_a_clean_that_can_not_be_is_refused_before_the_run(tmp_path: Path, sls: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        apply(tmp_path, sls, test=True)


def test_a_source_that_is_not_there_deletes_nothing(tmp_path: Path) -> None:
    tree(tmp_path / "d", "f")
    other = "o:\n  file.recurse:\n    - name: @/d\n    - source: salt://treee\n"
    verdict = apply(tmp_path, CLEAN + other, tree={"tree/f": ""})["d"]
    assert verdict.result is False
    assert re.search(r"no folder salt://treee .*'tree'", verdict.comment)
    assert found(tmp_path / "d") == ["f"]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "../d/f"])
def test_only_names_of_entries_are_deleted(tmp_path: Path, name: str) -> None:
    tree(tmp_path, "d/f", "d/a/b")
    with permit_acting(), pytest.raises(UnsafePath):
        module.remove_entries(str(tmp_path / "d"), ["f", name])
    assert found(tmp_path / "d") == ["a", "a/b", "f"]


def test_another_file_system_is_left_alone_and_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tree(tmp_path / "d", "old/data/f", "old/x", "a")
    (tmp_path / "mounts").write_text(f"1 2 0:3 / {tmp_path}/d/old/data rw - tmpfs tmpfs rw\n")
    monkeypatch.setattr("modules._file.remove.MOUNTS", str(tmp_path / "mounts"))
    said = f"left alone, as a mount point or another file system: {tmp_path}/d/old/data"
    done = apply(tmp_path, CLEAN)["d"]
    assert done.comment == f"Done:\n- delete {tmp_path}/d/a; {said}\n- delete {tmp_path}/d/old/x"
    assert apply(tmp_path, CLEAN)["d"].comment == f"{tmp_path}/d is as declared; {said}"
    assert found(tmp_path / "d") == ["old", "old/data", "old/data/f"]


def test_one_entry_is_removed_as_a_file_and_many_as_entries_of_a_folder() -> None:
    many = Surplus(tuple(Going(f"c/{number:02}") for number in range(21)))
    names = tuple(f"{number:02}" for number in range(21))
    assert [step.do for step in steps("/d", many)] == [call(module.remove_entries, "/d/c", names)]
    assert [step.do for step in steps("/d", Surplus((Going("c/1"),)))] == [call(module.remove, "/d/c/1")]
    top = Surplus(tuple(Going(f"{number:02}", 2) for number in range(21)))
    (step,) = steps("/d", top)
    assert step.sentence == "delete 21 entries of /d: 00, 01, 02 and 18 more with the 42 entries in them"


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map("/".join)


@settings(max_examples=60, deadline=None)
@given(st.sets(NAMES, max_size=12), st.sets(NAMES, max_size=4))
def test_exactly_what_is_not_kept_goes(
    tmp_path_factory: pytest.TempPathFactory, files: set[str], kept: set[str]
) -> None:
    root = tmp_path_factory.mktemp("d")
    for name in sorted(files):
        if not any(name.startswith(f"{other}/") or other.startswith(f"{name}/") for other in files):
            tree(root, name)
    before = found(root)
    gone = {one.path for one in surplus(str(root), kept).going}
    stays = [
        path
        for path in before
        if any(path == one or path.startswith(f"{one}/") or one.startswith(f"{path}/") for one in kept)
        or any(other.startswith(f"{path}/") and other in kept for other in before)
    ]
    with permit_acting():
        for step in steps(str(root), surplus(str(root), kept)):
            step.do()
    assert found(root) == stays
    assert not gone.intersection(stays)
