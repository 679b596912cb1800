"""Another key for sealed values: the old ones still open, and the files of a tree are sealed anew where they lie."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from pillar.box_files import reseal, written
from pillar.box_keys import BoxKeys
from pillar.sealed import opener_of
from saltern.errors import ConfigError, PermanentError
from saltern.secret import Secret
from saltern.wire.sealed_value import PATTERN, NotOpened, name_of, sealed


@pytest.fixture
def keys(tmp_path: Path) -> BoxKeys:
    return BoxKeys(tmp_path / "keys/pillar.key")


def box(keys: BoxKeys, text: str = "CANARY", minions: str = "*") -> str:
    return sealed(keys.current().public, Secret(text), minions)


def test_what_an_old_key_sealed_still_opens(keys: BoxKeys, tmp_path: Path) -> None:
    first = box(keys, "one")
    opener = opener_of(tmp_path / "keys/pillar.key")
    found = PATTERN.fullmatch(first)
    assert found is not None
    assert opener("*", found["box"]).reveal() == "one"
    old, new = keys.rotate()
    assert old != new
    assert name_of(keys.current().public) == new
    second = PATTERN.fullmatch(box(keys, "two"))
    assert second is not None
    assert opener("*", second["box"]).reveal() == "two"  # by an opener that had read the old key already
    assert opener("*", found["box"]).reveal() == "one"
    keys.rotate()
    assert [opener("*", one["box"]).reveal() for one in (found, second)] == ["one", "two"]
    assert len(keys.names()) == 3


def test_a_key_that_is_gone_is_named(keys: BoxKeys, tmp_path: Path) -> None:
    found = PATTERN.fullmatch(box(keys))
    assert found is not None
    old, new = keys.rotate()
    (tmp_path / "keys/pillar.key.old" / old).unlink()
    with pytest.raises(NotOpened, match=f"sealed for the key {old}, and this master has {new}"):
        keys.open("*", found["box"])


def test_no_key_at_all_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing"):
        opener_of(tmp_path / "none.key")("*", "AAAAAAAA")


def test_a_rotation_that_was_cut_off_is_done_by_the_next(keys: BoxKeys, tmp_path: Path) -> None:
    name = name_of(keys.current().public)
    (tmp_path / "keys/pillar.key.old").mkdir(mode=0o700)
    os.link(tmp_path / "keys/pillar.key", tmp_path / "keys/pillar.key.old" / name)
    assert keys.rotate()[0] == name
    assert len(keys.names()) == 2


def test_the_keys_are_nobody_elses(keys: BoxKeys, tmp_path: Path) -> None:
    keys.current()
    keys.rotate()
    for path in (tmp_path / "keys").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_files_are_sealed_anew_and_nothing_else_in_them_changes(keys: BoxKeys, tmp_path: Path) -> None:
    first, other = box(keys, "one", "web*"), box(keys, "two")
    keys.rotate()
    third = box(keys, "three")
    path = tmp_path / "a.sls"
    folded = f"{other[:30]}\n    {other[30:]}"
    path.write_text(f"a: {first}  # é\nb: >-\n    {folded}\nc: x{third}y\n")
    path.chmod(0o640)
    plain = tmp_path / "b.sls"
    plain.write_bytes(b"\xff no sealed value\n")
    files = [str(path), str(plain)]
    assert [(one.line, one.minions) for one in written(files)] == [(1, "web*"), (3, "*"), (5, "*")]
    current = name_of(keys.current().public)
    assert [one.line for one in reseal(files, current, keys.resealed)] == [1, 3]
    text = path.read_text()
    assert {one.key for one in written(files)} == {current}
    assert third in text
    assert first not in text
    assert [keys.open(found["minions"], found["box"]).reveal() for found in PATTERN.finditer(text)] == [
        "one",
        "two",
        "three",
    ]
    assert path.stat().st_mode & 0o777 == 0o640
    assert text.startswith("a: SEALED[web*:")
    assert "  # é\nb: >-\n    SEALED[" in text
    assert reseal(files, current, keys.resealed) == []
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.sls", "b.sls", "keys"]


def test_a_value_that_does_not_open_leaves_its_file_as_it_is(keys: BoxKeys, tmp_path: Path) -> None:
    path = tmp_path / "a.sls"
    path.write_text(f"a: {box(keys)}\n")
    before = path.read_text()
    keys.rotate()
    shutil.rmtree(tmp_path / "keys/pillar.key.old")
    with pytest.raises(PermanentError, match="sealed for the key"):
        reseal([str(path)], name_of(keys.current().public), keys.resealed)
    assert path.read_text() == before
