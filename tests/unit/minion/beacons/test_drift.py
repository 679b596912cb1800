"""What the beacon `drift` tells of two looks, and what it makes of what a look says."""

from __future__ import annotations

from typing import Any

import pytest

from minion.beacons import drift
from minion.beacons.drift import Drift, changes, differing
from modules._beacon.away import StillAway
from saltern.errors import PermanentError

TAG = "file_|-motd_|-/etc/motd_|-managed"


def one(result: bool | None, comment: str = "it would be changed", **changes: Any) -> dict[str, Any]:
    return {
        "result": result,
        "comment": comment,
        "changes": changes,
        "name": "/etc/motd",
        "__id__": "motd",
        "__sls__": "base.motd",
    }


def test_only_what_differs_is_found() -> None:
    assert differing({TAG: one(True)}) == {}
    [found] = differing({TAG: one(None, diff="+x")}).values()
    assert found == {
        "name": "/etc/motd",
        "state": "file.managed",
        "id": "motd",
        "sls": "base.motd",
        "comment": "it would be changed",
    }
    assert differing({TAG: one(False, "can't be read")})[TAG]["comment"] == "can't be read"


def test_a_difference_is_told_once_and_its_end_too() -> None:
    first, other = differing({TAG: one(None)}), differing({TAG: one(None, "otherwise")})
    assert [told["differs"] for told in changes({}, first)] == [True]
    assert list(changes(first, first)) == []
    assert [(told["differs"], told["comment"]) for told in changes(first, other)] == [(True, "otherwise")]
    assert [(told["differs"], told["name"]) for told in changes(other, {})] == [(False, "/etc/motd")]


@pytest.mark.parametrize(
    ("said", "error"),
    [(b"", "exit code 1 and told nothing"), (b'{"error": "no trees"}', "no trees"), (b"{", "told nothing")],
)
def test_a_look_that_told_nothing_is_an_error(said: bytes, error: str) -> None:
    with pytest.raises(PermanentError, match=error):
        drift._read_answer(said, 1)


def test_a_look_that_could_not_ask_the_master_is_made_again_and_forgets_nothing() -> None:
    with pytest.raises(StillAway, match="the master, and that is away"):
        drift._read_answer(b'{"away": "a state asks the master, and that is away now"}', 0)


def test_a_look_beside_a_state_run_changes_nothing_of_what_is_known() -> None:
    assert drift._read_answer(b'{"differs": null}', 0) is None


@pytest.mark.parametrize("options", [{"mods": 1}, {"mods": [""]}, {"timeout": 0}, {"timeout": True}, {"mod": []}])
def test_options_that_make_no_sense_are_errors(options: dict[str, Any], tmp_path: Any) -> None:
    with pytest.raises(PermanentError, match=r"`mods`|`timeout`|no option 'mod'"):
        Drift(options, tmp_path, "n1")
