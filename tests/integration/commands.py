"""The public commands as a user runs them, and what holds for whatever they print."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.integration.system import BIN
from tests.patience import WAIT_S

SCREEN = 24  # lines


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it printed."""
        return self.out + self.err

    @property
    def returns(self) -> dict[str, Any]:
        """Its output as JSON: the return of each minion."""
        read: dict[str, Any] = json.loads(self.out)
        return read


def run(command: str, root: Path, *words: str) -> Ran:
    """`COMMAND --root ROOT WORDS`; AssertionError where a traceback is printed."""
    done = subprocess.run(
        [str(BIN / command), "--root", str(root), *words],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=WAIT_S,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "100"},
    )
    ran = Ran(done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in ran.text, ran.text
    return ran
