"""Job ids."""

from __future__ import annotations

import time


def jid_of(now: float) -> str:
    """The job id of the time NOW (seconds since the epoch): 20 digits, the local time to the microsecond, as Salt's."""
    return f"{time.strftime('%Y%m%d%H%M%S', time.localtime(now))}{int(now * 1e6) % 1_000_000:06d}"
