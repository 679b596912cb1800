"""What the two daemons' commands share: options, logging, and errors as one line."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable
from pathlib import Path

from saltern import __version__
from saltern.errors import SalternError

LEVELS = ("debug", "info", "warning", "error", "critical")


def parser(command: str, what: str, examples: str) -> argparse.ArgumentParser:
    """A parser with the options that both daemons have."""
    made = argparse.ArgumentParser(
        prog=command,
        description=what,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="everything lies below DIR (default: /)"
    )
    made.add_argument("-l", "--log-level", choices=LEVELS, metavar="LEVEL", help=f"one of {', '.join(LEVELS)}")
    made.add_argument("--version", action="version", version=f"{command} {__version__}")
    return made


def set_up_log(level: str) -> None:
    """One line an event, to standard error; under systemd the journal adds the time."""
    import os

    stamp = "" if "JOURNAL_STREAM" in os.environ else "%(asctime)s "
    logging.basicConfig(level=level.upper(), format=f"{stamp}%(levelname)s %(name)s: %(message)s")


def guarded(command: str, work: Callable[[], int], *, debug: bool = False) -> int:
    """Run WORK: its exit code, or that of the error that it ended with, told in one message."""
    try:
        return work()
    except SalternError as error:
        print(f"{command}: {error}", file=sys.stderr)
        if debug:
            raise
        return error.exit_code
    except KeyboardInterrupt:
        return 130
