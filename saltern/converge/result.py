"""What a state run tells: typed here, in Salt's shape for those who read it outside."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from saltern.sls.low import Low

_NOTHING: Mapping[str, Any] = {}


class Verdict(NamedTuple):
    """How one state ended. RESULT: True well, False failed, None would change (test mode).

    CHANGED is what reactions look at: something changed, would change, or can't be known before an earlier state ran.
    RAN: whether the state's function was asked at all (False: a requisite or condition kept it from that).
    SKIPPED: one of its own conditions says that there is nothing to do.
    """

    result: bool | None
    comment: str
    changes: Mapping[str, Any] = _NOTHING
    changed: bool = False
    ran: bool = True
    skipped: bool = False
    warnings: tuple[str, ...] = ()


class StateResult(NamedTuple):
    """The VERDICT on one LOW: the NUMBER-th of the run from 0; START in seconds since 1970, DURATION_MS without what
    its requisites took. FUN is the low's own function, or `mod_watch` for a `listen` at the end of the run."""

    low: Low
    verdict: Verdict
    number: int
    start: float
    duration_ms: float
    fun: str

    @property
    def tag(self) -> str:
        """Salt's key of the result."""
        low = self.low
        id = low.id if self.fun == low.fun else f"listener_{low.id}"
        return f"{low.module}_|-{id}_|-{low.name}_|-{self.fun}"

    def as_salt(self) -> dict[str, Any]:
        """The result as Salt's JSON has it."""
        low, verdict = self.low, self.verdict
        whole = int(self.start)
        shown: dict[str, Any] = {
            "name": low.name,
            "result": verdict.result,
            "changes": verdict.changes,
            "comment": verdict.comment,
            "__run_num__": self.number,
            "__sls__": low.sls,
            "__id__": low.id,
            "start_time": f"{_clock(whole)}.{int((self.start - whole) * 1e6):06d}",
            "duration": round(self.duration_ms, 3),
        }
        if not verdict.ran:
            shown["__state_ran__"] = False
        if verdict.warnings:
            shown["warnings"] = list(verdict.warnings)
        return shown


@lru_cache(maxsize=4)  # a run asks for the same second again and again
def _clock(second: int) -> str:
    """The local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(second))


@dataclass(frozen=True, slots=True)
class RunResult:
    """All results of a run, in the order in which they came."""

    results: tuple[StateResult, ...]
    warnings: tuple[str, ...] = ()

    def with_warnings(self, texts: Iterable[str]) -> RunResult:
        """The same with the warnings TEXTS, which belong to no state: the first one's result shows them."""
        added = tuple(texts)
        if not added or not self.results:
            return self
        first, *rest = self.results
        verdict = first.verdict._replace(warnings=(*added, *first.verdict.warnings))
        return RunResult((first._replace(verdict=verdict), *rest), (*added, *self.warnings))

    @property
    def ok(self) -> bool:
        """Whether no state failed."""
        return all(result.verdict.result is not False for result in self.results)

    @property
    def retcode(self) -> int:
        """0, or 2 where a state failed, as Salt's."""
        return 0 if self.ok else 2

    def as_salt(self) -> dict[str, dict[str, Any]]:
        """By tag, as Salt's JSON has it."""
        return {result.tag: result.as_salt() for result in self.results}
