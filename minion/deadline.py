"""How long a job may run: `deadline=` in its call, else the minion's option `job_deadline`. Pure."""

from __future__ import annotations

import json
from typing import Any

from saltern.cli.duration import seconds
from saltern.errors import UsageError

KEY = "deadline"
MOST_S = 10.0**9


def taken(kwargs: bytes, default_s: float) -> tuple[float, bytes]:
    """The deadline in seconds (0: none) and KWARGS, a JSON mapping, without it. UsageError where it is none."""
    if b'"deadline"' not in kwargs:
        return default_s, kwargs
    named = json.loads(kwargs)
    if KEY not in named:
        return default_s, kwargs
    return _read(named.pop(KEY)), json.dumps(named).encode()


def _read(given: Any) -> float:
    if isinstance(given, str):
        return float(seconds(given, f"{KEY}="))
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < MOST_S:
        raise UsageError(f"{KEY}= takes seconds or a time like 90s, 15m or 1h, not {given!r}")
    return float(given)
