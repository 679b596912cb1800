"""The rules of YAML as Salt reads it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from saltern.errors import SourceError
from saltern.sls.source import Source
from saltern.sls.yaml_loader import Document, load

SCALARS = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | st.text(max_size=12)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def read(text: str) -> Document:
    return load(Source("a.sls", text))


def data(text: str) -> Any:
    return read(text).data


@given(DATA, st.booleans())
def test_what_pyyaml_writes_is_read_back(value: Any, flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, sort_keys=False)
    assert data(text) == value


@given(st.text("0123456789abcdefxXoO_+-.:~<=tTrRuUeEnNlLyYsSfF", min_size=1, max_size=8))
def test_plain_scalars_mean_what_pyyaml_makes_of_them(text: str) -> None:
    try:
        theirs = yaml.load(f"k: {text}", yaml.CSafeLoader)["k"]
    except (yaml.YAMLError, ValueError, OverflowError):
        return
    if type(theirs).__name__ in ("date", "datetime") or _is_octal(text):
        return
    mine = data(f"k: {text}")["k"]
    assert (type(mine), repr(mine)) == (type(theirs), repr(theirs))


def _is_octal(text: str) -> bool:
    digits = text.lstrip("+-").replace("_", "")
    return len(digits) > 1 and digits.startswith("0") and digits.isdigit()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0644", 644),
        ("0755", 755),
        ("00", 0),
        ("-010", -10),
        ("0x1F", 31),
        ("0b11", 3),
        ("0o17", "0o17"),
        ("089", "089"),
        ("1_000", 1000),
        ("1:30", 90),
        ("1.5", 1.5),
        ("1e3", "1e3"),
        ("2024-01-02", "2024-01-02"),
        ("2024-01-02 10:00:00", "2024-01-02 10:00:00"),
        ("yes", True),
        ("Off", False),
        ("y", "y"),
        ("~", None),
        ("", None),
        ("!!str 12", "12"),
        ("!!int '12'", 12),
        ("!!bool 'yes'", True),
        ("! 12", "12"),
        ("'12'", "12"),
        ("!!timestamp 2024-01-02", "2024-01-02"),
        ("!!binary aGk=", b"hi"),
        ("!!set {a, b}", ["a", "b"]),
        ("!!omap [a: 1, b: 2]", {"a": 1, "b": 2}),
    ],
)
def test_scalars_are_read_as_salt_reads_them(text: str, value: Any) -> None:
    found = data(f"k: {text}")["k"]
    assert (type(found), found) == (type(value), value)


def test_a_merge_key_gives_way_to_own_keys_and_to_the_earlier_of_several() -> None:
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  z: 3\n  <<: [*a, *b]\n"
    assert data(text)["c"] == {"x": 1, "y": 1, "z": 3}


def test_keys_keep_their_order() -> None:
    assert list(data("b: 1\na: 2\nc: 3\n")) == ["b", "a", "c"]


def test_an_empty_text_is_nothing() -> None:
    assert data("") is None
    assert data("# only a comment\n") is None


def test_every_key_and_item_knows_its_place() -> None:
    document = read("a:\n  b.c:\n    - d: 1\n      e: 2\n    - f\n")
    root = document.data
    listed = root["a"]["b.c"]
    assert str(document.place(root, "a")) == "a.sls:1:1"
    assert str(document.place(root["a"], "b.c")) == "a.sls:2:3"
    assert str(document.place(listed[0], "e")) == "a.sls:4:7"
    assert str(document.place(listed, 1)) == "a.sls:5:7"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a:\n\tb: 1\n", "a.sls:2:1", "line 2 has a tab"),
        ("a:\n  b: 1\n  \tc: 1\n", "a.sls:3:3", "YAML is indented by spaces"),
        ("a: 1\nb: 2\na: 3\n", "a.sls:3:1", "the key 'a' stands here again, first at line 1"),
        ("x:\n  - a: 1\n    a: 2\n", "a.sls:3:5", "first at line 2"),
        ("a: *nope\n", "a.sls:1:4", "there is no anchor &nope"),
        ("'a': 1\n*: 2\n", "a.sls:2:2", "Quote a text that begins with *"),
        ("a: !!python/object/apply:os.system [id]\n", "a.sls:1:4", "the tag !!python/object/apply:os.system is not"),
        ("a: !secret x\n", "a.sls:1:4", "the tag !secret is not allowed"),
        ("a:\n  b: 1\n c: 2\n", "a.sls:3:2", "begin in the same column"),
        ("a: b: c\n", "a.sls:1:5", "indented"),
        ("a: 'b\n", "a.sls:2:1", "A quote is not closed"),
        ("a: {{ b }}\n", "a.sls:1:5", "can't be a key"),
        ("a: 1\n---\nb: 1\n", "a.sls:2:1", "a second YAML document"),
        ("a: &a [*a]\n", "a.sls:1:8", "inside what it names"),
        ("a: %x\n", "a.sls:1:4", "Quote a text"),
        ("a: \x01\n", "a.sls:1:4", "Only printable"),
        ("a: " + "[" * 101 + "]" * 101, "a.sls:1:103", "nested more than 100 levels"),
        ("a: !!int x\n", "a.sls:1:4", "'x' is no int"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(SourceError) as caught:
        data(text)
    assert str(caught.value).startswith(place + ": ")
    assert words in str(caught.value)


def test_the_excerpt_points_at_the_column() -> None:
    with pytest.raises(SourceError) as caught:
        data("first: 1\nsecond:\n  \tthird: 1\n")
    assert caught.value.excerpt == "2 | second:\n3 |   →third: 1\n  |   ^"


def test_aliases_that_multiply_are_stopped_by_a_limit_that_says_so() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(SourceError, match="multiply the document beyond 1000000 nodes"):
        data("\n".join(lines))


def assert_read_or_refused(text: str) -> None:
    try:
        data(text)
    except SourceError as refused:
        error = refused
    else:
        return
    assert str(error).startswith("a.sls:")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_with_a_source_error(text: str) -> None:
    assert_read_or_refused(text)


@given(st.text("ab: -\n\t[]{}&*!|>'\"#%@,?~<0", max_size=40))
def test_any_yaml_like_text_is_read_or_refused_with_a_source_error(text: str) -> None:
    assert_read_or_refused(text)
