"""What differs, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from ipaddress import ip_interface
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.converge.compare import changes, differences, hidden, plain, told
from saltern.converge.plan import UNSET, Unset
from saltern.secret import MASK, Secret


@dataclass(frozen=True)
class Port:
    """A nested value."""

    vlan: int | Unset = UNSET
    tagged: bool | Unset = UNSET


@dataclass(frozen=True)
class Bridge:
    """A value of a state; `index` is not compared."""

    ports: frozenset[str] | Unset = UNSET
    uplink: Port | Unset = UNSET
    index: int = field(default=0, compare=False)


class Text:
    """A value that knows how to show its change."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and self.text == other.text

    __hash__ = None  # type: ignore[assignment]

    def diff(self, new: Text) -> str:
        return f"-{self.text}\n+{new.text}"


@dataclass(frozen=True)
class Document:
    """A value with such a field."""

    text: Text | Unset = UNSET
    mode: str | Unset = UNSET


class Level(Enum):
    """An enumeration."""

    HIGH = "high"


def test_fields_that_are_not_managed_do_not_differ() -> None:
    now = Bridge(frozenset({"eth0"}), Port(3, True), 7)
    assert differences(now, Bridge()) == {}
    assert differences(now, Bridge(uplink=Port(3))) == {}
    assert differences(now, Bridge(uplink=Port(4))) == {"uplink": (Port(3, True), Port(4))}
    assert differences(now, Bridge(frozenset())) == {"ports": (frozenset({"eth0"}), frozenset())}


@pytest.mark.parametrize(
    ("current", "wish", "expected"),
    [
        (None, None, {}),
        (None, Port(1), {"": (None, Port(1))}),
        (Port(1), None, {"": (Port(1), None)}),
        ("a", "b", {"": ("a", "b")}),
        (Port(1), Bridge(), {"": (Port(1), Bridge())}),
        ({"a": 1, "b": 2}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2, "b": None}, {"a": (1, 2)}),
        (Port(1), UNSET, {}),
    ],
)
def test_what_has_no_fields_in_common_differs_as_a_whole(current: Any, wish: Any, expected: Any) -> None:
    assert differences(current, wish) == expected


@pytest.mark.parametrize(
    ("before", "after", "wish", "expected"),
    [
        (None, Port(1, True), Port(1), {"vlan": {"old": None, "new": 1}}),
        (Port(), Port(1), Port(1), {"vlan": {"old": None, "new": 1}}),
        (Port(1), Port(2, True), Port(2), {"vlan": {"old": 1, "new": 2}}),
        (Port(1, True), None, None, {"br0": {"old": {"vlan": 1, "tagged": True}, "new": None}}),
        (None, Port(), Port(), {"br0": {"old": None, "new": {}}}),
        ("a", "b", "b", {"br0": {"old": "a", "new": "b"}}),
        ({"a": 1, "x": 1}, {"a": 2, "x": 2}, {"a": 2}, {"a": {"old": 1, "new": 2}}),
        (Document(Text("a")), Document(Text("b")), Document(Text("b")), {"diff": "-a\n+b"}),
        (
            None,
            Document(Text("a"), "0644"),
            Document(Text("a"), "0644"),
            {"diff": "New file", "mode": {"old": None, "new": "0644"}},
        ),
        (Port(1), Port(1), Port(2), {}),
    ],
)
def test_changes_have_salts_shape(before: Any, after: Any, wish: Any, expected: Any) -> None:
    assert changes("br0", before, after, wish) == expected


def test_values_are_shown_as_json_knows_them() -> None:
    value = {
        1: {"b", "a"},
        "path": Path("/x"),
        "net": ip_interface("10.0.0.1/24"),
        "level": Level.HIGH,
        "raw": b"a\xff",
        "thing": Bridge(frozenset({"z", "y"})),
        "secret": [Secret("x")],
    }
    assert plain(value) == {
        "1": ["a", "b"],
        "path": "/x",
        "net": "10.0.0.1/24",
        "level": "high",
        "raw": "a\\xff",
        "thing": {"ports": ["y", "z"], "index": 0},
        "secret": [MASK],
    }


def test_differences_are_told_by_field() -> None:
    assert told({"up": (False, True), "": (None, "x")}) == "up: is False, should be True\nis absent, should be 'x'"
    assert len(told({"text": ("a" * 5000, "b")})) < 300
    assert "hunter22" not in told({"password": (Secret("hunter22"), Secret("other"))})


def test_secrets_are_masked_in_the_texts_of_others() -> None:
    assert hidden("password abc, abcd", ["abc", "abcd"]) == f"password {MASK}, {MASK}"
    assert hidden("an x", ["x", ""]) == "an x"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.just(Secret("c4n4ry")) | st.just(UNSET),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text() | st.integers(), inner)
        | st.builds(Port, inner, inner)
        | st.frozensets(st.integers() | st.text())
    ),
    max_leaves=20,
)


@given(values, values)
def test_whatever_is_shown_is_json_without_secrets(one: Any, other: Any) -> None:
    shown = [plain(one), changes("it", one, other, other), told(differences(one, other))]
    assert "c4n4ry" not in json.dumps(shown)


@given(values)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert differences(value, value) == {}
    assert changes("it", value, value, value) == {}


@given(values, values)
def test_where_something_differs_something_is_told(one: Any, other: Any) -> None:
    left = differences(one, other)
    assert bool(left) == bool(told(left))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        assert set(left) <= {str(key) for key in other}
