"""What the commands that talk to the master share: their outer frame, and whether colours are wanted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

from saltern.errors import SalternError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

INTERRUPTED = 130  # as shells report a command that SIGINT ended: 128 + 2


def guarded(command: str, work: Callable[[], int]) -> int:
    """Run WORK and return its exit code, or that of the error it ended with, which is told on standard error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure:
            reconfigure(errors="backslashreplace")  # a locale that can't show a letter is no reason to fail
    try:
        code = work()
        sys.stdout.flush()
    except SalternError as error:
        from saltern.cli.output.safe import neutral

        sys.stdout.flush()
        hint = f"\nSee {command} --help" if isinstance(error, UsageError) else ""
        sys.stderr.write(f"{command}: {neutral(str(error))}{hint}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader has seen enough (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def wants_colour(chosen: object, stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether to colour STREAM: as CHOSEN on the command line, else on a terminal that NO_COLOR does not forbid
    (https://no-color.org)."""
    if isinstance(chosen, bool):
        return chosen
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb" and stream.isatty()
