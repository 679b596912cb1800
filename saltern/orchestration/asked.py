"""What the states of an orchestration ask for, as values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from saltern.errors import UsageError


class WordError(UsageError):
    """An ARGUMENT of a state of an orchestration can't be as it is."""

    def __init__(self, message: str, argument: str | None = None) -> None:
        super().__init__(message)
        self.argument = argument


@dataclass(frozen=True, slots=True)
class Allowed:
    """How many minions may fail: a NUMBER, or a PERCENTAGE of those that the job is for."""

    number: int = 0
    percentage: int | None = None

    def of(self, total: int) -> int:
        """How many of TOTAL."""
        return self.number if self.percentage is None else math.floor(total * self.percentage / 100)


def allowed(text: str) -> Allowed:
    """`2` or `25%`. WordError."""
    found = re.fullmatch(r"(\d{1,6})(%?)", text.strip())
    if not found or (found[2] and int(found[1]) > 100):
        raise WordError(f"allow_fail is a number of minions or a percentage, like 2 or 25%, not {text!r}", "allow_fail")
    return Allowed(percentage=int(found[1])) if found[2] else Allowed(int(found[1]))


@dataclass(frozen=True, slots=True, kw_only=True)
class OnMinions:
    """FUNCTION(*ARGS, **KWARGS) on the minions that TGT means in the FORM. STATES: it is a state run, which has a test
    mode of its own; TEST: that one is wanted.

    BATCH: at most so many at once (`2`, `25%`), each BATCH_WAIT_S after another's end. SUBSET: so many of them, chosen
    at random; 0: all. TIMEOUT_S: who has not returned by then has not answered; None: the master's own. EXPECT: whether
    one that does not answer has failed. MAY_FAIL: ids whose failure does not count. ALLOWED: how many others may fail.
    """

    function: str
    tgt: str
    form: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    states: bool = False
    test: bool = False
    batch: str | None = None
    batch_wait_s: float = 0.0
    subset: int = 0
    timeout_s: float | None = None
    expect: bool = True
    may_fail: frozenset[str] = frozenset()
    allowed: Allowed = Allowed()


@dataclass(frozen=True, slots=True, kw_only=True)
class OnMaster:
    """The runner, or of the KIND `wheel` the wheel function, FUNCTION(*ARGS, **KWARGS)."""

    kind: str
    function: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"the {self.kind}{' function' if self.kind == 'wheel' else ''} {self.function}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Runners that run at once, by the ids that the user gave them."""

    runners: Mapping[str, OnMaster]


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitEvent:
    """An event whose tag matches the glob PATTERN, within TIMEOUT_S; where there are IDS, one of each of these as the
    value of EVENT_ID in the event's data."""

    pattern: str
    ids: tuple[str, ...] = ()
    event_id: str = "id"
    timeout_s: float = 300.0


Asked = OnMinions | OnMaster | Together | AwaitEvent
