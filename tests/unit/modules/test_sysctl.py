"""Names and files of kernel parameters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modules import sysctl

PARTS = st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,5}(\.[0-9]{1,3})?", fullmatch=True), min_size=2, max_size=5)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
        ("net.ipv4.conf.eno1/43.forwarding", "net/ipv4/conf/eno1.43/forwarding"),
        ("net/ipv4/conf/eno1.43/forwarding", "net/ipv4/conf/eno1.43/forwarding"),
    ],
)
def test_the_first_separator_is_the_one_that_counts(name: str, path: str) -> None:
    assert sysctl.path_of(name) == path


@given(PARTS)
def test_every_path_is_found_again_by_its_name(parts: list[str]) -> None:
    parts[0] = parts[0].partition(".")[0]
    path = "/".join(parts)
    assert sysctl.path_of(sysctl.name_of(path)) == path


@pytest.mark.parametrize(("value", "text"), [(True, "1"), (False, "0"), (7, "7"), (" 1\t2  3\n", "1 2 3"), ("", "")])
def test_a_value_has_one_form(value: str | int, text: str) -> None:
    assert sysctl.value_of(value) == text


def test_a_file_is_read_as_at_boot() -> None:
    text = "# a = 1\n; b.c = 2\nnet.x = 1\n-net/y=  4  5 \nnet.*.z = 1\nnonsense\nnet/x = 3\n"
    assert sysctl.parse(text) == {"net/x": "3", "net/y": "4 5"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "net.x = 1\n"),
        ("# ours", "# ours\nnet.x = 1\n"),
        ("net/x=0\nnet.y = 2\n-net.x = 5\n", "net.x = 1\nnet.y = 2\n"),
    ],
)
def test_a_parameter_has_one_line_and_all_others_stay(before: str, after: str) -> None:
    assert sysctl.with_parameter(before, "net/x", "1") == after


@given(st.text(), st.from_regex(r"[0-9]{1,4}( [0-9]{1,4})?", fullmatch=True))
def test_what_is_written_is_what_is_read_and_writing_again_changes_nothing(before: str, value: str) -> None:
    after = sysctl.with_parameter(before, "net/ipv4/x", value)
    assert sysctl.parse(after) == {**sysctl.parse(before), "net/ipv4/x": value}
    assert sysctl.with_parameter(after, "net/ipv4/x", value) == after
