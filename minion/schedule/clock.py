"""The clock that a schedule goes by. Another one than the node's can be given, so that a day need not last a day."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Clock:
    """The node's clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    def call_later(self, delay_s: float, then: Callable[[], object]) -> asyncio.TimerHandle:
        """Call THEN on the running loop after DELAY_S seconds of this clock."""
        return asyncio.get_running_loop().call_later(delay_s, then)
