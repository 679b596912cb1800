"""What a state run returned, as typed values: the one place that knows the shape of Salt's state results."""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RUN_FUNCTIONS = frozenset({"state.apply", "state.highstate", "state.sls", "state.single", "state.sls_id", "state.test"})
SEPARATOR = "_|-"


class Result:
    """The result of one state. RESULT None: it would change (or may) in an apply. Durations count milliseconds."""

    __slots__ = ("changes", "comment", "duration_ms", "function", "id", "name", "result", "started", "warnings")

    def __init__(self, tag: str, found: Mapping[str, Any]) -> None:
        parts = tag.split(SEPARATOR)
        module, self.id, name, function = parts if len(parts) == 4 else ("", tag, tag, "")
        self.function = f"{module}.{function}"
        self.id = str(found.get("__id__") or self.id)
        self.name = str(found.get("name") or name)
        self.result: bool | None = None if found["result"] is None else bool(found["result"])
        self.changes = found.get("changes") or {}
        self.comment = _comment(found.get("comment"))
        self.started = str(found.get("start_time") or "")
        self.duration_ms = _number(found.get("duration"))
        warnings = found.get("warnings") or []
        self.warnings = [str(text) for text in warnings] if isinstance(warnings, list) else [str(warnings)]

    @property
    def steps(self) -> list[str]:
        """What was done, or would be, in sentences, where its comment lists them."""
        return [line[2:] for line in self.comment.splitlines() if line.startswith("- ")]

    @property
    def is_quiet(self) -> bool:
        """Whether it is right and nothing was changed: nothing to look at."""
        return self.result is True and not self.changes


class Counts:
    """How a run of states went."""

    __slots__ = ("changed", "duration_ms", "failed", "succeeded", "total", "undecided", "warnings")

    def __init__(self, results: list[Result]) -> None:
        self.total = len(results)
        self.failed = sum(result.result is False for result in results)
        self.succeeded = self.total - self.failed
        self.undecided = sum(result.result is None for result in results)  # what Salt calls unchanged: test mode
        self.changed = sum(bool(result.changes) for result in results)
        self.warnings = sum(len(result.warnings) for result in results)
        self.duration_ms = sum(result.duration_ms for result in results)


def is_run(value: object, function: str = "") -> bool:
    """Whether VALUE is the return of a state run, by its shape (an empty run: by the FUNCTION)."""
    if not isinstance(value, Mapping):
        return False
    if not value:
        return function in RUN_FUNCTIONS
    return all(
        isinstance(key, str) and key.count(SEPARATOR) == 3 and isinstance(one, Mapping) and "result" in one
        for key, one in value.items()
    )


def is_errors(value: object) -> bool:
    """Whether VALUE is what a state run returns when its states could not even be compiled: a list of texts."""
    return isinstance(value, list) and bool(value) and all(isinstance(line, str) for line in value)


def results(value: Mapping[str, Any]) -> list[Result]:
    """The results in the order in which the states ran."""
    pairs = sorted(value.items(), key=lambda pair: (_number(pair[1].get("__run_num__")), pair[0]))
    return [Result(tag, found) for tag, found in pairs]


def _comment(value: object) -> str:
    if isinstance(value, list | tuple):
        return "\n".join(str(line) for line in value)
    return "" if value is None else str(value)


def _number(value: object) -> float:
    """A number, or a text like `12.3 ms`; 0 for anything else."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(str(value).split()[0])
    except (ValueError, IndexError):
        return 0.0


def duration(ms: float) -> tuple[str, str]:
    """A time and its unit, as Salt rounds them: ("12.300", "ms") below a second, else ("2.013", "s")."""
    return (f"{ms / 1000:.3f}", "s") if ms > 999 else (f"{ms:.3f}", "ms")
