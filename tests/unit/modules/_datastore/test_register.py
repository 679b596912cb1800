"""The register of datastores and what it says of mounts and pools."""

from __future__ import annotations

from pathlib import Path

import pytest

from modules._datastore.pool import target_of
from modules._datastore.register import DatastoreError, Entry, name_of, read, unmounted, write
from modules._mount.table import parse

MOUNTS = parse(
    "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n"
    "2 1 0:5 / /srv/100 rw - nfs4 filer:/images rw\n"
    "3 1 0:6 / /srv/101 rw - tmpfs tmpfs rw\n"
)


@pytest.mark.parametrize("name", [100, "100", "fast-ssd", "a.b_c", "x" * 64])
def test_a_number_or_word_is_a_name(name: object) -> None:
    assert name_of(name) == str(name)


@pytest.mark.parametrize("name", ["", "-1", "a/b", "../x", "a b", "x" * 65, True, None, "ä", ".x"])
def test_what_could_lead_elsewhere_is_none(name: object) -> None:
    with pytest.raises(DatastoreError):
        name_of(name)


def test_the_register_holds_what_was_written_and_is_private(tmp_path: Path) -> None:
    file = tmp_path / "minion" / "datastores.json"
    entries = {
        "b": Entry(kind="system", path="/b", mount=True),
        "100": Entry(kind="image", path="/a", mount="filer:/x", pool="p"),
    }
    assert read(str(file)) == {}
    write(str(file), entries)
    assert read(str(file)) == entries
    assert list(read(str(file))) == ["100", "b"]
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"a": {}}',
        '{"a": {"kind": "x", "path": "/a"}}',
        '{"a": {"kind": "image", "path": "a"}}',
        '{"a": {"kind": "image", "path": "/a", "mount": 1}}',
        '{"a": {"kind": "image", "path": "/a", "more": 1}}',
        '{"../a": {"kind": "image", "path": "/a"}}',
    ],
)
def test_a_broken_register_is_an_error_and_no_guess(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(DatastoreError, match="is broken"):
        read(str(file))


@pytest.mark.parametrize(
    ("path", "mount", "why"),
    [
        ("/srv/100", None, None),
        ("/srv/100", True, None),
        ("/srv/100", "filer:/images", None),
        ("/srv/100", "filer:/images/", None),
        ("/srv/100/sub", "filer:/images", None),
        ("/srv/100", "filer:/other", "filer:/images is mounted at /srv/100 and not filer:/other"),
        ("/srv/102", None, None),
        ("/srv/102", True, "nothing is mounted at /srv/102"),
        ("/srv/102", "filer:/images", "nothing is mounted at /srv/102"),
        ("/srv", True, "nothing is mounted at /srv"),
    ],
)
def test_what_has_to_be_mounted_is_looked_for(path: str, mount: str | bool | None, why: str | None) -> None:
    assert unmounted(Entry(kind="image", path=path, mount=mount), MOUNTS) == why


def test_the_directory_of_a_pool_is_its_target() -> None:
    assert target_of("<pool type='dir'><target><path>/srv/x/</path></target></pool>", "p") == "/srv/x"
    with pytest.raises(DatastoreError, match="type logical"):
        target_of("<pool type='logical'><target><path>/dev/vg</path></target></pool>", "p")
