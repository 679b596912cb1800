"""Disk images on a real file system, with the real qemu-img as the second opinion."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from modules import image
from modules._image import look as image_look
from modules._image import qemu_img
from modules._image.qcow2 import BadImage
from modules._image.qemu_img import ImageError
from saltern.marks import permit_acting
from tests.integration.kernel import tool
from tests.patience import WAIT_S

MIB = 1 << 20


@pytest.fixture(autouse=True)
def _acting() -> Iterator[None]:
    with permit_acting():
        yield


def told(path: Path, format: str = "qcow2") -> dict[str, object]:
    """What qemu-img says of an image."""
    found: dict[str, object] = json.loads(tool("qemu-img", "info", "-f", format, "--output=json", "--", str(path)))
    return found


@pytest.mark.parametrize("format", ["qcow2", "raw"])
def test_an_image_is_made_and_read_as_qemu_reads_it(tmp_path: Path, format: str) -> None:
    path = tmp_path / "a b.img"
    qemu_img.create(str(path), format, 10 * MIB)
    found = image.info(str(path))
    assert found is not None
    assert (found.format, found.virtual_size) == (format, told(path, format)["virtual-size"]) == (format, 10 * MIB)
    assert found.disk_size == told(path, format)["actual-size"]
    assert os.listdir(tmp_path) == ["a b.img"]
    assert path.stat().st_mode & 0o077 == 0o044


def test_an_image_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("mine")
    with pytest.raises(ImageError, match="is there already"):
        qemu_img.create(str(path), "raw", MIB)
    with pytest.raises(ImageError, match="is there already"):
        qemu_img.convert(str(path), "raw", str(path), "qcow2")
    assert path.read_text() == "mine"


def test_an_overlay_names_its_base_and_the_format(tmp_path: Path) -> None:
    base, top = tmp_path / "base", tmp_path / "top"
    qemu_img.create(str(base), "raw", MIB)
    qemu_img.create_overlay(str(top), str(base), "raw", 4 * MIB)
    found = image.info(str(top))
    assert found is not None
    assert (found.virtual_size, found.backing_file, found.backing_format) == (4 * MIB, str(base), "raw")
    with pytest.raises(ImageError, match="are less than"):
        qemu_img.create_overlay(str(tmp_path / "y"), str(base), "raw", MIB // 2)
    with pytest.raises(ImageError, match="there is no image"):
        qemu_img.create_overlay(str(tmp_path / "y"), str(tmp_path / "nosuch"), "raw")
    with pytest.raises(BadImage, match="backing file"):
        qemu_img.create_overlay(str(tmp_path / "y"), str(top), "qcow2")
    assert sorted(os.listdir(tmp_path)) == ["base", "top"]


@pytest.mark.parametrize("format", ["qcow2", "raw"])
def test_an_image_grows_and_never_shrinks(tmp_path: Path, format: str) -> None:
    path = tmp_path / "x"
    qemu_img.create(str(path), format, 2 * MIB)
    qemu_img.resize(str(path), format, 3 * MIB)
    qemu_img.resize(str(path), format, 3 * MIB)
    with pytest.raises(ImageError, match="never made smaller"):
        qemu_img.resize(str(path), format, 2 * MIB)
    assert told(path, format)["virtual-size"] == 3 * MIB


def test_what_is_converted_holds_the_same(tmp_path: Path) -> None:
    source, middle, back = (tmp_path / name for name in ("source", "middle", "back"))
    source.write_bytes(os.urandom(MIB) + bytes(MIB))
    qemu_img.convert(str(source), "raw", str(middle), "qcow2")
    qemu_img.convert(str(middle), "qcow2", str(back), "raw")
    assert back.read_bytes() == source.read_bytes()
    assert image.info(str(middle)) is not None


def test_a_raw_disk_in_which_a_guest_wrote_a_qcow2_header_stays_raw(tmp_path: Path) -> None:
    secret, disk = tmp_path / "shadow", tmp_path / "disk"
    secret.write_bytes(b"secret" * 1000)
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", str(secret), "-F", "raw", str(disk)],
        check=True,
        timeout=WAIT_S,
    )
    written = disk.read_bytes()
    assert image.info(str(disk), "raw") == image_look.Image(
        format="raw", virtual_size=len(written), disk_size=disk.stat().st_blocks * 512
    )
    qemu_img.convert(str(disk), "raw", str(tmp_path / "copy"), "raw")
    assert (tmp_path / "copy").read_bytes().rstrip(b"\0") == written.rstrip(b"\0")
    with pytest.raises(BadImage, match=f"names the backing file '{secret}'"):
        qemu_img.convert(str(disk), "qcow2", str(tmp_path / "stolen"), "raw")
    assert not (tmp_path / "stolen").exists()


def test_what_is_no_file_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert image.info(str(tmp_path / "nosuch")) is None
    with pytest.raises(BadImage, match="it is a named pipe"):
        image.info(str(tmp_path / "pipe"))
    with pytest.raises(BadImage, match="it is a directory"):
        image.info(str(tmp_path))


def test_a_folder_of_another_user_leads_nowhere(tmp_path: Path) -> None:
    """Whoever may write beside an image can't make root write through a link of theirs."""
    (tmp_path / "link").symlink_to("/etc")
    os.chown(tmp_path / "link", 65534, 65534, follow_symlinks=False)
    with pytest.raises(Exception, match="a symbolic link that user"):
        qemu_img.create(str(tmp_path / "link" / "x"), "raw", MIB)
