"""A clock that nobody sets: how long the machine has been up, for what must not live on where the time is set back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

SET_S = 600.0  # less is what keeps a clock right
TRUSTED_AFTER_S = 86400.0  # by then somebody has seen that it is wrong, and has set it again


@dataclass(frozen=True, slots=True)
class Uptime:
    """SECONDS since the machine was started, sleep included (clock_gettime(2), CLOCK_BOOTTIME). BOOT is the kernel's
    id of that start (random(4), boot_id): seconds of another boot say nothing."""

    boot: str
    seconds: float


class Jumps:
    """Tells whether the wall clock was set while this process runs. WALL and UP are both in seconds."""

    def __init__(self, wall: float, up: float) -> None:
        self._apart, self._until = wall - up, 0.0

    def lately(self, wall: float, up: float) -> bool:
        """Whether the clock was set by more than `SET_S` within the last `TRUSTED_AFTER_S` seconds, as far as it was
        asked meanwhile: it may be wrong now."""
        if abs(wall - up - self._apart) > SET_S:
            self._apart, self._until = wall - up, up + TRUSTED_AFTER_S
        return up < self._until


def uptime() -> Uptime:
    """The uptime now."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Uptime(boot, time.clock_gettime(time.CLOCK_BOOTTIME))
