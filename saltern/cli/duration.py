"""Durations on a command line: `90s`, `15m`, `1h`, `2d`, `1w`."""

from __future__ import annotations

from saltern.errors import UsageError

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def seconds(text: str, option: str) -> int:
    """TEXT (a number with its unit, or plain seconds) in seconds. UsageError, naming OPTION, for anything else."""
    number, unit = (text[:-1], text[-1:]) if text[-1:] in UNITS else (text, "s")
    if not (number.isascii() and number.isdigit()) or not 0 < int(number[:12]) * UNITS[unit] < 10**10:
        raise UsageError(f"{option} takes a time like 90s, 15m, 1h or 2d, not {text!r}")
    return int(number) * UNITS[unit]
