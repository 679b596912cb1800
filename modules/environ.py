"""Variables of the environment in which Saltern runs on the node."""

from __future__ import annotations

import os
from collections.abc import Sequence

from saltern.marks import reading


@reading
def get(key: str, default: str = "") -> str:
    """The variable KEY, or DEFAULT."""
    return os.environ.get(key, default)


@reading
def has_value(key: str, value: str | None = None) -> bool:
    """Whether there is a variable KEY (and it is VALUE)."""
    found = os.environ.get(key)
    return bool(found) if value is None else found == value


@reading
def item(keys: str | Sequence[str], default: str = "") -> dict[str, str]:
    """The variables KEYS (one, or a list), each under its name; DEFAULT for one that is not there."""
    return {key: os.environ.get(key, default) for key in ([keys] if isinstance(keys, str) else keys)}
