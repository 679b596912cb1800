"""What a beacon raises that goes on by itself: nobody has to make it anew."""

from __future__ import annotations

from saltern.errors import TemporaryError


class StillAway(TemporaryError):
    """What is watched can't be reached now; the beacon remembers what it knew and tries again at its next look."""
