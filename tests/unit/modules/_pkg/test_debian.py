"""What dpkg and apt print, and how versions compare."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules._pkg import debian
from modules._pkg.debian import compare, parse_policy, parse_status, satisfies, version_of

STATUS = (
    "ii \tnfs-common\t1:2.6.2-4\tamd64\tnfs-client\n"
    "hi \tlinux-image\t6.1-1\tamd64\t\n"
    "rc \told-thing\t1.0\tall\t\n"
    "un \tnever\t\t\t\n"
    "iU \thalf\t2\tamd64\t\n"
    "iiR\tbroken\t2\tamd64\t\n"
    "ii \tlibc6\t2.36\ti386\t\n"
    "ii \tpython3-x\t3\tall\tpython3.11-x (= 3.11), x-api:any (= 2), yy\n"
)


def test_dpkgs_list_is_read_with_its_states_and_virtual_names() -> None:
    found = {package.name: package for package in parse_status(STATUS)}
    assert {name for name, package in found.items() if package.installed} == {
        "nfs-common",
        "linux-image",
        "libc6",
        "python3-x",
    }
    assert "never" not in found
    assert found["python3-x"].provides == {"python3.11-x": "3.11", "x-api": "2", "yy": ""}


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("nfs-common", "1:2.6.2-4"),
        ("nfs-client", "1:2.6.2-4"),
        ("x-api", "2"),
        ("libc6", "2.36"),
        ("libc6:i386", "2.36"),
        ("libc6:amd64", None),
        ("python3-x:amd64", "3"),
        ("old-thing", None),
        ("half", None),
        ("nix", None),
    ],
)
def test_a_package_is_installed_by_its_own_name_or_a_virtual_one(name: str, version: str | None) -> None:
    assert version_of(parse_status(STATUS), name) == version


@pytest.mark.parametrize("name", ["bash", "g++", "libstdc++6", "python3.11", "libc6:i386", "0ad"])
def test_names_of_packages_are_taken(name: str) -> None:
    assert debian.is_name(name)


@pytest.mark.parametrize("name", ["", "bash-", "-y", "--purge", "Bash", "a b", "a=1", "a/b", "a;b", "a*", "^a$", "a\n"])
def test_what_apt_would_take_for_something_else_is_no_name(name: str) -> None:
    assert not debian.is_name(name)


ORDERED = ["1.0~rc1-1", "1.0", "1.0-1", "1.0-1+b2", "1.0-1.1", "1.0a-1", "1.0+dfsg-1", "1.1", "1.10", "2", "1:0.1"]


def test_versions_are_ordered_as_debian_policy_says() -> None:
    import functools

    assert sorted(set(ORDERED), key=functools.cmp_to_key(compare)) == ORDERED
    assert compare("1.0", "1.00") == 0
    assert compare("0:1", "1") == 0


VERSIONS = st.from_regex(r"([0-9]:)?[0-9][0-9a-z.+~]{0,5}(-[0-9a-z+.~]{1,3})?", fullmatch=True)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="needs dpkg")
@settings(max_examples=60)
@given(VERSIONS, VERSIONS)
def test_versions_compare_as_dpkg_compares_them(left: str, right: str) -> None:
    relation = {-1: "lt", 0: "eq", 1: "gt"}[compare(left, right)]
    assert subprocess.run(["dpkg", "--compare-versions", left, relation, right], check=False).returncode == 0


@pytest.mark.parametrize(
    ("version", "wanted", "does"),
    [
        ("1.2-3", "1.2-3", True),
        ("1.2-3", "1.2", False),
        ("1.2-3", "1.2*", True),
        ("1.2-3", ">=1.2", True),
        ("1.2-3", ">= 1.2, <2", True),
        ("2.1", ">=1.2,<2", False),
        ("1.2", "!=1.2", False),
        ("1.2", "==1.2", True),
        ("1.2", ">1.2", False),
    ],
)
def test_a_wanted_version_is_exact_a_glob_or_bounds(version: str, wanted: str, does: bool) -> None:
    assert satisfies(version, wanted) is does


def test_candidates_are_read_from_apts_policy() -> None:
    text = (
        "bash:\n  Installed: 5.2-2\n  Candidate: 5.2-3\n  Version table:\n     5.2-3 500\n"
        "ghost:\n  Installed: (none)\n  Candidate: (none)\n"
    )
    assert parse_policy(text) == {"bash": "5.2-3"}
