"""`python -m benchmarks [NAME…]`: all benchmarks, or those named. Exit code 1 where a limit is not kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys

ALL = ("fleet", "returning", "commands", "compiling", "memory", "transfer", "network", "history")


def main(words: list[str]) -> int:
    """Each runs in a process of its own."""
    wrong = [word for word in words if word not in ALL]
    if wrong:
        print(f"no such benchmark: {', '.join(wrong)} (there are {', '.join(ALL)})", file=sys.stderr)
        return 2
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode beside it
    kept = True
    for name in words or ALL:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True, check=False
        )
        print(done.stdout, end="", flush=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        kept = kept and done.returncode == 0 and all(line["kept"] for line in lines)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
