"""A job of the master itself: run a function on minions and have what each returned."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from master.dispatch import Dispatch
from master.presence import Minion
from master.turns import Pace

MOST_BYTES = 4 * 1024 * 1024  # of one minion's return: it is read in the master's own loop


@dataclass(frozen=True, slots=True)
class Collected:
    """What one minion returned, or as a text why it did not. OUTCOME as in the store: done, failed, offline, …
    SUCCESS and RETCODE are what the function said of itself."""

    outcome: str
    value: Any
    success: bool = True
    retcode: int = 0

    @property
    def ok(self) -> bool:
        """Whether VALUE is what the function returned."""
        return self.outcome == "done"


async def collect(
    master: Dispatch,
    chosen: Sequence[Minion],
    function: str,
    *,
    target: str,
    form: str,
    user: str,
    timeout_s: float | None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    pace: Pace | None = None,
    tell: Callable[[Mapping[str, Any]], None] = lambda event: None,
) -> dict[str, Collected]:
    """Run FUNCTION(*ARGS, **KWARGS) on the CHOSEN minions and wait at most TIMEOUT_S (None: to the end): what each
    returned, by id. Some of them may be away; that is one outcome of several. TELL hears of the job and of its
    progress (the events `job`, `progress`, and `return` without what was returned)."""
    found: dict[str, Collected] = {}
    ended = asyncio.Event()

    def watch(line: bytes) -> None:
        if len(line) > MOST_BYTES:  # only a return has such a length; whose it is stands before it
            event = json.loads(line[: line.index(b', "return": ')] + b"}")
            event |= {"outcome": "failed", "return": f"its return has more than {MOST_BYTES} bytes"}
        else:
            event = json.loads(line)
        if event["event"] == "return":
            value = event.pop("return")
            found[event["minion"]] = Collected(event["outcome"], value, event["success"], event["retcode"])
        elif event["event"] == "end":
            ended.set()
        tell(event)

    job = await master.publish(
        chosen, function, args, kwargs or {}, target=target, form=form, user=user, watcher=watch, pace=pace
    )
    try:
        async with asyncio.timeout(timeout_s):
            await ended.wait()
    except TimeoutError:
        master.time_out(job)
    finally:
        master.unwatch(job, watch)
    return found
