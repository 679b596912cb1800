"""Programs on the machine that belong to a lab: started under the keeper, in the lab's network namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

KEEPER = Path(__file__).with_name("keeper.py")


class Kept:
    """A running program that ends with `stop` or with this process, however this process ends."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        prefix: Sequence[str] = (),
        grace_s: float = 5.0,
        output: IO[bytes] | int = subprocess.DEVNULL,
        pass_fds: Sequence[int] = (),
        cwd: Path | None = None,
    ) -> None:
        """Start ARGV. PREFIX (nsenter, unshare) goes before the keeper; GRACE_S is how long it may take to end."""
        keeper = [os.path.realpath(sys.executable), "-ISE", str(KEEPER), f"{grace_s:g}"]
        lifeline, self._hold = os.pipe()
        try:
            self.process = subprocess.Popen(
                [*prefix, *keeper, *argv],
                stdin=lifeline,
                stdout=output,
                stderr=output,
                pass_fds=tuple(pass_fds),
                start_new_session=True,
                cwd=cwd,
            )
        finally:
            os.close(lifeline)
        self._grace_s = grace_s

    @property
    def running(self) -> bool:
        """True until the program has ended."""
        return self.process.poll() is None

    def wait(self, timeout_s: float) -> bool:
        """Wait for the program to end by itself; True if it did."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self) -> None:
        """End the program and all that it started. Does nothing where that is done already."""
        if self._hold >= 0:
            os.close(self._hold)
            self._hold = -1
        self.process.wait(self._grace_s + 15)
