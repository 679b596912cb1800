"""The summary of a whole run: one line for each minion, then how many of them ended how."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from saltern.cli.output.ink import Ink
from saltern.cli.output.safe import neutral_line
from saltern.cli.output.states import Counts, duration, is_run, results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ENDED = frozenset({"done", "failed"})  # outcomes that come with what the states returned
_COLOURS = {"converged": "green", "would change": "yellow"}


def lines(
    returns: Mapping[str, Any], outcomes: Mapping[str, str], ink: Ink, function: str = "", rule_width: int = 60
) -> Iterator[str]:
    """The summary of a run on more than one minion; nothing for a single one, or where no states were run.

    OUTCOMES is how the job ended on each minion; where it says nothing, the job was done.
    """
    runs = {minion: value for minion, value in sorted(returns.items()) if _ran(value, outcomes.get(minion), function)}
    if len(returns) < 2 or not runs:
        return
    counts = {minion: Counts(results(value)) for minion, value in runs.items()}
    width = max(len(neutral_line(minion)) for minion in returns) + 1
    testing = any(count.undecided for count in counts.values())
    rows = {minion: _row(counts[minion], testing) for minion in counts}
    widths = [max(map(len, column)) for column in zip(*rows.values(), strict=True)]
    verdicts = {minion: _verdict(counts.get(minion), outcomes.get(minion)) for minion in sorted(returns)}
    yield ink("cyan", f"Summary for {len(returns)} minions")
    yield ink("cyan", "-" * rule_width)
    for minion, verdict in verdicts.items():
        cells = rows.get(minion)
        text = "   ".join(f"{cell:<{w}}" for cell, w in zip(cells, widths, strict=True)) if cells else verdict
        head = f"{neutral_line(minion) + ':':<{width}}"
        yield ink(_COLOURS.get(verdict, "red"), f"{head}   {text}".rstrip(" "))
    yield ink("cyan", "-" * rule_width)
    changed = sum(count.undecided if testing else count.changed for count in counts.values())
    yield _total(verdicts.values(), changed, testing, ink)


def _ran(value: object, outcome: str | None, function: str) -> bool:
    return outcome in (None, *ENDED) and is_run(value, function)


def _row(counts: Counts, testing: bool) -> tuple[str, ...]:
    return (
        f"Succeeded: {counts.succeeded}",
        f"{'Would change' if testing else 'Changed'}: {counts.undecided if testing else counts.changed}",
        f"Failed: {counts.failed}",
        f"Time: {' '.join(duration(counts.duration_ms))}",
    )


def _verdict(counts: Counts | None, outcome: str | None) -> str:
    if counts is None:
        return "failed" if outcome in (None, *ENDED) else str(outcome)
    if counts.failed or outcome == "failed":
        return "failed"
    return "would change" if counts.undecided else "converged"


def _total(verdicts: Iterable[str], changed: int, testing: bool, ink: Ink) -> str:
    tally: dict[str, int] = {}
    for verdict in verdicts:
        tally[verdict] = tally.get(verdict, 0) + 1
    order = sorted(tally, key=lambda word: (word != "converged", word != "would change", word))
    parts = ", ".join(ink(_COLOURS.get(word, "red"), f"{tally[word]} {word}") for word in order)
    noun = "state" if changed == 1 else "states"
    return f"{sum(tally.values())} minions: {parts}; {changed} {noun} {'would change' if testing else 'changed'}"
