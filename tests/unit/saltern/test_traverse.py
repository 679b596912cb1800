"""How a path of keys finds its value."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.traverse import traverse

DATA: dict[Any, Any] = {
    "net": {"bridges": [{"name": "br43", "vlan": 43}, {"name": "br46"}], "mtu": 1500, "none": None},
    "addresses": {"fe80::1": "eth0", "fe80": {"x": 1}},
    43: "vlan",
    "names": ["a", "b"],
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("net:mtu", 1500),
        ("net:bridges:0:name", "br43"),
        ("net:bridges:-1:name", "br46"),
        ("net:bridges:vlan", 43),
        ("names:1", "b"),
        ("43", "vlan"),
        ("addresses:fe80::1", "eth0"),
        ("addresses:fe80:x", 1),
        ("", DATA),
    ],
)
def test_a_path_leads_to_its_value(path: str, value: object) -> None:
    assert traverse(DATA, path) == value


@pytest.mark.parametrize("path", ["nix", "net:nix", "net:mtu:deeper", "net:bridges:2", "net:bridges:nix", "names:0:a"])
def test_what_is_missing_gives_the_default(path: str) -> None:
    assert traverse(DATA, path, "default") == "default"


def test_a_value_of_none_is_found_and_not_missing() -> None:
    assert traverse(DATA, "net:none", "default") is None


def test_another_delimiter_divides_the_path() -> None:
    assert traverse(DATA, "net|bridges|1|name", delimiter="|") == "br46"


KEYS = st.text(alphabet="ab:0-", min_size=1, max_size=4)
TREES = st.recursive(
    st.integers(), lambda inner: st.dictionaries(KEYS, inner, max_size=3) | st.lists(inner, max_size=3), max_leaves=8
)


@given(TREES, st.text(alphabet="ab:0-1", max_size=12))
def test_no_path_breaks_the_walk(data: object, path: str) -> None:
    traverse(data, path)


@given(TREES, st.lists(st.sampled_from(["x", "y", "z"]), min_size=1, max_size=4))
def test_every_value_put_at_a_path_is_found_there(leaf: object, keys: list[str]) -> None:
    data = leaf
    for key in reversed(keys):
        data = {key: data}
    assert traverse(data, ":".join(keys)) == leaf
