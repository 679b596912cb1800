"""The time zone that the times of a schedule are meant in."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from pathlib import Path


def local_zone() -> tzinfo:
    """The time zone of this node, with its changes of the clocks (localtime(5)); UTC where it says none."""
    import os
    from zoneinfo import ZoneInfo

    try:
        if name := os.environ.get("TZ", "").lstrip(":"):
            return ZoneInfo(name)
        with open("/etc/localtime", "rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError, KeyError):
        return ZoneInfo("UTC") if Path("/usr/share/zoneinfo/UTC").exists() else UTC


def shown(epoch: float) -> str:
    """The local time of EPOCH (seconds since 1970), to the second."""
    return datetime.fromtimestamp(epoch).strftime("%Y-%m-%dT%H:%M:%S")
