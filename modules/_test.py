"""What the steps of the `test` states do: nothing, and they say so."""

from __future__ import annotations

from typing import Any

from saltern.converge.plan import Outcome
from saltern.marks import acting


@acting
def pretend(ok: bool, comment: str, changes: dict[str, Any] | None = None) -> Outcome:
    """The outcome that was asked for."""
    return Outcome(ok, comment, changes or {})
