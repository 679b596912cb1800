"""Editing /etc/fstab and reading mount units, as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._mount import fstab as mount_fstab
from modules._mount import unit as mount_unit
from modules._mount.fstab import Line

TEXT = (
    "# a comment\nUUID=1-2\t/  ext4 errors=remount-ro 0 1\n\n  # /mnt\n"
    "server:/a\\040b /mnt\\040x/ nfs4 rw,hard\nlast /l x"
)
ENTRY = Line("on-filer1:/images", "nfs4", "defaults", 0, 0)


def test_an_entry_is_found_by_its_mount_point() -> None:
    assert mount_fstab.find(TEXT, "/") == Line("UUID=1-2", "ext4", "errors=remount-ro", 0, 1)
    assert mount_fstab.find(TEXT, "/mnt x") == Line("server:/a b", "nfs4", "rw,hard")
    assert mount_fstab.find(TEXT, "/l") == Line("last", "x", "defaults")
    assert mount_fstab.find(TEXT, "/mnt") is None


def test_a_new_entry_comes_last_and_the_rest_stays_byte_for_byte() -> None:
    assert mount_fstab.put(TEXT, "/mnt/y z", ENTRY) == f"{TEXT}\non-filer1:/images\t/mnt/y\\040z\tnfs4\tdefaults\t0 0\n"


def test_an_entry_is_exchanged_in_its_place() -> None:
    lines = mount_fstab.put(TEXT, "/", ENTRY).split("\n")
    assert lines[1] == "on-filer1:/images\t/\tnfs4\tdefaults\t0 0"
    assert lines[0] == "# a comment"


FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=10).filter(
    lambda word: not word.startswith("#")
)
TARGET = FIELD.map(lambda word: "/" + word.strip("/")).filter(lambda word: word != "/" and not word.endswith("/"))
OTHER = st.lists(st.sampled_from(["# c", "", "  ", "a /b ext4 defaults 0 0", "x\ty\x0bz", "\x85", "bad"]), max_size=6)


@given(OTHER, TARGET, FIELD)
def test_an_entry_is_read_back_and_taken_out_without_a_trace(lines: list[str], target: str, device: str) -> None:
    text = "".join(f"{line}\n" for line in lines)
    entry = Line(device, "nfs4", "rw", 1, 2)
    if mount_fstab.find(text, target) is not None:
        return
    added = mount_fstab.put(text, target, entry)
    assert mount_fstab.find(added, target) == entry
    assert mount_fstab.put(added, target, entry) == added
    assert mount_fstab.put(added, target, None) == text


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (Line("on-filer1:/images", "nfs4", "", 0, 0), True),
        (Line("on-filer1:/images", "nfs4", "rw,hard", 0, 0), False),
        (Line("on-filer1:/images", "nfs4", "defaults", 0, 2), False),
        (Line("on-filer1:/other", "nfs4", "defaults", 0, 0), False),
    ],
)
def test_entries_are_the_same_by_meaning(other: Line, same: bool) -> None:
    assert mount_fstab.same(ENTRY, other) is same


UNIT = """[Unit]
Description = by hand

[Mount]
What=on-filer1:/images
Where=/var/lib/one/datastores/100/
Type = nfs4
Options=defaults

[Install]
WantedBy=multi-user.target
"""


def test_a_unit_written_by_hand_means_the_same() -> None:
    made = mount_unit.text("/var/lib/one/datastores/100", "on-filer1:/images", "nfs4", ["defaults"])
    assert mount_unit.same(UNIT, made)
    assert not mount_unit.same(UNIT.replace("=defaults", "=soft"), made)
    assert not mount_unit.same(UNIT.replace("multi-user", "graphical"), made)
    assert not mount_unit.same(UNIT.replace("images", "files"), made)


def test_a_percent_sign_is_no_specifier() -> None:
    made = mount_unit.text("/a%b", "d%n", "nfs4", [])
    assert "What=d%%n\nWhere=/a%%b\n" in made
    assert mount_unit.parse(made).what == "d%n"
