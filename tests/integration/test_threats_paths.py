"""Links that another user plants where root writes: at the path itself, at a folder above it, before and meanwhile.

Each acting function that takes a path is called on a folder of user nobody. Whatever it says of that, nothing of root's
behind the links may become another.
"""

from __future__ import annotations

import base64
import os
import pwd
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from modules import cloud_init, cp, datastore, disk, file, image, mount, ssh
from saltern.context import Context
from saltern.errors import SalternError
from saltern.marks import permit_acting
from tests.plans import context

pytestmark = [pytest.mark.root, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

NOBODY = 65534
Act = Callable[[Context, str], Any]

WRITERS: dict[str, Act] = {
    "file.put": lambda ctx, path: file.put(path, "x"),
    "file.put with a backup": lambda ctx, path: file.put(path, "x", backup="minion"),
    "file.put with an owner": lambda ctx, path: file.put(path, "x", user="nobody", mode="0666"),
    "file.write": lambda ctx, path: file.write(path, "x"),
    "file.append": lambda ctx, path: file.append(path, "x"),
    "file.touch": lambda ctx, path: file.touch(path, 1, 1),
    "file.touch, makedirs": lambda ctx, path: file.touch(f"{path}/a/b", makedirs=True),
    "file.set_attributes": lambda ctx, path: file.set_attributes(path, user="nobody", mode="0666"),
    "file.set_tree": lambda ctx, path: file.set_tree(
        os.path.dirname(path), [(os.path.basename(path), {"mode": "0666"})]
    ),
    "file.set_mode": lambda ctx, path: file.set_mode(path, "0666"),
    "file.chown": lambda ctx, path: file.chown(path, "nobody"),
    "file.mkdir": lambda ctx, path: file.mkdir(path),
    "file.remove": lambda ctx, path: file.remove(path),
    "file.symlink": lambda ctx, path: file.symlink("/etc/shadow", path, user="nobody"),
    "file.symlink, replace": lambda ctx, path: file.symlink("/etc/shadow", path, replace=True),
    "file.rename from": lambda ctx, path: file.rename(path, f"{ctx.config.root}/moved"),
    "file.rename to": lambda ctx, path: file.rename(own(ctx), path),
    "cp.get_file": lambda ctx, path: cp.get_file(ctx, "salt://tree/a", path),
    "cp.get_file, makedirs": lambda ctx, path: cp.get_file(ctx, "salt://tree/a", f"{path}/b/c", makedirs=True),
    "cp.get_dir": lambda ctx, path: cp.get_dir(ctx, "salt://tree", path),
    "cp.get_template": lambda ctx, path: cp.get_template(ctx, "salt://tree/a", path),
    "cloud_init.write": lambda ctx, path: cloud_init.write(path, {"meta-data": "x", "user-data": "#cloud-config\n"}),
    "datastore.make": lambda ctx, path: datastore.make(path),
    "datastore.own": lambda ctx, path: datastore.own(path, "nobody", None, "0777"),
    "disk.grow": lambda ctx, path: disk.grow(ctx, path, "1M", "raw"),
    "image.make": lambda ctx, path: image.make(ctx, path, own(ctx), format="raw", replace=True),
    "image.note": lambda ctx, path: image.note(path, (own(ctx),), "raw"),
    "image.remove": lambda ctx, path: image.remove(path),
    "mount.make_point": lambda ctx, path: mount.make_point(path),
}
WAYS = ("last", "above/f", "above/new", "above/folder", "dangling", "above/folder/new")


def own(ctx: Context) -> str:
    """A file of root's that may be moved."""
    path = Path(ctx.config.root, "own")
    path.write_bytes(bytes(4096))
    return str(path)


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    (tmp_path / "root").mkdir()
    (tmp_path / "tree/tree").mkdir(parents=True)
    (tmp_path / "tree/tree/a").write_text("a")
    return context(tmp_path)


def plant(place: Path) -> tuple[Path, Path]:
    """A folder of nobody's, full of links to what is root's, and what is root's."""
    theirs, victim = place / "theirs", place / "victim"
    for folder in (theirs, victim, victim / "folder"):
        folder.mkdir()
    (victim / "f").write_text("precious\n")
    (victim / "f").chmod(0o640)
    os.utime(victim / "f", (1_000_000_000, 1_000_000_000))
    for name, target in (("last", "f"), ("above", ""), ("dangling", "made")):
        (theirs / name).symlink_to(victim / target)
        os.lchown(theirs / name, NOBODY, NOBODY)
    os.chown(theirs, NOBODY, NOBODY)
    return theirs, victim


def state(victim: Path) -> list[tuple[str, int, int, int, float, bytes]]:
    """All that root has there, and how."""
    found = []
    for path in [victim, *sorted(victim.rglob("*"))]:
        status = path.lstat()
        changed = 0.0 if path.is_dir() else status.st_mtime
        data = path.read_bytes() if path.is_file() else b""
        found.append((str(path), status.st_mode, status.st_uid, status.st_gid, changed, data))
    return found


@pytest.mark.parametrize("name", WRITERS)
def test_a_planted_link_leads_no_write_astray(ctx: Context, tmp_path: Path, name: str) -> None:
    for way in WAYS:
        theirs, victim = plant(tmp_path)
        before = state(victim)
        with permit_acting(), suppress(SalternError, FileNotFoundError):
            WRITERS[name](ctx, str(theirs / way))
        assert state(victim) == before, (name, way)
        shutil.rmtree(theirs)
        shutil.rmtree(victim)


def test_what_the_harness_calls_does_write_where_no_link_is(ctx: Context, tmp_path: Path) -> None:
    """Or it would show nothing: each of them makes something of a plain path, or changes what is there."""
    idle = []
    for name, act in WRITERS.items():
        place = tmp_path / "plain"
        place.mkdir()
        path = place / "p"
        if name.startswith(
            ("file.set", "file.chown", "file.remove", "file.rename from", "disk", "image.note", "image.r")
        ):
            path.write_bytes(bytes(4096))
        if name == "datastore.own":
            path.mkdir()
        before = state(place)
        with permit_acting():
            act(ctx, str(path))
        if state(place) == before:
            idle.append(name)
        shutil.rmtree(place)
        shutil.rmtree(tmp_path / "root")
        (tmp_path / "root").mkdir()
    assert idle == []


def test_a_link_in_the_home_of_a_user_leads_his_keys_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, victim = plant(tmp_path)
    entry = pwd.struct_passwd(("nobody", "x", NOBODY, NOBODY, "", str(theirs), "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwnam", lambda name: entry)
    key = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0 " + bytes(range(32))).decode()
    before = state(victim)
    for config in ("last", "dangling", "above/f", "above/folder/authorized_keys", ".ssh/authorized_keys"):
        with permit_acting(), suppress(SalternError):
            ssh.set_auth_key("nobody", key, "ssh-ed25519", config=config)
        assert state(victim) == before, config
    written = theirs / ".ssh/authorized_keys"  # there it was no link
    assert key in written.read_text()
    assert (written.stat().st_uid, written.parent.stat().st_uid) == (NOBODY, NOBODY)
