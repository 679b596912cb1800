"""A clock that nobody sets: how long the machine has been up, for what must not live on where the time is set back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Uptime:
    """SECONDS since the machine was started, sleep included (clock_gettime(2), CLOCK_BOOTTIME). BOOT is the kernel's
    id of that start (random(4), boot_id): seconds of another boot say nothing."""

    boot: str
    seconds: float


def uptime() -> Uptime:
    """The uptime now."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return Uptime(boot, time.clock_gettime(time.CLOCK_BOOTTIME))
