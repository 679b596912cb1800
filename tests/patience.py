"""How long the tests wait for what must happen: a limit of theirs ends what hangs, and says nothing of speed.

Limits are written for a machine that is busy with the other tests; PATIENCE is how many times slower another may be.
What a thing may take is measured in `benchmarks/`, and by `make chaos`.
"""

from __future__ import annotations

PATIENCE = 4.0


def patient(seconds: float) -> float:
    """SECONDS on a machine that is PATIENCE times slower."""
    return seconds * PATIENCE


WAIT_S = patient(60.0)  # seconds: what has not happened by then hangs
