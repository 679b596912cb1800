"""The steps of `image.present`, as a table, and what is refused before a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from modules import file, image
from saltern.converge.plan import UNSET, Call, call
from saltern.errors import SalternError
from states.image import File, Making, checked, steps
from tests.plans import context

SUM = "sha256:" + "a" * 64
RIGHT = File(SUM, "qcow2", True, "root", UNSET, "0644")


def how(tmp_path: Path) -> Making:
    return Making(context(tmp_path), "/srv/a", "https://h/a", SUM, "qcow2", None, 60.0)


@pytest.mark.parametrize(
    ("current", "expected"),
    [
        (RIGHT, []),
        (replace(RIGHT, noted=False), [call(image.note, "/srv/a", (SUM,), "qcow2")]),
        (replace(RIGHT, mode="0600"), [call(file.set_attributes, "/srv/a", mode="0644")]),
    ],
)
def test_an_image_that_is_as_declared_is_only_noted_or_dressed(
    tmp_path: Path, current: File, expected: list[Call]
) -> None:
    assert [step.do for step in steps(current, RIGHT, how(tmp_path))] == expected


@pytest.mark.parametrize("current", [None, replace(RIGHT, origin="sha256:b"), replace(RIGHT, format="raw")])
def test_one_that_is_missing_or_another_is_made_whole(tmp_path: Path, current: File | None) -> None:
    given = how(tmp_path)
    made = call(
        image.make,
        given.ctx,
        "/srv/a",
        "https://h/a",
        digest=SUM,
        format="qcow2",
        convert_to=None,
        replace=current is not None,
        origins=(SUM,),
        timeout_s=60.0,
        user="root",
        mode="0644",
    )
    assert [step.do for step in steps(current, RIGHT, given)] == [made]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("/a", {"source": "https://h/a"}, "needs `source_hash`"),
        ("/a", {"source": "/b", "source_hash": "md5:0"}, "not a checksum"),
        ("/a", {"source": "salt://../a"}, "inside the state tree"),
        ("a", {"source": "/b"}, "not an absolute path"),
        ("/a", {"source": "/b", "datastore": 100}, "it is relative"),
        ("../a", {"source": "/b", "datastore": 100}, "not the name of an image"),
        (".a", {"source": "/b", "datastore": 100}, "not the name of an image"),
        ("/a", {"source": "/b", "timeout": 0}, "not a time"),
    ],
)
def test_what_can_be_no_image_is_refused_before_the_run(name: str, arguments: dict[str, object], said: str) -> None:
    with pytest.raises(SalternError, match=said):
        checked(name, **arguments)  # type: ignore[arg-type]
