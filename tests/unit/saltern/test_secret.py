"""A secret never prints, is never pickled, and is compared by value."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from dataclasses import asdict, dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.secret import MASK, Secret

HUSH = Secret("hush-hush")


@dataclass(frozen=True)
class Holder:
    word: Secret


def test_no_way_of_printing_shows_it() -> None:
    texts = [
        str(HUSH), repr(HUSH), f"{HUSH}", f"{HUSH!r:>40}", f"{HUSH:>40}", "%s %r" % (HUSH, HUSH),  # noqa: UP031
        format(HUSH),
        str([HUSH]), str({"k": HUSH}), repr(Holder(HUSH)), ascii(HUSH),
    ]  # fmt: skip
    for text in texts:
        assert "hush" not in text
        assert MASK in text


def test_a_log_line_masks_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("x").info("password %s %r", HUSH, {"a": HUSH})
    assert "hush" not in caplog.text
    assert MASK in caplog.text


@pytest.mark.parametrize(
    "write", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps, lambda secret: "".join([secret])]
)
def test_it_can_not_be_copied_out(write: object) -> None:
    with pytest.raises(TypeError) as caught:
        write(HUSH)  # type: ignore[operator]
    assert "hush" not in str(caught.value)


def test_a_dataclass_that_holds_it_does_not_give_it_away() -> None:
    with pytest.raises(TypeError):
        asdict(Holder(HUSH))


def test_it_has_no_attributes_to_list() -> None:
    with pytest.raises(TypeError):
        vars(HUSH)
    with pytest.raises(AttributeError):
        HUSH.other = 1  # type: ignore[attr-defined]


@given(st.text(alphabet=st.characters()), st.text(alphabet=st.characters()))
def test_secrets_are_equal_when_their_texts_are(a: str, b: str) -> None:
    assert Secret(a).reveal() == a
    assert (Secret(a) == Secret(b)) is (a == b)
    assert Secret(a) == Secret(a)
    assert hash(Secret(a)) == hash(Secret(a))


def test_it_equals_no_plain_text() -> None:
    assert Secret("a") != "a"
    assert hash(Secret("a")) != hash("a")


def test_lone_surrogates_compare_too() -> None:
    assert Secret("\udcff") == Secret("\udcff")
    assert Secret("\udcff") != Secret("\udcfe")
