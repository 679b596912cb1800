"""Job ids."""

from __future__ import annotations

import time


def jid_of(now: float) -> str:
    """The job id of the time NOW (seconds since the epoch): 20 digits, the local time to the microsecond, as Salt's."""
    return f"{time.strftime('%Y%m%d%H%M%S', time.localtime(now))}{int(now * 1e6) % 1_000_000:06d}"


def moment(jid: str) -> str:
    """The time that a job id holds, as people write it."""
    return f"{jid[:4]}-{jid[4:6]}-{jid[6:8]} {jid[8:10]}:{jid[10:12]}:{jid[12:14]}"
