"""The one validator of names from outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saltern.errors import SalternError
from saltern.names import InvalidName, jid, minion_id, saltenv


@pytest.mark.parametrize("text", ["a", "on-node1", "web1.example.org", "A_b-c.9", "1", "x" * 254, "a--b", "a__b"])
def test_a_minion_id_is_given_back(text: str) -> None:
    assert minion_id(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "..", "../x", "a/b", "a\\b", "a..b", ".a", "a.", "-a", "a-", "_a", "a b", "a\n", "\na", "a\0", "é",
        "a*", "{{x}}", "\x1b[2J", "x" * 255, "١", "a\u2028", None, 7, b"a", ["a"],
    ],
)  # fmt: skip
def test_what_may_not_be_a_minion_id_is_refused(text: object) -> None:
    with pytest.raises(InvalidName, match="not a minion id"):
        minion_id(text)


@pytest.mark.parametrize("text", ["base", "dev", "a-b_c9", "x" * 64])
def test_an_environment_is_given_back(text: str) -> None:
    assert saltenv(text) == text


@pytest.mark.parametrize("text", ["", "Base", "a.b", "..", "a/b", "base\n", "x" * 65, None])
def test_what_may_not_be_an_environment_is_refused(text: object) -> None:
    with pytest.raises(InvalidName, match="not an environment"):
        saltenv(text)


def test_a_job_id_is_twenty_digits() -> None:
    assert jid("20240102030405678901") == "20240102030405678901"


@pytest.mark.parametrize("text", ["", "2024010203040567890", "202401020304056789012", "2" * 19 + "x", "٢" * 20, 2])
def test_what_may_not_be_a_job_id_is_refused(text: object) -> None:
    with pytest.raises(InvalidName, match="not a job id"):
        jid(text)


def test_the_error_is_one_that_users_see_and_a_value_error() -> None:
    assert issubclass(InvalidName, SalternError)
    assert issubclass(InvalidName, ValueError)


@given(st.text(alphabet="ab1._-/\\\n\0*", max_size=12), st.sampled_from([minion_id, saltenv, jid]))
def test_an_accepted_name_is_one_harmless_part_of_a_path(text: str, check: Callable[[object], str]) -> None:
    try:
        name = check(text)
    except InvalidName:
        return
    assert PurePosixPath("/keys", name).parent == PurePosixPath("/keys")
    assert name.isprintable()
    assert ".." not in name
