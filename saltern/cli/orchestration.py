"""How an orchestration is shown: where it is while it runs, and its result as a state run, with what each minion
returned cut down to what changed or failed there.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from saltern.cli.output import states
    from saltern.cli.progress import Progress

_FIRST = 2000  # characters of what a function returned


def text(data: Mapping[str, Any], *, colour: bool = False) -> str:
    """The text for DATA, {master: {tag: result}}."""
    from saltern.cli.output import render

    return render({name: shortened(value) for name, value in data.items()}, colour=colour)


def shortened(value: Any) -> Any:
    """VALUE, where it is the result of an orchestration, with the returns of minions cut down; all else as it is."""
    from saltern.cli.output import states

    if not isinstance(value, Mapping) or not states.is_run(value):
        return value
    return {tag: _state(found) for tag, found in value.items()}


def _state(found: Mapping[str, Any]) -> Mapping[str, Any]:
    changes = found.get("changes")
    if not isinstance(changes, Mapping):
        return found
    if isinstance(changes.get("ret"), Mapping):
        return {**found, "changes": {minion: _return(value) for minion, value in changes["ret"].items()}}
    below = changes.get("return")
    if isinstance(below, Mapping) and set(below) == {"master"}:
        return {**found, "changes": _return(below["master"])}
    return found


def _return(value: Any) -> Any:
    """What one minion returned: of a state run, the states that changed something or failed."""
    from saltern.cli.output import states

    if isinstance(value, Mapping) and value and states.is_run(value):
        loud = [one for one in states.results(value) if not one.is_quiet]
        return {f"{one.function} {one.id}": _of_state(one) for one in loud}
    return f"{value[:_FIRST]}…" if isinstance(value, str) and len(value) > _FIRST else value


def _of_state(one: states.Result) -> Any:
    """The steps of a state; where it tells none, or failed, its changes or else what it says."""
    return (one.result is not False and one.steps) or one.changes or one.comment


class Way:
    """Where an orchestration and the minions that it waits for are, on the last lines of a terminal."""

    def __init__(self, root: str, chosen: object) -> None:
        self._root, self._jid = root, ""
        live = sys.stderr.isatty()
        self._progress: Progress | None = None
        if chosen is not False and (live or chosen):
            from saltern.cli.progress import Progress

            self._progress = Progress(sys.stderr, live=live)

    def take(self, event: Mapping[str, Any]) -> None:
        """Show what an event of the master says."""
        if event["event"] == "job":
            self._jid = self._jid or str(event["jid"])
        elif self._progress and event["event"] == "progress":
            self._progress.update(str(event["minion"]), event["step"], event["total"], str(event["id"]))
        elif self._progress:
            self._progress.done(str(event["minion"]))
            self._progress.draw()

    def clear(self) -> None:
        """Take the lines away."""
        if self._progress:
            self._progress.clear()

    def goes_on(self, *, lost: bool) -> None:
        """Say what becomes of it: the command has no connection any more (LOST: since the master has gone)."""
        self.clear()
        root = "" if self._root == "/" else f" --root {self._root}"
        if self._jid:
            what = "was cut off, jobs of minions go on" if lost else "goes on"
            sys.stderr.write(f"Job {self._jid} {what}; its result: saltern-run{root} jobs.lookup_jid {self._jid}\n")
        elif not lost:  # it was interrupted before the master had said which job it is
            sys.stderr.write(f"If it had begun by then, it goes on: saltern-run{root} jobs.active\n")
