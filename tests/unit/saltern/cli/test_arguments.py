"""How the words of a command line become arguments."""

from __future__ import annotations

import json
import string

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from saltern.cli.arguments import parse, value
from saltern.errors import UsageError


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("5", 5),
        ("-5", -5),
        ("+5", 5),
        ("0", 0),
        ("0644", 0o644),
        ("0x1f", 31),
        ("0b101", 5),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("1.0e+3", 1000.0),
        ("true", True),
        ("Yes", True),
        ("OFF", False),
        ("null", None),
        ("~", None),
        ("None", None),
        ("[1,2]", [1, 2]),
        ("[a, 'b c']", ["a", "b c"]),
        ("{a: b}", {"a": "b"}),
        ('{"a": [1, {"b": null}]}', {"a": [1, {"b": None}]}),
        ("[2026-01-02]", ["2026-01-02"]),
        ("'5'", "5"),
        ('"a\\tb"', "a\tb"),
        ("'a # b'", "a # b"),
        ("[]", []),
        ("{}", {}),
    ],
)
def test_a_value_is_read_as_yaml(text: str, meant: object) -> None:
    read = value(text)
    assert read == meant
    assert type(read) is type(meant)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a",
        "ls -l /tmp",
        "a: b",
        "- a",
        "a # b",
        "#",
        "# a",
        "[1] # one",
        "[1] # ]",
        "'a' # 'b'",
        "5 # five",
        "[1, 2",
        "{a: b",
        "{{ grains.os }}",
        "[a]b",
        "'a' b",
        "'",
        '"',
        "[",
        "{",
        "|",
        ">",
        "!",
        "!!python/object:os.system",
        "[!!python/name:os.system ]",
        "[!!binary aGk=]",
        "&a",
        "*",
        "*a",
        "&a [*a]",
        "[&a [*a]]",
        "@x",
        "`x`",
        "%x",
        "12:30",
        "1:30:00",
        "1_000",
        "2026-01-02",
        "2026-01-02 10:00:00",
        ".inf",
        "-.inf",
        ".nan",
        "[.nan]",
        "1e5",
        "0899",
        "0o17",
        "1.2.3",
        "192.168.43.1",
        "52:54:00:12:34:56",
        "a\nb",
        "[1,\n2]",
        "-",
        "+",
        ".",
        "...",
        "---",
        "--flag",
        "y",
        "n",
        "٣",
        "5\n",
        "[\x0c",
        "[\x00]",
        "[" * 5000,
        "1" * 5000,
        "1" * 400 + ".5",
    ],
)
def test_a_value_that_yaml_would_change_or_lose_stays_text(text: str) -> None:
    assert value(text) == text
    assert isinstance(value(text), str)


def test_words_with_an_identifier_and_an_equals_sign_are_keyword_arguments() -> None:
    assert parse(["a", "n=5", "pillar={a: 1}", "x=", "y=a=b"]) == (
        ["a"],
        {"n": 5, "pillar": {"a": 1}, "x": "", "y": "a=b"},
    )


@pytest.mark.parametrize("word", ["a==b", "1=2", "/etc=x", "a b=c", "a-b=c", "=x", "https://h/?q=1", "--x=1"])
def test_other_words_with_an_equals_sign_are_positional(word: str) -> None:
    assert parse([word]) == ([word], {})


def test_an_argument_given_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="name= is given twice"):
        parse(["name=a", "name=b"])


@given(st.text(alphabet=string.printable + "äß€\u2028\x85\0", max_size=40))
def test_any_text_gives_a_value_that_json_can_carry(text: str) -> None:
    json.dumps(value(text), allow_nan=False)


@given(st.text(alphabet="ab[]{}'\",: #-+.0123456789xeEtruyn~|&*!%@_\\", max_size=12))
def test_a_value_that_is_no_text_is_what_yaml_says_it_is(text: str) -> None:
    read = value(text)
    if not isinstance(read, str) and text != "None":
        assert read == yaml.safe_load(text)


LETTERS = st.text(string.ascii_letters, min_size=1, max_size=5)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | LETTERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LETTERS, inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=3) | st.dictionaries(LETTERS, JSON, max_size=3))
def test_json_collections_are_read_as_they_are(meant: object) -> None:
    assert value(json.dumps(meant)) == meant
