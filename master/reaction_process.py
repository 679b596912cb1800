"""The process that reads reactor SLS: `python -m master.reaction_process`, asked by `master.reactions`, a line of JSON
each way.

A template that has no end is ended here by the limits of a rendering (`saltern.sls.fence`), which hold in the main
thread of a process alone; in the master that is the one that serves.
"""

from __future__ import annotations

import json
import select
import sys
from dataclasses import asdict
from typing import Any

from master.reaction import ReactionError, calls_of
from saltern.answers import answers
from saltern.files import LocalFiles
from saltern.sls import fence

CPU_S = 1.0  # for one, which takes milliseconds; the next events wait meanwhile
IDLE_S = 60.0  # without a question, it ends


def main() -> None:
    """Answer until there is no more to answer."""
    said = answers()
    fence.CPU_S = CPU_S
    while select.select([0], [], [], IDLE_S)[0] and (line := sys.stdin.readline()):
        said.write(_answer(json.loads(line)).encode() + b"\n")
        said.flush()


def _answer(asked: dict[str, Any]) -> str:
    """{"calls": […]} or {"error": …}, as JSON."""
    text, file = asked["text"], asked["file"]
    try:
        with fence.fence():
            calls = calls_of(text, file, asked["tag"], asked["data"], LocalFiles(asked["roots"]))
        return json.dumps({"calls": [asdict(call) for call in calls]}, default=str)
    except (ReactionError, fence.TooLong) as error:
        return json.dumps({"error": str(error)})
    except MemoryError:
        return json.dumps({"error": f"{file}: {fence.TOO_BIG}"})
    except (TypeError, ValueError, RecursionError) as error:
        return json.dumps({"error": f"{file}: what it says is no plain data: {error}"})


if __name__ == "__main__":
    main()
