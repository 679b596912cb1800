"""Users and groups made, changed and deleted on the machine itself, under names that nobody has."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules import user as module
from saltern.context import Context
from saltern.secret import Secret
from states import group, user
from tests.plans import context, converge

pytestmark = pytest.mark.skipif(os.geteuid() != 0 or shutil.which("useradd") is None, reason="needs root and useradd")

NAME = f"salterntest{os.getpid()}"[:30]
OTHER = f"{NAME}g"
UID = GID = 1_000_000 + 2 * os.getpid()  # another run of the tests may be at work


@pytest.fixture
def ctx(tmp_path: Path) -> Iterator[Context]:
    yield context(tmp_path)
    subprocess.run(["userdel", NAME], capture_output=True, check=False)
    for name in (NAME, OTHER):
        subprocess.run(["groupdel", name], capture_output=True, check=False)


def test_users_and_groups_come_change_and_go(ctx: Context, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert "no group" in str(user.present(ctx, NAME, groups=[OTHER]).unknown)
    converge(group.present, ctx, OTHER, gid=GID)
    converge(user.present, ctx, NAME, uid=UID, groups=[OTHER], home=str(home), shell="/bin/sh", fullname="A B")
    found = module.info(NAME)
    assert (found["uid"], found["groups"], found["fullname"]) == (UID, [OTHER], "A B")
    assert home.is_dir()
    shutil.rmtree(home)
    converge(user.present, ctx, NAME, shell="/bin/bash", home=str(home))
    assert home.is_dir()
    assert home.stat().st_uid == UID
    converge(user.present, ctx, NAME, uid=UID + 1, allow_uid_change=True, groups=[], createhome=False)
    assert (module.info(NAME)["uid"], module.info(NAME)["groups"]) == (UID + 1, [])
    converge(group.present, ctx, OTHER, gid=GID + 1, addusers=[NAME])
    converge(group.present, ctx, OTHER, members=[])
    converge(user.absent, ctx, NAME)
    converge(group.absent, ctx, OTHER)
    assert module.info(NAME) == {}


def test_a_password_is_set_once_by_its_hash(ctx: Context) -> None:
    hash = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"
    plan = converge(user.present, ctx, NAME, createhome=False, password=Secret(hash))
    assert len(plan.steps) == 2
    assert not converge(user.present, ctx, NAME, createhome=False, password=hash).steps
    converge(user.present, ctx, NAME, createhome=False, password="!")
