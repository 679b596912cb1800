"""The plans of package states."""

from __future__ import annotations

from typing import Any

import pytest

from modules import pkg as module
from modules._pkg.debian import parse_status
from saltern.converge.plan import call
from saltern.errors import SalternError
from states.pkg import Installed, install_steps, installed_values, latest_values, remove_steps, wishes

THERE = parse_status("ii \tnfs-common\t1:2.6\tamd64\tnfs-client\nii \tvlan\t2.0\tall\t\n")


def steps(wanted: dict[str, str], **options: Any) -> list[Any]:
    current, wish = installed_values(THERE, wanted)
    found = list(install_steps(current, wish, wanted, **options))
    assert bool(found) == (current != wish)
    return [step.do for step in found]


@pytest.mark.parametrize(
    ("wanted", "todo"),
    [
        ({"vlan": ""}, {}),
        ({"nfs-client": "", "vlan": ">=1"}, {}),
        ({"bridge-utils": ""}, {"bridge-utils": ""}),
        ({"vlan": "", "a": "", "b": "1.2"}, {"a": "", "b": "1.2"}),
        ({"vlan": "2.1"}, {"vlan": "2.1"}),
        ({"vlan": ">=2.1"}, {"vlan": ">=2.1"}),
    ],
)
def test_all_that_is_missing_is_installed_in_one_step(wanted: dict[str, str], todo: dict[str, str]) -> None:
    assert steps(wanted) == ([call(module.install, pkgs=todo)] if todo else [])


def test_what_was_named_is_passed_on() -> None:
    options = {"refresh": True, "fromrepo": "bookworm-backports", "install_recommends": False}
    assert steps({"a": ""}, **options) == [call(module.install, pkgs={"a": ""}, **options)]


def test_all_that_is_there_is_removed_in_one_step() -> None:
    (step,) = remove_steps({"a": Installed("1"), "b": None, "c": Installed("2")}, purge=False)
    assert step.do == call(module.remove, pkgs=("a", "c"))
    (step,) = remove_steps({"a": Installed("configuration files")}, purge=True)
    assert step.do == call(module.purge, pkgs=("a",))
    assert list(remove_steps({"b": None}, purge=False)) == []


def test_packages_are_named_alone_in_a_list_or_with_versions() -> None:
    assert wishes("vlan", None, None) == {"vlan": ""}
    assert wishes("vlan", None, 2.0) == {"vlan": "2.0"}
    assert wishes("tools", ["aa", {"bb": 1.5}, {"cc": None}], None) == {"aa": "", "bb": "1.5", "cc": ""}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--purge", None, None), "not the name of a package"),
        (("x", ["a-"], None), "not the name of a package"),
        (("x", ["a"], "1"), "`version` is for one package"),
    ],
)
def test_what_cant_be_meant_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(SalternError, match=message):
        wishes(*arguments)


@pytest.mark.parametrize(
    ("newest", "todo"),
    [
        ({"nfs-common": "1:2.6", "curl": "8"}, {"curl": "8"}),
        ({"nfs-common": "1:2.6.3", "curl": "8"}, {"nfs-common": "1:2.6.3", "curl": "8"}),
        ({}, {"curl": ""}),
    ],
)
def test_the_newest_version_is_asked_for_where_another_is_there(newest: dict[str, str], todo: dict[str, str]) -> None:
    current, wish, wanted = latest_values(THERE, ["nfs-common", "curl"], newest)
    assert [step.do for step in install_steps(current, wish, wanted)] == [call(module.install, pkgs=todo)]
