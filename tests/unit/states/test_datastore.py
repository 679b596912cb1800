"""The steps of `datastore.present` and `datastore.absent`, as tables, and what is refused before a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from modules import datastore
from modules._datastore.register import DatastoreError, Entry
from modules._file.owner import BadMode
from saltern.converge.plan import Call, call
from states.datastore import Datastore, checked, gone_steps, steps

ENTRY = Entry(kind="image", path="/srv/100", mount="filer:/images")
RIGHT = Datastore(ENTRY, True, "oneadmin", "oneadmin", "0750")
NOTE = call(datastore.put, "/register", "100", ENTRY)


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (RIGHT, []),
        (replace(RIGHT, entry=None), [NOTE]),
        (replace(RIGHT, entry=replace(ENTRY, kind="file")), [NOTE]),
        (replace(RIGHT, user="root"), [call(datastore.own, "/srv/100", user="oneadmin")]),
        (
            Datastore(None, False),
            [
                call(datastore.make, "/srv/100"),
                call(datastore.own, "/srv/100", user="oneadmin"),
                call(datastore.own, "/srv/100", group="oneadmin"),
                call(datastore.own, "/srv/100", mode="0750"),
                NOTE,
            ],
        ),
    ],
)
def test_only_what_differs_is_done_and_the_register_comes_last(current: Datastore, expected: list[Call]) -> None:
    assert [step.do for step in steps("/register", "100", current, RIGHT)] == expected


def test_absent_only_forgets() -> None:
    assert [step.do for step in gone_steps("/r", "100", ENTRY)] == [call(datastore.put, "/r", "100", None)]
    assert list(gone_steps("/r", "100", None)) == []


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("a/b", {"path": "/x"}, "not the number or name"),
        ("1", {}, "either by `path` or by `pool`"),
        ("1", {"path": "/x", "pool": "p"}, "either by `path` or by `pool`"),
        ("1", {"path": "/"}, "not a directory for it"),
        ("1", {"path": "/a\nb"}, "not a directory for it"),
    ],
)
def test_what_can_be_no_datastore_is_refused_before_the_run(name: str, arguments: dict[str, str], said: str) -> None:
    with pytest.raises(DatastoreError, match=said):
        checked(name, kind="image", **arguments)
    with pytest.raises(BadMode):
        checked("1", kind="image", path="/x", mode="9")
