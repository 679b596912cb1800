"""URIs of the state tree, and the paths below a folder."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.context import FileSource, iter_under, split_uri


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("salt://top.sls", ("top.sls", "base")),
        ("salt://web/nginx.conf", ("web/nginx.conf", "base")),
        ("salt://web/nginx.conf?saltenv=dev", ("web/nginx.conf", "dev")),
        ("salt://web/a b?c", ("web/a b?c", "base")),
        ("salt://a?saltenv=", ("a", "base")),
    ],
)
def test_a_uri_is_a_path_and_an_environment(uri: str, wanted: tuple[str, str]) -> None:
    assert split_uri(uri) == wanted


def test_the_environment_of_the_job_is_the_default() -> None:
    assert split_uri("salt://a", "dev") == ("a", "dev")
    assert split_uri("salt://a?saltenv=base", "dev") == ("a", "base")


@pytest.mark.parametrize(
    "uri",
    [
        "", "a", "/etc/passwd", "http://a/b", "xsalt://a", "salt:/a", "salt://", "salt:///etc/passwd", "salt://../a",
        "salt://a/../b", "salt://a/..", "salt://./a", "salt://a//b", "salt://a/", "salt://a\\b", "salt://a\0b",
        "salt://?saltenv=dev", "salt://a?saltenv=../x", "salt://a?saltenv=Dev", "salt://a?saltenv=b?saltenv=c",
    ],
)  # fmt: skip
def test_what_leaves_the_tree_is_refused(uri: str) -> None:
    with pytest.raises(ValueError):
        split_uri(uri)


@given(st.text(alphabet="ab./\\?\0=", max_size=15))
def test_an_accepted_path_stays_below_the_root(path: str) -> None:
    try:
        found, _ = split_uri(f"salt://{path}")
    except ValueError:
        return
    parts = PurePosixPath("/srv", found).parts
    assert parts[:2] == ("/", "srv")
    assert len(parts) > 2
    assert ".." not in parts


class Tree:
    def list(self, saltenv: str = "base") -> tuple[str, ...]:
        return ("top.sls", "web.sls", "web/a", "web/b/c", "web2/d") if saltenv == "base" else ()


@pytest.mark.parametrize(
    ("folder", "wanted"),
    [
        ("web", ["web/a", "web/b/c"]),
        ("web/", ["web/a", "web/b/c"]),
        ("web/b", ["web/b/c"]),
        ("we", []),
        ("", ["top.sls", "web.sls", "web/a", "web/b/c", "web2/d"]),
    ],
)
def test_the_paths_below_a_folder(folder: str, wanted: list[str]) -> None:
    files = cast(FileSource, Tree())
    assert list(iter_under(files, folder, "base")) == wanted
    assert list(iter_under(files, folder, "dev")) == []
