"""Stops a process of the network transaction at an event of its journal, before it does anything after that event.

    stop_at.py FOLDER EVENT COUNT READY TIMEOUT_S

Runs inside a lab host. Removes the old journal of FOLDER, makes the file READY, and waits until EVENT stands in the
journal for the COUNT-th time; then the process that wrote it is stopped (SIGSTOP). It prints the journal as it was at
that moment, and nothing where the event did not come in time. A host has one processor, and this process goes before
all others (SCHED_FIFO), so it runs when the writer's write(2) is done and before it returns.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

_IN_MODIFY, _IN_CREATE = 0x2, 0x100


def main(folder: str, event: str, count: int, ready: str, timeout_s: float) -> None:
    """See above."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    journal = Path(folder, "journal")
    journal.unlink(missing_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_CLOEXEC)
    if watch < 0 or libc.inotify_add_watch(watch, folder.encode(), _IN_MODIFY | _IN_CREATE) < 0:
        raise OSError(ctypes.get_errno(), "inotify")
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))
    Path(ready).touch()
    deadline = time.monotonic() + timeout_s
    while (left := deadline - time.monotonic()) > 0:
        if not select.select([watch], [], [], left)[0]:
            return
        os.read(watch, 65536)
        with suppress(FileNotFoundError):
            text = journal.read_text()
            entries = [json.loads(line) for line in text.split("\n")[:-1]]
            hits = [entry for entry in entries if entry["event"] == event]
            if len(hits) >= count:
                with suppress(ProcessLookupError):
                    os.kill(hits[count - 1]["pid"], signal.SIGSTOP)
                sys.stdout.write(text)
                return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4], float(sys.argv[5]))
