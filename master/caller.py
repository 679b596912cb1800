"""Who calls a runner, and what a runner may answer beside its data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


def _nobody(event: Mapping[str, Any]) -> None:
    """Nobody hears of it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """USER calls; TELL shows what happens before the runner ends (events of the control protocol). DEPTH: how many
    orchestrations lie above."""

    user: str
    tell: Callable[[Mapping[str, Any]], None] = _nobody
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """DATA, in the layout OUT that suits it; OK: whether all went well."""

    data: Any
    out: str
    ok: bool = True
