"""Salt's `highstate` layout: every state with its result, then a summary of the minion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from saltern.cli.output import nested
from saltern.cli.output.ink import Ink
from saltern.cli.output.states import Counts, Result, duration, results

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RULE = "-" * 12
NUMBERS_END = 23  # the column where the numbers of the last two lines of a summary end

# `full` shows all of each state, `terse` one line; `mixed` is terse but for what failed, `changes` is terse but for
# what failed or changed. With `_id` behind it a terse line names the id instead of the name.
MODES = ("full", "terse", "mixed", "changes")
STATE_OUTPUTS = tuple(mode + suffix for mode in MODES for suffix in ("", "_id"))


def lines(minion: str, value: Mapping[str, Any], ink: Ink, state_output: str, verbose: bool) -> Iterator[str]:
    """The lines for one minion. VALUE is clean (see `safe`); VERBOSE false leaves out what is right and unchanged."""
    found = results(value)
    counts = Counts(found)
    yield ink(_colour_of_run(counts), f"{minion}:")
    for result in found:
        if verbose or not result.is_quiet:
            yield from _state(result, state_output, ink)
    yield ""
    yield from _summary(minion, counts, ink)


def _state(result: Result, state_output: str, ink: Ink) -> Iterator[str]:
    mode, _, by_id = state_output.partition("_")
    full = (
        mode == "full"
        or (mode in ("mixed", "changes") and result.result is False)
        or (mode == "changes" and not result.is_quiet)
    )
    yield from _full(result, ink) if full else _terse(result, bool(by_id), ink)


def _full(result: Result, ink: Ink) -> Iterator[str]:
    colour = _colour(result)
    yield ink(colour, nested.RULE)
    fields = [("ID", result.id), ("Function", result.function)]
    if result.name != result.id:
        fields.append(("Name", result.name))
    fields += [("Result", str(result.result)), ("Comment", result.comment)]
    fields += [("Warnings", text) for text in result.warnings]
    fields += [("Started", result.started), ("Duration", f"{result.duration_ms:.3f} ms")]
    for label, text in fields:
        first, *rest = text.split("\n")
        yield ink(colour, f"{label:>12}: {first}".rstrip(" "))
        yield from (ink(colour, f"{'':14}{line}".rstrip(" ")) for line in rest)
    yield ink(colour, f"{'Changes':>12}:")
    if result.changes:
        yield from nested.lines(result.changes, 14, ink)


def _terse(result: Result, by_id: bool, ink: Ink) -> Iterator[str]:
    word = {False: "Failed", None: "Differs"}.get(result.result, "Changed" if result.changes else "Clean")
    name = (result.id if by_id else result.name).replace("\n", " ")
    time = f"{result.duration_ms:.3f} ms"
    parts = (f"Name: {name}", f"Function: {result.function}", f"Result: {word}", f"Started: {result.started}")
    yield ink(_colour(result), f"  {' - '.join(parts)} - Duration: {time}")


def _summary(minion: str, counts: Counts, ink: Ink) -> Iterator[str]:
    notes = []
    if counts.undecided:
        notes.append(ink("yellow", f"unchanged={counts.undecided}"))
    if counts.changed:
        notes.append(ink("green", f"changed={counts.changed}"))
    time, unit = duration(counts.duration_ms)
    yield ink("cyan", f"Summary for {minion}")
    yield ink("cyan", RULE)
    yield ink("green", f"Succeeded: {counts.succeeded}") + (f" ({', '.join(notes)})" if notes else "")
    yield ink("red" if counts.failed else "cyan", f"Failed:    {counts.failed}")
    if counts.warnings:
        yield ink("yellow", f"Warnings:  {counts.warnings}")
    yield ink("cyan", RULE)
    yield ink("cyan", _aligned("Total states run:", str(counts.total)))
    yield ink("cyan", f"{_aligned('Total run time:', time)} {unit}")


def _aligned(label: str, number: str) -> str:
    return f"{label}{number:>{NUMBERS_END - len(label)}}"


def _colour(result: Result) -> str:
    if result.result is None:
        return "yellow"
    return "red" if not result.result else "cyan" if result.changes else "green"


def _colour_of_run(counts: Counts) -> str:
    if counts.failed:
        return "red"
    return "yellow" if counts.undecided else "cyan" if counts.changed else "green"
