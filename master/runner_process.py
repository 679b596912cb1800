"""The process that runs one runner of a tree: `python -m master.runner_process`, asked on its standard input.

It answers with one line of JSON, {"data": …} or {"error": …, "misused": …}. What the runner prints goes to the master's
log.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

from saltern.answers import answers
from saltern.custom.runners import call
from saltern.errors import SalternError, UsageError


def main() -> None:
    """Answer, and end."""
    answer = answers()
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    asked = json.load(sys.stdin)
    try:
        found: dict[str, Any] = {
            "data": call(asked["roots"], asked["function"], asked["args"], asked["kwargs"], asked["root"])
        }
        line = json.dumps(found, default=str)
    except SalternError as error:
        line = json.dumps({"error": str(error), "misused": isinstance(error, UsageError)})
    except (TypeError, ValueError, RecursionError) as error:
        line = json.dumps({"error": f"{asked['function']}: what it gives is no plain data: {error}"})
    answer.write(line.encode() + b"\n")
    answer.flush()
    os._exit(0)  # whatever threads the runner left


if __name__ == "__main__":
    main()
