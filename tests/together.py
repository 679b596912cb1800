"""`make test`: the tests in four groups side by side, since those of hosts and daemons mostly wait. Each group has a
network and mounts of its own (see `apart`).

    python -m tests.together [pytest options]

The first group is shown as it goes, the others when they are done, with their ten slowest tests. The exit code is that
of the first that failed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from tests.apart import apart

LAB = Path(__file__).parent / "lab"
HALF = "test_p"  # the name from which on tests of daemons are in the second half of their time
PLATFORM = ("Platform", "Cluster")  # what tests ask for that share the hosts of the example platform


def groups() -> dict[str, list[str]]:
    """The paths of each group, the longest first: what boots hosts of its own, and then what starts nothing; what
    shares the hosts of the platform; two halves of what starts daemons here."""
    daemons = sorted((LAB.parent / "integration").glob("test_*.py"))
    shared: list[str] = []
    own: list[str] = []
    for file in sorted(LAB.glob("test_*.py")):
        text = file.read_text()
        (shared if any(f": {kind}" in text for kind in PLATFORM) else own).append(str(file))
    return {
        "other hosts in the lab, then unit": [*own, str(LAB.parent / "unit")],
        "the platform in the lab": shared,
        "integration, its first half": [str(file) for file in daemons if file.name < HALF],
        "integration, its second half": [str(file) for file in daemons if file.name >= HALF],
    }


def main(options: Sequence[str]) -> int:
    """Run all groups and tell of each; 0 where all passed."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job, and all below it, ignores it
    (first, paths), *rest = groups().items()
    running: list[tuple[str, subprocess.Popen[bytes], IO[str]]] = []
    try:
        for name, files in rest:
            told = tempfile.TemporaryFile("w+")  # noqa: SIM115 - read when the group is done
            argv = _pytest(files, ["--durations=10", *options])
            running.append((name, subprocess.Popen(argv, stdout=told, stderr=told), told))
        print(f"{first} (beside it: {'; '.join(name for name, _ in rest)})", flush=True)
        codes = [subprocess.run(_pytest(paths, options), check=False).returncode]
        for name, process, output in running:
            codes.append(process.wait())
            output.seek(0)
            print(f"\n{name}:\n{output.read()}", flush=True)
    finally:
        for _, process, output in running:
            process.terminate()
            process.wait()
            output.close()
    return next((code for code in codes if code), 0)


def _pytest(paths: Sequence[str], options: Sequence[str]) -> list[str]:
    return apart([sys.executable, "-m", "pytest", *paths, *options])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
