"""The time zone of a node, on files of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from modules import timezone as module
from saltern.errors import SalternError
from states import timezone
from tests.plans import context, converge


@pytest.fixture(autouse=True)
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    zones = tmp_path / "zoneinfo"
    for name in ("Europe/Berlin", "UTC", "Etc/UTC"):
        (zones / name).parent.mkdir(parents=True, exist_ok=True)
        (zones / name).write_text("TZif2")
    (zones / "tzdata.zi").write_text("# version x\nZ Europe/Berlin 0:53 - LMT\nZ Etc/UTC 0 - UTC\nL Etc/UTC UTC\n")
    (tmp_path / "timezone").write_text("Etc/UTC\n")
    for name, path in (("LOCALTIME", "localtime"), ("NAMED", "timezone"), ("ZONES", "zoneinfo")):
        monkeypatch.setattr(module, name, str(tmp_path / path))
    return tmp_path


def test_the_zone_is_set_in_both_places(etc: Path) -> None:
    assert module.get_zone() == "UTC"
    converge(timezone.system, context(etc), "Europe/Berlin")
    assert os.readlink(etc / "localtime") == f"{etc}/zoneinfo/Europe/Berlin"
    assert (etc / "timezone").read_text() == "Europe/Berlin\n"
    converge(timezone.system, context(etc), "UTC")
    assert module.get_zone() == "UTC"


def test_a_copy_in_the_place_of_the_link_is_replaced(etc: Path) -> None:
    (etc / "localtime").write_text("TZif2")
    assert module.get_zone() == ""
    converge(timezone.system, context(etc), "Europe/Berlin")
    assert (etc / "localtime").is_symlink()


@pytest.mark.parametrize("name", ["Europe/Berlim", "../etc/passwd", "/etc/passwd", "Europe", ""])
def test_a_zone_that_is_not_there_is_refused(etc: Path, name: str) -> None:
    with pytest.raises(SalternError, match="there is no time zone"):
        timezone.system(context(etc), name)
    assert module.list_zones() == ["Etc/UTC", "Europe/Berlin", "UTC"]
