"""Addresses that were shown to a guest a moment ago, so that the next guest is shown another one.

Only a lease counts; an offer lives in memory for KEEP_S. It makes that many nodes that plan at the same time plan
different addresses, and that an apply soon after a test takes the address that the test showed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

KEEP_S = 300.0
MOST = 10_000  # offers that are remembered; the oldest go first

Guest = tuple[str, str, int]  # vnet, guest, number of its interface


class Offers:
    """The offers that still stand. CLOCK counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._made: dict[Guest, tuple[int, float]] = {}  # in the order of their making

    def of(self, guest: Guest) -> int | None:
        """The address that was offered to GUEST, or None."""
        self._forget()
        found = self._made.get(guest)
        return found[0] if found else None

    def others(self, guest: Guest) -> set[int]:
        """The addresses of the same network that were offered to others."""
        self._forget()
        return {made[0] for other, made in self._made.items() if other[0] == guest[0] and other != guest}

    def note(self, guest: Guest, address: int) -> None:
        """ADDRESS is offered to GUEST now."""
        self._made.pop(guest, None)
        self._made[guest] = (address, self._clock())

    def settle(self, guest: Guest) -> None:
        """GUEST has its lease, or has given it back."""
        self._made.pop(guest, None)

    def _forget(self) -> None:
        now = self._clock()
        while self._made:
            first = next(iter(self._made))
            if len(self._made) <= MOST and now - self._made[first][1] < KEEP_S:
                return
            del self._made[first]
