"""The rules by which values of YAML are fitted to the types of a state function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Literal

import pytest

from saltern.converge.plan import Unset
from saltern.secret import Secret
from saltern.sls.check import Signature
from saltern.sls.coerce import Mismatch, converter


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@pytest.mark.parametrize(
    ("wanted", "value", "fitted"),
    [
        (str, "a", "a"),
        (str, 644, "644"),
        (str, 1.5, "1.5"),
        (int, 5, 5),
        (int, "-1500", -1500),
        (float, 2, 2.0),
        (float, "2.5", 2.5),
        (bool, False, False),
        (bool, "Yes", True),
        (bytes, "é", b"\xc3\xa9"),
        (Any, [1], [1]),
        (Sequence[str], ["a", 1], ["a", "1"]),
        (Sequence[str], "a", ["a"]),
        (Sequence[int], 80, [80]),
        (list[int], ["80"], [80]),
        (tuple[str, ...], ["a"], ("a",)),
        (frozenset[str], ["a"], frozenset({"a"})),
        (Mapping[str, str], {"a": 1}, {"a": "1"}),
        (Mapping[str, str], [{"a": "x"}, {"b": "y"}], {"a": "x", "b": "y"}),
        (dict[str, Any], {}, {}),
        (str | None, None, None),
        (str | Unset, 644, "644"),
        (str | int | Unset, 644, 644),
        (bool | str, True, True),
        (bool | str, "auto", "auto"),
        (int | Sequence[int] | Unset, "43", 43),
        (str | Sequence[str], ["a"], ["a"]),
        (Sequence[str | Mapping[str, str]], ["a", {"b": 1.5}], ["a", {"b": "1.5"}]),
        (Literal["on", "off"], True, "on"),
        (Literal["1", "2"], 2, "2"),
        (Colour, "blue", Colour.BLUE),
    ],
)
def test_what_salts_users_write_is_fitted(wanted: Any, value: Any, fitted: Any) -> None:
    found = converter(wanted)(value)
    assert (type(found), found) == (type(fitted), fitted)


@pytest.mark.parametrize(
    ("wanted", "value", "words"),
    [
        (str, True, "a text; quote it if the word itself is meant"),
        (str, ["a"], "a text"),
        (int, True, "a whole number"),
        (int, 1.5, "a whole number"),
        (int, "1x", "a whole number"),
        (float, "x", "a number"),
        (bool, "maybe", "true or false"),
        (bool, 1, "true or false"),
        (Sequence[str], {"a": 1}, "a list"),
        (Sequence[int], ["x"], "a list, each item a whole number"),
        (Sequence[str], True, "a list"),
        (Mapping[str, int], {"a": "x"}, "a mapping, and for 'a' a whole number"),
        (Mapping[str, str], ["a"], "a mapping"),
        (int | Sequence[int] | Unset, "x", "a whole number or a list of whole numbers"),
        (Literal["on", "off"], "auto", "one of on, off"),
        (Colour, "green", "one of red, blue"),
        (str | Unset, None, "a text"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_was_wanted(wanted: Any, value: Any, words: str) -> None:
    with pytest.raises(Mismatch) as caught:
        converter(wanted)(value)
    assert str(caught.value) == words


def test_a_secret_is_wrapped_and_kept() -> None:
    assert converter(Secret)("x") == Secret("x")
    kept = Secret("y")
    assert converter(Secret)(kept) is kept


def function(ctx: Context, name: str, *, count: int, text: str = "", maybe: str | None = None) -> None:  # type: ignore[name-defined] # noqa: F821
    """As a state that imports Context for type checkers only."""


def test_a_signature_leaves_out_what_the_engine_gives() -> None:
    signature = Signature(function)
    assert list(signature.converters) == ["count", "text", "maybe"]
    assert signature.required == ["count"]
    assert signature.nullable == {"maybe"}
    assert signature.fit("count", "3") == 3
