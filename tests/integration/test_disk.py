"""The disk states on real images: qemu-img makes and grows them, and a real QEMU holds them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from modules import disk
from modules._disk import files as disk_files
from modules._disk.files import DiskError
from modules._image.qcow2 import BadImage
from saltern.marks import permit_acting
from states.disk import absent, present
from tests.integration.kernel import Node
from tests.patience import WAIT_S

pytestmark = pytest.mark.skipif(shutil.which("qemu-img") is None, reason="needs qemu-img")
M = 1 << 20


def qemu_img(*words: str) -> str:
    return subprocess.run(["qemu-img", *words], capture_output=True, text=True, check=True, timeout=WAIT_S).stdout


def seen(path: Path) -> tuple[str, int, str | None]:
    """The second opinion: format, size and backing file."""
    found = json.loads(qemu_img("info", "-U", "--output=json", str(path)))
    return found["format"], found["virtual-size"], found.get("backing-filename")


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.qcow2"
    (tmp_path / "raw").write_bytes(b"the system" + bytes(8 * M - 10))
    qemu_img("convert", "-f", "raw", "-O", "qcow2", str(tmp_path / "raw"), str(path))
    return path


@contextmanager
def qemu_with(path: Path, *below: Path) -> Iterator[None]:
    """A QEMU that has the disk open, and then the images BELOW it."""
    words = ["-machine", "none", "-nodefaults", "-display", "none", "-S", "-monitor", "none"]
    node = f"driver=qcow2,node-name=a,file.driver=file,file.filename={path}"
    with subprocess.Popen(["qemu-system-x86_64", *words, "-blockdev", node]) as process:
        try:
            deadline = time.monotonic() + WAIT_S
            while not all(disk.in_use(str(one)) for one in (path, *below)):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield
        finally:
            process.kill()


def content(path: Path, format: str, size: int) -> bytes:
    """What a guest would read at the beginning of the disk."""
    out = path.with_suffix(".out")
    qemu_img("convert", "-f", format, "-O", "raw", str(path), str(out))
    with out.open("rb") as opened:
        return opened.read(size)


def test_an_overlay_is_made_once_left_alone_and_grown(node: Node, base: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.qcow2"
    arguments: dict[str, Any] = {"image": str(base), "size": "16M"}
    plan = node.plan(present, str(path), **arguments)
    assert not path.exists(), "planning makes nothing"
    assert node.apply(present, str(path), **arguments) == [s.sentence for s in plan.steps]
    assert seen(path) == ("qcow2", 16 * M, str(base))
    assert content(path, "qcow2", 10) == b"the system"
    assert path.stat().st_mode & 0o777 == 0o600
    before = (path.stat(), base.stat())
    assert node.apply(present, str(path), **arguments) == []
    assert node.apply(present, str(path), image=str(base)) == [], "a size that is not named is not managed"
    assert (path.stat(), base.stat()) == before
    assert node.apply(present, str(path), image=str(base), size="32M") == [f"grow disk {path} from 16 MiB to 32 MiB"]
    assert seen(path) == ("qcow2", 32 * M, str(base))
    with pytest.raises(DiskError, match="never made smaller"):
        node.plan(present, str(path), image=str(base), size="16M")
    path.chmod(0o640)
    assert node.apply(present, str(path), image=str(base)) == [f"set mode 0600 of {path}"]
    assert disk.overlays_of(node.ctx, str(base)) == [str(path)]
    assert [one["path"] for one in disk.list_(node.ctx)] == [str(path)]


@pytest.mark.parametrize(("format", "persistent"), [("raw", False), ("raw", True), ("qcow2", True)])
def test_a_copy_stands_on_its_own(node: Node, base: Path, tmp_path: Path, format: str, persistent: bool) -> None:
    path = tmp_path / "d"
    arguments: dict[str, Any] = {"image": str(base), "size": 16, "format": format, "persistent": persistent}
    node.apply(present, str(path), **arguments)
    assert seen(path) == (format, 16 * M, None)
    base.unlink()
    assert content(path, format, 10) == b"the system"
    assert node.apply(present, str(path), **arguments) == []


def test_an_empty_disk_is_made_and_may_become_persistent(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "d.raw"
    assert node.apply(present, "d.raw", datastore=str(tmp_path), size="4M", format="raw")
    assert seen(path) == ("raw", 4 * M, None)
    said = node.apply(present, str(path), size="4M", format="raw", persistent=True)
    assert said == [f"note that disk {path} is persistent"]
    with pytest.raises(DiskError, match="is persistent"):
        node.plan(absent, str(path))
    assert node.apply(absent, str(path), persistent=True) == [f"delete disk {path}"]
    assert not path.exists()
    assert disk.list_(node.ctx) == []


def test_a_disk_is_never_made_anew_converted_or_put_on_another_image(node: Node, base: Path, tmp_path: Path) -> None:
    path, other = tmp_path / "d", tmp_path / "other.qcow2"
    shutil.copy(base, other)
    node.apply(present, str(path), image=str(base))
    before = path.read_bytes()
    for arguments, reason in (
        ({"image": str(other)}, "never made anew"),
        ({"size": "8M"}, "stand on nothing"),
        ({"image": str(base), "persistent": True}, "never made anew"),
        ({"image": str(base), "format": "raw"}, "never converted"),
    ):
        with pytest.raises(DiskError, match=reason):
            node.plan(present, str(path), **arguments)
    assert path.read_bytes() == before


def test_a_raw_disk_in_which_a_guest_wrote_a_header_stays_raw(node: Node, base: Path, tmp_path: Path) -> None:
    path = tmp_path / "d"
    node.apply(present, str(path), size="4M", format="raw")
    evil = tmp_path / "evil.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b", "/etc/shadow", str(evil), "4M")
    with path.open("r+b") as opened:
        opened.write(evil.read_bytes()[:65536])
    assert node.apply(present, str(path), size="4M", format="raw") == []
    assert node.apply(present, str(path), size="8M", format="raw") == [f"grow disk {path} from 4 MiB to 8 MiB"]
    assert path.stat().st_size == 8 * M


def test_a_disk_or_image_that_refers_elsewhere_is_refused(node: Node, base: Path, tmp_path: Path) -> None:
    evil = tmp_path / "evil.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b", "/etc/shadow", str(evil), "4M")
    with pytest.raises(DiskError, match="stands on /etc/shadow"):
        node.plan(present, str(evil), size="4M")
    with pytest.raises(DiskError, match="stands on /etc/shadow"):
        node.plan(present, str(evil), image=str(base))
    with pytest.raises(BadImage, match="/etc/shadow"):
        node.plan(present, str(tmp_path / "d"), image=str(evil))
    path = tmp_path / "d"
    node.apply(present, str(path), image=str(base))
    shutil.copy(evil, base)
    with pytest.raises(BadImage, match="/etc/shadow"):
        node.plan(present, str(path), image=str(base))


def test_an_image_that_changes_under_a_disk_is_told_and_one_that_is_gone_is_a_failure(
    node: Node, base: Path, tmp_path: Path
) -> None:
    path = tmp_path / "d"
    node.apply(present, str(path), image=str(base))
    os.utime(base, ns=(1, 1))
    assert "was changed after the disk was made" in str(node.plan(present, str(path), image=str(base)).comment)
    base.unlink()
    with pytest.raises(DiskError, match="which is gone"):
        node.plan(present, str(path), image=str(base))
    assert node.plan(present, str(tmp_path / "e"), image=str(base)).unknown == f"there is no image {base} on this node"


def test_a_disk_that_stands_on_another_or_is_used_is_not_deleted_or_grown(
    node: Node, base: Path, tmp_path: Path
) -> None:
    path, upper = tmp_path / "d", tmp_path / "upper"
    node.apply(present, str(path), image=str(base), persistent=True)
    node.apply(present, str(upper), image=str(path))
    with pytest.raises(DiskError, match=f"{upper} stand on it"):
        node.plan(absent, str(path), persistent=True)
    with permit_acting(), pytest.raises(DiskError, match="stand on it"):
        disk.remove(node.ctx, str(path), persistent=True)
    with qemu_with(upper, path):  # the image below is in use too
        assert "in use" in str(node.plan(absent, str(upper)).unknown)
        with permit_acting(), pytest.raises(DiskError, match="in use"):
            disk_files.grow(str(upper), 64 * M, format="qcow2")
        with permit_acting(), pytest.raises(DiskError, match="in use"):
            disk.remove(node.ctx, str(upper))
        assert node.plan(present, str(upper), image=str(path), user="nobody").steps == ()
    assert node.apply(absent, str(upper)) == [f"delete disk {upper}"]
    assert node.apply(absent, str(upper)) == []
    assert node.apply(absent, str(path), persistent=True) == [f"delete disk {path}"]
    assert base.exists()


def test_a_disk_is_grown_and_deleted_by_hand_where_this_node_made_it(node: Node, tmp_path: Path) -> None:
    path, other = tmp_path / "d", tmp_path / "other"
    node.apply(present, str(path), size="4M", persistent=True)
    shutil.copy(path, other)
    with permit_acting():
        assert disk.grow(node.ctx, str(path), "8M")
        assert not disk.grow(node.ctx, str(path), 8)
        assert disk.grow(node.ctx, str(other), "8M", format="qcow2")
        refusals: list[Callable[[], object]] = [
            lambda: disk.grow(node.ctx, str(path), "4M"),
            lambda: disk.grow(node.ctx, str(other), "16M"),
            lambda: disk.remove(node.ctx, str(path)),
            lambda: disk.remove(node.ctx, str(other)),
        ]
        for refused in refusals:
            with pytest.raises(DiskError):
                refused()
        assert seen(path) == seen(other) == ("qcow2", 8 * M, None)
        assert disk.remove(node.ctx, str(path), persistent=True)
    assert not path.exists()


def test_a_smaller_disk_than_its_image_is_refused(node: Node, base: Path, tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="less than the image"):
        node.plan(present, str(tmp_path / "d"), image=str(base), size="4M")
