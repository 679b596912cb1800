"""What a runner of the tree has of the master: `Master`, which asks it through its socket as a command does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from saltern.cli import client


class Ended(NamedTuple):
    """How a job ended on one minion. SUCCESS: it went well; OUTCOME: in what way ("done", "failed", "offline", …);
    VALUE: what it returned, or why not."""

    success: bool
    outcome: str
    value: Any


@dataclass(frozen=True, slots=True)
class Master:
    """The master below ROOT."""

    root: str

    def run(
        self,
        target: str,
        function: str,
        *args: Any,
        form: str = "glob",
        timeout_s: float = 0,
        **kwargs: Any,
    ) -> dict[str, Ended]:
        """Run FUNCTION on the minions that TARGET matches, and wait for it: how it ended on each. FORM: how TARGET is
        read ("glob", "list", "compound", …). TIMEOUT_S: how long is waited; 0: to the end. SalternError."""
        return self.publish(target, function, args, kwargs, form, timeout_s)

    def publish(
        self, target: str, function: str, args: Sequence[Any], kwargs: dict[str, Any], form: str, timeout_s: float
    ) -> dict[str, Ended]:
        """As `run`, the arguments given as values."""
        asked = {"op": "publish", "target": target, "form": form, "function": function, "timeout": timeout_s}
        found: dict[str, Ended] = {}
        for event in client.events(self.root, {**asked, "args": list(args), "kwargs": kwargs}):
            if event["event"] == "return":
                ended = Ended(event.get("success") is True, str(event.get("outcome")), event.get("return"))
                found[str(event["minion"])] = ended
        return found

    def call(self, runner: str, *args: Any, **kwargs: Any) -> Any:
        """What the RUNNER ("manage.up") gives. SalternError."""
        asked = {"op": "runner", "function": runner, "args": list(args), "kwargs": kwargs}
        return client.call(self.root, asked).get("data")
