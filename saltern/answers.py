"""What a process answers on its standard output, apart from what is printed in it."""

from __future__ import annotations

import os
from typing import BinaryIO


def answers() -> BinaryIO:
    """Standard output as it was, for answers alone: what is printed from now on goes to standard error."""
    kept = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return kept
