"""Archives as states: when they are unpacked, and that a second run has nothing to do."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from saltern.context import Context
from saltern.converge.compare import changes
from saltern.errors import SalternError
from saltern.marks import permit_acting
from states import archive
from states._archive_tree import Paths, strip_of
from tests.plans import context, converge

ALL = "+ app-1/\n+ app-1/etc/\n+ app-1/etc/conf\n+ app-1/run\n"


def packed(path: Path, run: str = "one\n") -> str:
    """A tar file PATH with two files below `app-1/`; its SHA-256."""
    with tarfile.open(path, "w:gz") as tar:
        for name, text in (("app-1/run", run), ("app-1/etc/conf", "two\n")):
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    made = context(tmp_path)
    packed(tmp_path / "tree/app.tgz")
    return made


def apply(ctx: Context, dest: Path, **arguments: Any) -> Any:
    """The changes of a run, after which nothing is left to do."""
    plan = converge(archive.extracted, ctx, str(dest), **{"source": "salt://app.tgz", **arguments})
    return changes(str(dest), plan.current, plan.wish, plan.wish)


def refused(ctx: Context, dest: Path, message: str, **arguments: Any) -> None:
    """The run fails with MESSAGE before it has steps."""
    with pytest.raises(SalternError, match=message):
        archive.extracted(ctx, str(dest), **{"source": "salt://app.tgz", **arguments})


def test_the_paths_that_would_come_are_shown_up_to_the_limit(ctx: Context, tmp_path: Path) -> None:
    plan = archive.extracted(ctx, str(tmp_path / "opt"), source="salt://app.tgz", trim_output=1)
    assert plan.current.paths.diff(plan.wish.paths) == "+ app-1/\n... 3 more\n"
    assert [step.sentence.rpartition(": ")[2] for step in plan.steps] == ["4 paths, of which 4 are missing"]
    assert not (tmp_path / "opt").exists()


def test_a_second_run_reads_no_archive(ctx: Context, tmp_path: Path) -> None:
    source = tmp_path / "app.tgz"
    assert "there is no file" in str(archive.extracted(ctx, str(tmp_path / "opt"), source=str(source)).unknown)
    packed(source)
    apply(ctx, tmp_path / "opt", source=str(source))
    status = source.stat()
    source.write_bytes(b"x" * status.st_size)
    os.utime(source, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert apply(ctx, tmp_path / "opt", source=str(source)) == {}
    source.write_bytes(b"xy")
    refused(ctx, tmp_path / "opt", "no archive that is known here", source=str(source))


def test_a_file_of_the_node_is_what_its_checksum_says(ctx: Context, tmp_path: Path) -> None:
    source = tmp_path / "app.tgz"
    digest = packed(source)
    here = {"source": str(source), "source_hash": f"sha256={digest}"}
    assert apply(ctx, tmp_path / "opt", **here) == {"diff": ALL}
    assert apply(ctx, tmp_path / "opt", **here) == {}
    packed(source, "other\n")
    refused(ctx, tmp_path / "opt", "is not what was meant", **here)
    assert apply(ctx, tmp_path / "opt", **here, skip_verify=True) == {}
    refused(ctx, tmp_path / "opt", "not a checksum", **{**here, "source_hash": "sha256=12"})


def test_a_note_that_is_lost_or_damaged_is_made_anew(ctx: Context, tmp_path: Path) -> None:
    apply(ctx, tmp_path / "opt")
    (note,) = (tmp_path / "root/var/cache/saltern/archives").glob("*.survey")
    for damage in ("{", '["x"]', note.read_text().replace('"dir"', '"?"')):
        note.write_text(damage)
        assert apply(ctx, tmp_path / "opt") == {}
        assert "app-1/run" in note.read_text()
    assert note.stat().st_mode & 0o777 == 0o600


def test_overwrite_makes_files_hold_what_the_archive_does(ctx: Context, tmp_path: Path) -> None:
    run = tmp_path / "opt/app-1/run"
    apply(ctx, tmp_path / "opt")
    run.write_text("ONE\n")
    assert apply(ctx, tmp_path / "opt") == {}
    assert apply(ctx, tmp_path / "opt", overwrite=True) == {"diff": "~ app-1/run holds something else\n"}
    assert run.read_text() == "one\n"


@pytest.mark.parametrize("listed", [True, False])
def test_another_archive_comes_where_that_was_asked_for(ctx: Context, tmp_path: Path, listed: bool) -> None:
    dest = tmp_path / "opt"
    update: dict[str, Any] = {"source_hash_update": True} if listed else {"skip_files_list_verify": True}
    apply(ctx, dest, **update)
    digest = packed(tmp_path / "tree/app.tgz", "new\n")
    assert apply(ctx, dest) == {}
    assert apply(ctx, dest, **update)["source"]["new"] == f"sha256:{digest}"
    assert (dest / "app-1/run").read_text() == "new\n"
    (dest / "app-1/run").unlink()
    assert bool(apply(ctx, dest, **update)) is listed


def test_if_missing_is_what_tells_whether_to_unpack(ctx: Context, tmp_path: Path) -> None:
    dest, flag = tmp_path / "opt", str(tmp_path / "opt/app-1/run")
    assert apply(ctx, dest, if_missing=flag) == {"diff": ALL, "if_missing": {"old": None, "new": flag}}
    (dest / "app-1/etc/conf").unlink()
    assert apply(ctx, dest, if_missing=flag) == {}
    assert archive.extracted(ctx, str(dest), source="salt://none", if_missing=flag).comment == f"{flag} exists"
    plan = archive.extracted(ctx, str(dest), source="salt://app.tgz", if_missing=str(dest / "never"))
    with permit_acting():
        plan.steps[0].do()
    assert archive.extracted(ctx, str(dest), source="salt://app.tgz", if_missing=str(dest / "never")).steps


def test_an_archive_without_one_folder_at_its_top_is_refused_unless_allowed(ctx: Context, tmp_path: Path) -> None:
    stripped = "--strip-components 1 -xvzf"
    refused(ctx, tmp_path / "opt", "not one folder at its top, but etc, run", options=stripped)
    apply(ctx, tmp_path / "opt", options=stripped, enforce_toplevel=False)
    assert sorted(os.listdir(tmp_path / "opt")) == ["etc", "run"]


def test_what_is_in_the_way_stays_unless_told_otherwise(ctx: Context, tmp_path: Path) -> None:
    dest = tmp_path / "opt"
    (dest / "app-1/run").mkdir(parents=True)
    (dest / "app-1/own").touch()
    refused(ctx, dest, "run is there and is a directory; `force: True`")
    assert apply(ctx, dest, force=True)["diff"].endswith("~ app-1/run is a directory\n")
    assert sorted(os.listdir(dest / "app-1")) == ["etc", "own", "run"]
    (dest / "app-1/run").unlink()
    (dest / "beside").touch()
    apply(ctx, dest, clean=True)
    assert (sorted(os.listdir(dest / "app-1")), sorted(os.listdir(dest))) == (["etc", "run"], ["app-1", "beside"])
    (dest / "app-1/run").unlink()
    apply(ctx, dest, clean_parent=True)
    assert os.listdir(dest) == ["app-1"]


def test_a_copy_from_the_tree_is_never_deleted(ctx: Context, tmp_path: Path) -> None:
    apply(ctx, tmp_path / "opt", keep_source=False)
    apply(ctx, tmp_path / "other", keep=False)
    assert (tmp_path / "tree/app.tgz").exists()


def test_options_of_tar_that_are_not_known_are_refused() -> None:
    assert [strip_of(text) for text in (None, "", "v", "--strip=2", "--strip-components 3 -z")] == [0, 0, 0, 2, 3]
    for text in ("--to-command=rm", "--strip-components=x", "-C /etc", "'", "--strip-components=-1"):
        with pytest.raises(SalternError, match="options"):
            strip_of(text)


def test_paths_differ_by_what_is_wrong_with_them() -> None:
    assert Paths({"a": "", "b": ""}) != Paths({"a": "", "b": "is a directory"})
    assert repr(Paths({"a": "", "b": "is a directory"})) == "<1 paths>"
