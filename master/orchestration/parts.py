"""What orchestrations need of the master."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from master.caller import Answer, Caller
from saltern.config import MasterConfig

Runner = Callable[[str, Sequence[Any], Mapping[str, Any], Caller], Awaitable[Answer]]
Wheel = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Parts:
    """RUN calls a runner, CHECK says whether it can be called so (UsageError), WHEEL does something with keys.
    TELLING: the runners that only tell, which a template may call."""

    config: MasterConfig
    run: Runner
    check: Callable[[str, Sequence[Any], Mapping[str, Any]], None]
    wheel: Wheel
    telling: frozenset[str]
