"""`clean: True` beside real mounts and another user's folder, as root."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from saltern.context import Context
from states import file
from tests.plans import context, converge

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

NOBODY = 65534


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return context(tmp_path)


@pytest.fixture(params=[("-t", "tmpfs", "tmpfs"), ("--bind", "elsewhere")])
def mounted(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """What is mounted in d/old: another file system, or a folder of the same. It holds a file."""
    (tmp_path / "elsewhere").mkdir()
    point = tmp_path / "d/old/point with blank"
    point.mkdir(parents=True)
    subprocess.run(["mount", *request.param, str(point)], check=True, cwd=tmp_path)
    (point / "f").write_text("precious\n")
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)


def test_a_mount_below_is_not_crossed_and_what_is_beside_it_goes(ctx: Context, tmp_path: Path, mounted: Path) -> None:
    (mounted.parent / "beside").write_text("")
    plan = converge(file.directory, ctx, str(tmp_path / "d"), clean=True)
    assert [step.sentence for step in plan.steps] == [
        f"delete {mounted.parent}/beside; left alone, as a mount point or another file system: {mounted}"
    ]
    assert os.listdir(mounted.parent) == ["point with blank"]
    assert (mounted / "f").read_text() == "precious\n"


def test_links_of_another_user_are_deleted_and_lead_nowhere(ctx: Context, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim/f").write_text("precious\n")
    (tmp_path / "d/theirs").mkdir(parents=True)
    for name in ("one", "theirs/two"):
        (tmp_path / "d" / name).symlink_to(tmp_path / "victim")
        os.lchown(tmp_path / "d" / name, NOBODY, NOBODY)
    os.chown(tmp_path / "d/theirs", NOBODY, NOBODY)
    converge(file.directory, ctx, str(tmp_path / "d"), clean=True, exclude_pat="theirs/three")
    assert os.listdir(tmp_path / "d") == []
    assert (tmp_path / "victim/f").read_text() == "precious\n"
