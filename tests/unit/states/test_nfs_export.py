"""The steps of `nfs_export.present` and `nfs_export.absent`, as tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from modules import nfs_export
from modules._exports import ExportError
from modules.nfs_export import Export
from saltern.converge.plan import UNSET, Call, call
from states.nfs_export import present, steps
from tests.plans import context

ONE = frozenset({("10.0.0.0/24", ("rw", "sync"))})
TWO = frozenset({("10.0.0.0/24", ("ro",))})
NONE: frozenset[tuple[str, tuple[str, ...]]] = frozenset()
WRITE = call(nfs_export.write, "/x", ONE)
RELOAD = call(nfs_export.reload, "/x")


@pytest.mark.parametrize(
    ("current", "wish", "expected"),
    [
        (None, Export(ONE), [WRITE]),
        (None, Export(ONE, ONE), [WRITE, RELOAD]),
        (Export(ONE), Export(ONE), []),
        (Export(ONE, ONE), Export(ONE, ONE), []),
        (Export(TWO, ONE), Export(ONE, ONE), [WRITE]),
        (Export(ONE, TWO), Export(ONE, ONE), [RELOAD]),
        (Export(ONE, NONE), Export(ONE, ONE), [RELOAD]),
        (Export(TWO, TWO), Export(ONE, ONE), [WRITE, RELOAD]),
        (Export(ONE, ONE), None, [call(nfs_export.write, "/x", None), RELOAD]),
        (Export(ONE), None, [call(nfs_export.write, "/x", None)]),
        (Export(NONE, ONE), None, [RELOAD]),
        (None, None, []),
    ],
)
def test_only_the_file_or_the_server_that_differs_is_changed(
    current: Export | None, wish: Export | None, expected: list[Call]
) -> None:
    assert [step.do for step in steps("/x", current, wish)] == expected


def test_the_steps_show_the_entry_before_and_after() -> None:
    step = next(iter(steps("/x", Export(TWO), Export(ONE, UNSET))))
    assert (step.before, step.after) == ("/x\t10.0.0.0/24(ro)", "/x\t10.0.0.0/24(rw,sync)")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "say to whom"),
        ({"clients": {"h": ["ro"]}, "hosts": ["h"]}, "say to whom"),
        ({"clients": {"h": ["ro"]}, "options": ["rw"]}, "belong to `hosts`"),
        ({"clients": {}}, "no clients"),
    ],
)
def test_clients_are_said_in_one_way(arguments: dict[str, object], words: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=words):
        present(context(tmp_path), "/x", **arguments)  # type: ignore[arg-type]
