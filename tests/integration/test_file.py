"""Files among other users, mounts and races, on a real file system as root."""

from __future__ import annotations

import itertools
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules import file as module
from modules._file.safe import UnsafePath
from saltern.context import Context
from saltern.errors import SalternError
from saltern.marks import permit_acting
from states import file
from tests.patience import WAIT_S
from tests.plans import context, converge

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

NOBODY = 65534


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return context(tmp_path)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder that belongs to another user."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    return folder


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A folder of root's with a file that must stay as it is."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "f").write_text("precious\n")
    return folder


def link(path: Path, target: Path) -> None:
    """A symbolic link that another user made."""
    path.symlink_to(target)
    os.lchown(path, NOBODY, NOBODY)


def test_owner_group_and_mode_are_set_before_the_file_is_seen(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "f"
    converge(file.managed, ctx, str(path), contents="x", user="nobody", group="nogroup", mode="4750")
    found = path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (NOBODY, NOBODY, 0o4750)
    converge(file.managed, ctx, str(path), contents="y", mode="4750")
    assert path.stat().st_uid == NOBODY
    converge(file.managed, ctx, str(path), user=0, group="0", mode="4750")
    assert (path.stat().st_uid, path.stat().st_mode & 0o7777) == (0, 0o4750)
    converge(file.managed, ctx, str(path), user="nobody")
    assert path.stat().st_mode & 0o7777 == 0o4750, "a change of owner must not lose the mode"


def test_a_link_that_another_user_made_leads_no_write_and_no_delete_astray(
    ctx: Context, theirs: Path, victim: Path
) -> None:
    link(theirs / "last", victim / "f")
    link(theirs / "above", victim)
    with pytest.raises(UnsafePath, match="a symbolic link that user nobody made"):
        file.managed(ctx, str(theirs / "last"), contents="x")
    for path in (theirs / "above/f", theirs / "above/new"):
        plan = file.managed(ctx, str(path), contents="x")
        with permit_acting(), pytest.raises(SalternError, match="'above' is a symbolic link that user nobody made"):
            plan.steps[0].do()
    with permit_acting():
        for act in (
            lambda: module.remove(str(theirs / "above/f")),
            lambda: module.set_mode(str(theirs / "above/f"), "0666"),
            lambda: module.mkdir(str(theirs / "above/new")),
            lambda: module.symlink("x", str(theirs / "above/new")),
            lambda: module.set_tree(str(theirs), [("above/f", {"mode": "0666"})]),
        ):
            with pytest.raises(UnsafePath):
                act()
    assert sorted(os.listdir(victim)) == ["f"]
    assert (victim / "f").read_text() == "precious\n"
    assert (victim / "f").stat().st_mode & 0o777 == 0o644
    converge(file.absent, ctx, str(theirs / "above"))
    assert (victim / "f").exists()


def test_a_link_of_roots_is_followed_by_relative_and_absolute_ways(ctx: Context, tmp_path: Path, victim: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/up").symlink_to("../victim")
    (tmp_path / "over").symlink_to(tmp_path / "a/up")
    converge(file.managed, ctx, str(tmp_path / "over/f"), contents="new")
    assert (victim / "f").read_text() == "new\n"
    (tmp_path / "loop").symlink_to("loop")
    with permit_acting(), pytest.raises(SalternError, match="Too many levels"):
        module.put(str(tmp_path / "loop/f"), "x")


def test_no_race_of_folder_and_link_leads_a_write_astray(theirs: Path, victim: Path) -> None:
    """Another user swaps a folder for a link to root's as fast as possible, while root writes below it."""
    real, evil, spare = theirs / "d", theirs / "evil", theirs / "spare"
    real.mkdir()
    link(evil, victim)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for source, target in ((real, spare), (evil, real), (real, evil), (spare, real)):
                os.rename(source, target)

    thread = threading.Thread(target=swap)
    thread.start()
    written = refused = 0
    try:
        with permit_acting():
            number, deadline = 0, time.monotonic() + WAIT_S
            while number < 400 or not (written and refused):
                assert time.monotonic() < deadline, (written, refused)
                number += 1
                try:
                    module.put(str(real / "f"), f"{number}\n")
                    written += 1
                except SalternError:
                    refused += 1
    finally:
        stop.set()
        thread.join()
    assert sorted(os.listdir(victim)) == ["f"]
    assert (victim / "f").read_text() == "precious\n"


def test_readers_see_the_old_or_the_new_and_never_a_part(tmp_path: Path) -> None:
    path = tmp_path / "f"
    texts = ("a" * 200_000, "b" * 200_000)
    path.write_text(texts[0])
    seen = 0

    def rewrite() -> None:
        with permit_acting():
            for number in itertools.count():
                module.put(str(path), texts[number % 2])
                if number >= 40 and seen:
                    return

    thread = threading.Thread(target=rewrite)
    thread.start()
    while thread.is_alive():
        assert path.read_text() in texts
        seen += 1
    assert os.listdir(tmp_path) == ["f"]


def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path: Path, mounted: Path) -> None:
    (mounted / "f").write_text("old\n")
    with permit_acting(), pytest.raises(SalternError, match="No space left"):
        module.put(str(mounted / "f"), "x" * (4 << 20))
    assert (mounted / "f").read_text() == "old\n"
    assert os.listdir(mounted) == ["f"]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, mounted in a folder."""
    point = tmp_path / "outer/point with blank"
    point.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", point], check=True)
    yield point
    subprocess.run(["umount", "-l", point], check=True)


def test_a_mount_inside_is_never_deleted_into(ctx: Context, mounted: Path) -> None:
    (mounted / "f").write_text("")
    for path in (mounted.parent, mounted):
        with pytest.raises(UnsafePath, match="point with blank is a mount point; unmount it first"):
            file.absent(ctx, str(path))
        with permit_acting(), pytest.raises(UnsafePath):
            module.remove(str(path))
    assert (mounted / "f").exists()


def test_a_bind_mount_of_the_same_file_system_is_seen_too(ctx: Context, tmp_path: Path, victim: Path) -> None:
    point = tmp_path / "outer/bind"
    point.mkdir(parents=True)
    subprocess.run(["mount", "--bind", victim, point], check=True)
    try:
        with pytest.raises(UnsafePath, match="is a mount point"):
            file.absent(ctx, str(tmp_path / "outer"))
    finally:
        subprocess.run(["umount", point], check=True)
    assert (victim / "f").exists()


def test_a_file_that_is_itself_a_mount_is_filled_in_place(ctx: Context, tmp_path: Path, victim: Path) -> None:
    path = tmp_path / "hosts"
    path.write_text("")
    subprocess.run(["mount", "--bind", victim / "f", path], check=True)
    try:
        converge(file.managed, ctx, str(path), contents="new")
    finally:
        subprocess.run(["umount", path], check=True)
    assert (victim / "f").read_text() == "new\n"
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".hosts")]


def test_extended_attributes_outlive_a_write(ctx: Context, tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old\n")
    os.setxattr(path, "user.note", b"kept")
    converge(file.managed, ctx, str(path), contents="new")
    assert os.getxattr(path, "user.note") == b"kept"


def test_owners_of_a_tree_are_mended_and_links_left(ctx: Context, tmp_path: Path, victim: Path) -> None:
    path = tmp_path / "one"
    (path / "images").mkdir(parents=True)
    (path / "images/disk").write_text("")
    (path / "link").symlink_to(victim / "f")
    converge(file.directory, ctx, str(path), user="nobody", group="nogroup", recurse=["user", "group"])
    assert (path / "images/disk").stat().st_uid == NOBODY
    assert (victim / "f").stat().st_uid == 0
    assert path.stat().st_mode & 0o777 == 0o755
    converge(file.directory, ctx, str(path), user="9869", group=9869, mode="0750")
    assert (path.stat().st_uid, path.stat().st_gid) == (9869, 9869)


def test_a_link_gets_its_own_owner(ctx: Context, tmp_path: Path, victim: Path) -> None:
    converge(file.symlink, ctx, str(tmp_path / "l"), target=str(victim / "f"), user="nobody")
    assert (tmp_path / "l").lstat().st_uid == NOBODY
    assert (victim / "f").stat().st_uid == 0
