"""`make test`: the lab and all other tests side by side, since the one mostly waits and the other mostly computes.

    python -m tests.together [pytest options]

What the lab's tests print is shown when the others are done. The exit code is that of the first that failed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence

LAB, OTHERS = ("tests/lab",), ("tests/unit", "tests/integration")


def main(options: Sequence[str]) -> int:
    """Run both and tell of both; 0 where all passed."""
    with tempfile.TemporaryFile("w+") as told:
        lab = subprocess.Popen([*_pytest(LAB), *options], stdout=told, stderr=subprocess.STDOUT)
        try:
            print("tests/lab runs beside the others; its end is shown below", flush=True)
            others = subprocess.run([*_pytest(OTHERS), *options], check=False).returncode
            code = lab.wait()
        finally:
            lab.terminate()
            lab.wait()
        told.seek(0)
        print(f"\ntests/lab:\n{told.read()}", flush=True)
    return others or code


def _pytest(paths: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "pytest", *paths]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
