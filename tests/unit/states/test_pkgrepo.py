"""The steps between a repository as it is and as it should be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modules import file
from modules._file.contents import Contents
from modules._pkg import repos
from modules._pkg.apt_sources import Entry
from saltern.converge.plan import UNSET, call
from states.pkgrepo import Key, Repository, steps

PLACE = "/etc/apt/sources.list.d/x.list"
ENTRY = Entry(type="deb", uri="https://x.example/d", dist="stable", comps=("main",))
OTHER = replace(ENTRY, comps=("main", "extra"))
OFF = replace(ENTRY, disabled=True)


def done(old: Entry | None, new: Entry, key: Key | None = None, *, clean: bool = False, **more: Any) -> list[Any]:
    alone = more.pop("alone", True)
    held = UNSET if key is None else key.has
    current = None if old is None else Repository(line=old.line, disabled=old.disabled, key=held, alone=alone)
    wanted = UNSET if key is None else key.wanted
    wish = Repository(line=new.line, disabled=new.disabled, key=wanted, alone=True if clean else UNSET)
    return [step.do for step in steps(PLACE, old, new, key, current, wish, **more)]


def put(old: Entry | None, new: Entry, *, alone: bool = False, refresh: bool = True) -> Any:
    return call(repos.put_entry, PLACE, old, new, alone=alone, refresh=refresh)


@pytest.mark.parametrize(
    ("old", "new", "more", "wanted"),
    [
        (ENTRY, ENTRY, {}, []),
        (None, ENTRY, {}, [put(None, ENTRY)]),
        (None, ENTRY, {"refresh": False}, [put(None, ENTRY, refresh=False)]),
        (OTHER, ENTRY, {}, [put(OTHER, ENTRY)]),
        (OFF, ENTRY, {}, [put(OFF, ENTRY)]),
        (ENTRY, OFF, {}, [put(ENTRY, OFF)]),
        (ENTRY, ENTRY, {"alone": False}, []),
        (ENTRY, ENTRY, {"clean": True}, []),
        (ENTRY, ENTRY, {"clean": True, "alone": False}, [put(ENTRY, ENTRY, alone=True)]),
    ],
)
def test_only_what_differs_is_changed(old: Entry | None, new: Entry, more: dict[str, Any], wanted: list[Any]) -> None:
    assert done(old, new, **more) == wanted


def test_a_key_comes_before_what_is_proved_by_it(tmp_path: Path) -> None:
    key = Key(path=str(tmp_path / "x.gpg"), data=b"key", has="", wanted="AB")
    write = call(file.put, key.path, Contents(b"key"), mode="0644")
    assert done(None, ENTRY, key) == [write, put(None, ENTRY)]
    assert done(ENTRY, ENTRY, key) == [write, call(repos.fetch_index, ENTRY)]
    assert done(ENTRY, ENTRY, key, refresh=False) == done(OFF, OFF, key) == [write]
    assert done(ENTRY, ENTRY, replace(key, has="AB")) == []
    make, *_ = done(None, ENTRY, replace(key, path=str(tmp_path / "new/x.gpg")))
    assert make == call(file.mkdir, str(tmp_path / "new"))
