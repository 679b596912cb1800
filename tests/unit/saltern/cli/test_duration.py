"""Durations on a command line."""

from __future__ import annotations

import pytest

from saltern.cli.duration import seconds
from saltern.errors import UsageError


@pytest.mark.parametrize(
    ("text", "meant"), [("90s", 90), ("15m", 900), ("1h", 3600), ("2d", 172800), ("1w", 604800), ("60", 60)]
)
def test_a_time_has_a_unit(text: str, meant: int) -> None:
    assert seconds(text, "--ttl") == meant


@pytest.mark.parametrize("text", ["", "h", "0s", "-1h", "1.5h", "1y", "1h30m", "²h", "9" * 20 + "d"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--ttl takes a time like"):
        seconds(text, "--ttl")
