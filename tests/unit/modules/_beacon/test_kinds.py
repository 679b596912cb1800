"""Beacons on the real kernel: files by inotify, load, disks and memory."""

from __future__ import annotations

import select
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules._beacon import kinds as beacon_kinds
from modules._beacon.inotify import parsed
from tests.patience import WAIT_S


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    assert all(isinstance(name, str) for _, _, name in parsed(data))


def woken(beacon: Any) -> bool:
    return bool(select.select([beacon.fileno()], [], [], WAIT_S)[0])


def test_a_file_that_changes_comes_and_goes_is_told(tmp_path: Path) -> None:
    file, later = tmp_path / "a", tmp_path / "later"
    file.write_text("1")
    beacon = beacon_kinds.make("inotify", {"files": {str(file): {}, str(later): {"mask": "modify"}}})
    assert list(beacon.look()) == []
    file.write_text("2")
    assert woken(beacon)
    assert {"path": str(file), "change": "modify"} in list(beacon.look())
    later.write_text("x")
    assert {"path": str(later), "change": "create"} in list(beacon.look())
    file.unlink()
    assert woken(beacon)
    assert {"path": str(file), "change": "gone"} in list(beacon.look())
    file.write_text("3")
    assert {"path": str(file), "change": "create"} in list(beacon.look())
    beacon.close()


def test_load_disk_and_memory_are_told_beyond_their_limits() -> None:
    assert list(beacon_kinds.make("load", {"averages": {"1m": [0, 1e9]}}).look()) == []
    assert next(beacon_kinds.make("load", {"averages": {"1m": [-2, -1]}}).look()).keys() == {"1m", "5m", "15m"}
    [disk] = beacon_kinds.make("diskusage", {"/": "0%"}).look()
    assert (disk["mount"], abs(disk["diskusage"] - df("/")) <= 1.1) == ("/", True)
    assert [0 < one["memusage"] < 100 for one in beacon_kinds.make("memusage", {"percent": 0}).look()] == [True]
    assert list(beacon_kinds.make("memusage", {"percent": "100%"}).look()) == []


def df(path: str) -> float:
    done = subprocess.run(["df", "--output=pcent", path], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1].rstrip("%"))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("lod", {}),
        ("load", {}),
        ("load", {"averages": {"2m": [0, 1]}}),
        ("load", {"averages": {"1m": [0]}}),
        ("diskusage", {"/": "all"}),
        ("diskusage", {"home": "1%"}),
        ("memusage", {}),
        ("service", {"services": []}),
        ("service", {"services": ["-x"]}),
        ("inotify", {"files": {"relative": {}}}),
        ("inotify", {"files": {"/x": {"mask": "modfy"}}}),
    ],
)
def test_a_beacon_that_makes_no_sense_is_refused(kind: str, options: dict[str, Any]) -> None:
    with pytest.raises(beacon_kinds.BeaconError):
        beacon_kinds.make(kind, options)
