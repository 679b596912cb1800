"""The steps of disks, what is refused before a run, and sizes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules import file
from modules._disk import files as disk
from modules._disk import notes as disk_notes
from modules._disk.notes import Note
from modules._sizes import LEAST, MOST, BadSize, shown, size_bytes
from saltern.converge.plan import UNSET, call
from saltern.converge.state import check_of
from saltern.errors import SalternError
from states.disk import File, Making, absent, present, steps
from tests.plans import context

G = 1 << 30
IMAGE = "/ds/base.qcow2"
MAKING = Making("/d", "/notes", False, IMAGE, "qcow2")
THERE = Making("/d", "/notes", False)
OVERLAY = File("qcow2", G, IMAGE, False, UNSET, UNSET, "0600")


def said(current: File | None, wish: File, making: Making = THERE, guest: str | None = None) -> list[str]:
    return [step.sentence for step in steps(current, wish, making, guest, "uri")]


def test_a_missing_disk_is_made_of_its_image_in_one_step() -> None:
    (step,) = steps(None, replace(OVERLAY, size=2 * G), MAKING)
    assert step.sentence == "make disk /d (an overlay on /ds/base.qcow2, 2 GiB)"
    assert step.do == call(
        disk.make,
        "/d",
        format="qcow2",
        size=2 * G,
        image_path=IMAGE,
        image_format="qcow2",
        persistent=False,
        notes="/notes",
        mode="0600",
    )
    copy = replace(OVERLAY, image=None, size=UNSET)
    assert said(None, copy, replace(MAKING, persistent=True)) == ["make disk /d (a qcow2 of /ds/base.qcow2)"]
    empty = File("raw", G, None)
    assert said(None, empty, THERE) == ["make disk /d (empty, raw, 1 GiB)"]


def test_a_disk_is_grown_and_a_running_guest_is_told() -> None:
    wish = replace(OVERLAY, size=3 * G)
    (step,) = steps(OVERLAY, wish, THERE)
    assert step.sentence == "grow disk /d from 1 GiB to 3 GiB"
    assert step.do == call(disk.grow, "/d", 3 * G, format="qcow2")
    (step,) = steps(OVERLAY, wish, THERE, "web", "uri")
    assert step.sentence == "grow disk /d from 1 GiB to 3 GiB while web runs"
    assert step.do == call(disk.grow, "/d", 3 * G, format="qcow2", guest="web", uri="uri")


def test_mode_and_persistence_are_mended_apart_from_the_size() -> None:
    assert said(OVERLAY, OVERLAY) == []
    (step,) = steps(replace(OVERLAY, mode="0644"), OVERLAY, THERE)
    assert step.do == call(file.set_attributes, "/d", mode="0600")
    (step,) = steps(OVERLAY, replace(OVERLAY, persistent=True), THERE)
    assert step.do == call(disk.note_persistent, "/d", True, notes="/notes")


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("/d", {}, "needs a `size`"),
        ("/d", {"size": "20X"}, "not the size"),
        ("/d", {"size": 0}, "not the size"),
        ("/d", {"size": "1G", "mode": "0644"}, "nothing for everybody"),
        ("d", {"size": "1G"}, "not an absolute path"),
        ("/a/../d", {"size": "1G"}, "'..'"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_runs(name: str, arguments: dict[str, Any], reason: str) -> None:
    refuse = check_of(present)
    assert refuse is not None
    with pytest.raises(SalternError, match=reason):
        refuse(name, **arguments)


@pytest.mark.parametrize("name", ["/d", "../d", "a//d", "a/./d", "d\n"])
def test_a_name_in_a_datastore_stays_in_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(SalternError, match="not the name of a disk in a datastore"):
        present(context(tmp_path), name, datastore=str(tmp_path), size="1G")


def test_a_datastore_that_an_earlier_state_still_declares_is_unknown(tmp_path: Path) -> None:
    ctx = context(tmp_path)
    for plan in (
        present(ctx, "d", datastore=100, size="1G"),
        present(ctx, str(tmp_path / "d"), image="a.qcow2", image_datastore=101),
        absent(ctx, "d", datastore=100),
    ):
        assert "declare it by datastore.present" in str(plan.unknown)


def test_an_image_without_a_path_needs_a_datastore(tmp_path: Path) -> None:
    with pytest.raises(SalternError, match="image_datastore"):
        present(context(tmp_path), str(tmp_path / "d"), image="base.qcow2")


@pytest.mark.parametrize(
    ("given", "bytes_"),
    [("20G", 20 * G), ("1.5 TiB", 1536 * G), ("512m", 512 << 20), ("64K", LEAST), (100, 100 << 20), ("100", 100 << 20)],
)
def test_sizes_are_of_units_of_1024_and_a_mere_number_is_mib(given: object, bytes_: int) -> None:
    assert size_bytes(given) == bytes_


@pytest.mark.parametrize(
    "given", ["", "G", "-1G", "1e3G", "0.0000001G", "2000000T", True, None, [], float("nan"), "1,5G"]
)
def test_what_is_no_size_is_refused(given: object) -> None:
    with pytest.raises(BadSize):
        size_bytes(given)


@given(st.integers(LEAST // 512, MOST // 512))
def test_a_size_is_shown_exactly(sectors: int) -> None:
    text = shown(sectors * 512)
    if text.endswith("iB"):
        assert size_bytes(text) == sectors * 512
    else:
        assert text == f"{sectors * 512} bytes"


def test_a_disk_that_somebody_put_in_the_place_of_ours_is_not_ours(tmp_path: Path) -> None:
    path, notes = tmp_path / "d", str(tmp_path / "notes")
    path.write_bytes(b"")
    disk_notes.put(notes, Note(path=str(path), inode=path.stat().st_ino, format="raw", persistent=False))
    assert [note.path for note, _ in disk.noted(notes)] == [str(path)]
    (tmp_path / "other").write_bytes(b"")
    (tmp_path / "other").rename(path)
    assert disk_notes.find(notes, str(path)) is None
    assert list(disk.noted(notes)) == []
    for written in (b"", b"[]", b"{}", b'{"path": 1}'):
        for note in Path(notes).iterdir():
            note.write_bytes(written)
        assert disk_notes.find(notes, str(path)) is None


def test_a_disk_of_somebody_else_is_not_deleted(tmp_path: Path) -> None:
    path = tmp_path / "d"
    path.write_bytes(b"")
    with pytest.raises(SalternError, match="not made by this node"):
        absent(context(tmp_path), str(path))
    assert absent(context(tmp_path), str(path), force=True).steps[0].sentence == f"delete disk {path}"
    assert absent(context(tmp_path), str(tmp_path / "e")).steps == ()
