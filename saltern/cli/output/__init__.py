"""How returns are shown: `render` for what minions returned, `render_data` for anything else.

Salt's layouts by Salt's names. What is no JSON or YAML passes `safe.clean` first, so nothing that a minion says reaches
a terminal as a control sequence. Each layout is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FORMATS = ("nested", "highstate", "json", "yaml", "table", "txt", "pprint", "quiet")
COLLECTED = frozenset({"json", "yaml", "table", "pprint"})  # one document of all returns, never one for each minion
# Outcomes that come with a message instead of what the function returned, and what to say where it is missing.
MESSAGES = {
    "offline": "Minion is offline",
    "refused": "The job was refused",
    "lost": "The minion no longer knows this job",
    "lost contact": "The connection to the minion was lost; its return is stored when it comes back",
    "timed out": "The minion has not returned in time; the job goes on",
    "expired": "The job was not received in time and will not be run",
    "killed": "The job was killed",
    "queued": "The job was not sent yet",
    "sent": "The job was sent; the minion has not confirmed it yet",
    "received": "The job is on the minion, which has not returned yet",
    "failed": "The job failed without output",
}


def render(
    returns: Mapping[str, Any],
    *,
    function: str = "",
    out: str | None = None,
    colour: bool = False,
    outcomes: Mapping[str, str] | None = None,
    state_output: str = "full",
    state_verbose: bool = True,
) -> str:
    """The text for RETURNS (by minion; values of JSON's types), ending in a newline; empty for `quiet`.

    OUT is one of FORMATS; None shows the return of a state run as `highstate` and all else as `nested`, and
    `highstate` does the same. OUTCOMES: how the job ended by minion, where it was not simply done. STATE_OUTPUT: see
    `highstate.STATE_OUTPUTS`; STATE_VERBOSE false leaves out states that were right and unchanged.
    """
    if out in ("json", "yaml", "pprint", "quiet"):
        return render_data(dict(returns), out=out)
    from saltern.cli.output.safe import clean, neutral_line

    shown = {neutral_line(minion): clean(value) for minion, value in returns.items()}
    if out in ("txt", "table"):
        return _plain(shown, out, function)
    from saltern.cli.output import highstate, nested, states
    from saltern.cli.output.ink import Ink

    ink = Ink(colour)
    ended = {neutral_line(minion): outcome for minion, outcome in (outcomes or {}).items()}
    text: list[str] = []
    for minion, value in shown.items():
        outcome = ended.get(minion)
        if out != "nested" and states.is_run(value, function):
            text += highstate.lines(minion, value, ink, state_output, state_verbose)
        elif function in states.RUN_FUNCTIONS and states.is_errors(value):
            text += _not_compiled(minion, value, ink)
        elif outcome in MESSAGES:
            text += [ink("red", f"{minion}:"), *_message(value, outcome, ink)]
        else:
            text += nested.lines({minion: value}, 0, ink)
    return _joined(text)


def render_fleet(
    returns: Mapping[str, Any], outcomes: Mapping[str, str], *, function: str = "", colour: bool = False
) -> str:
    """The summary of a state run on several minions, ending in a newline; empty where there is nothing to sum up."""
    from saltern.cli.output import fleet
    from saltern.cli.output.ink import Ink

    return _joined(fleet.lines(returns, outcomes, Ink(colour), function))


def render_data(data: Any, *, out: str | None = None, colour: bool = False) -> str:
    """The text for DATA that does not belong to minions (of a runner, of the key store), ending in a newline."""
    if out == "quiet":
        return ""
    if out in ("json", "yaml", "pprint"):
        from saltern.cli.output import plain

        return {"json": plain.as_json, "yaml": plain.as_yaml, "pprint": plain.as_python}[out](data) + "\n"
    from saltern.cli.output.safe import clean

    shown = clean(data)
    if out == "table" and shown == []:
        return "nothing\n"
    if out in ("txt", "table"):
        return _plain(shown if isinstance(shown, dict) else {"local": shown}, out, "")
    from saltern.cli.output import nested
    from saltern.cli.output.ink import Ink

    return _joined(nested.lines(shown, 0, Ink(colour)))


def _message(value: Any, outcome: str, ink: Any) -> Iterable[str]:
    if value is None or value == "":
        return [ink("red", f"    {MESSAGES[outcome]}")]
    if isinstance(value, str):
        return [f"    {ink('red', line)}".rstrip(" ") for line in value.splitlines()]
    from saltern.cli.output import nested

    return nested.lines(value, 4, ink)


def _not_compiled(minion: str, errors: list[str], ink: Any) -> Iterable[str]:
    yield ink("red", f"{minion}:")
    yield ink("red", "    Data failed to compile:")
    for error in errors:
        yield ink("red", "----------")
        yield from (ink("red", f"    {line}".rstrip(" ")) for line in error.splitlines())


def _plain(shown: Mapping[str, Any], out: str, function: str) -> str:
    from saltern.cli.output import plain

    return _joined(plain.text_lines(shown) if out == "txt" else plain.table_lines(shown, function))


def _joined(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
