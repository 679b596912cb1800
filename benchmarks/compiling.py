"""Compiling beside what reading YAML takes: 100 SLS files with 2,000 states and requisites, from text to low state.

It has to stay under a second; as a figure that holds on a busy machine too, that is processor time as a ratio.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks.report import report
from saltern.config import Config
from saltern.context import Context
from saltern.files import LocalFiles
from saltern.sls.state_tree import StateTree

FILES, STATES = 100, 20  # files, and states in each


def tree(folder: Path) -> None:
    """Write the tree: half of its files are templates, each state requires the one before it."""
    (folder / "top.sls").write_text("base:\n  '*':\n" + "".join(f"    - part{n}\n" for n in range(FILES)))
    for number in range(FILES):
        loop = number % 2 == 0
        lines = ["{% for n in range(1, 20) %}"] if loop else []
        for n in ["{{ n }}"] if loop else range(1, STATES):
            before = "{{ n - 1 }}" if loop else int(n) - 1
            lines.append(
                f"p{number}-{n}:\n  file.managed:\n    - name: /srv/p{number}/{n}\n    - contents: text of {n}\n"
                f"    - mode: '0644'\n    - require:\n      - file: p{number}-{before}"
            )
        lines += ["{% endfor %}"] if loop else []
        first = f"p{number}-0:\n  file.managed:\n    - name: /srv/p{number}/0\n    - contents: first"
        (folder / f"part{number}.sls").write_text("\n".join([first, *lines, ""]))


def cpu_ms(work: Callable[[], object], runs: int = 5) -> float:
    """The median of the processor time of WORK in milliseconds: the compiler waits for nothing."""

    def once() -> float:
        began = time.process_time()
        work()
        return (time.process_time() - began) * 1000

    once()
    return statistics.median(once() for _ in range(runs))


def main() -> None:
    """The whole tree, each time from nothing but its files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree(folder)

        def compiled() -> int:
            files = LocalFiles({"base": [name]})
            ctx = Context(id="m", config=Config(), grains={"os": "Debian"}, pillar={}, files=files)
            return len(StateTree(ctx).low())

        assert compiled() == FILES * STATES
        plain = (
            "p{n}:\n  file.managed:\n    - name: /srv/{n}\n    - contents: text\n    - mode: '0644'\n    - require:\n"
        )
        text = "".join(plain.format(n=n) + "      - file: x\n" for n in range(STATES))

        def read() -> None:
            for _ in range(FILES):
                yaml.load(text, Loader=yaml.CSafeLoader)

        base, measured = cpu_ms(read), cpu_ms(compiled)
    report(f"compile {FILES} SLS with {FILES * STATES} states", measured=measured, base=base, unit="ms CPU", limit=5)


if __name__ == "__main__":
    main()
