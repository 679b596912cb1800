"""Runs the making of an image in a process of its own, and gives it up where it falls silent."""

from __future__ import annotations

import json
import logging
import sys
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

from modules import _run
from modules._image import make as image_make
from modules._image.make import QUIET_S, Job
from modules._image.qcow2 import BadImage
from modules._image.qemu_img import ImageError, NoSpace

if TYPE_CHECKING:
    from queue import SimpleQueue
    from subprocess import Popen

CLEAN_S = 5.0  # to remove what was half made
START_S = 60.0  # for the first word, on a busy node
MIB = 1 << 20
_KINDS = {"BadImage": BadImage, "NoSpace": NoSpace}
_log = logging.getLogger(__name__)


def run(job: Job, shown: str) -> None:
    """Do JOB; SHOWN is its source for people. ImageError (NoSpace, BadImage) says what went wrong, or that nothing was
    heard any more: a datastore or a server that does not answer."""
    import queue
    import subprocess
    import threading

    process = subprocess.Popen(
        [sys.executable, "-P", "-m", image_make.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    errors = _run.Reader(process.stderr)
    threads = [threading.Thread(target=_listen, args=(process.stdout, lines), daemon=True)]
    threads.append(threading.Thread(target=errors.read, daemon=True))
    for thread in threads:
        thread.start()
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(asdict(job)).encode())
        process.stdin.close()
        _follow(job, shown, lines)
    finally:
        _end(process)
        for thread in threads:
            thread.join(0.5)


def _follow(job: Job, shown: str, lines: SimpleQueue[bytes | None]) -> None:
    import queue

    within = START_S
    while True:
        try:
            line = lines.get(timeout=within)
        except queue.Empty:
            raise ImageError(
                f"{job.target}: nothing was heard of its making for {within:g} s, so it was given up: "
                f"does the server of {shown} or of the datastore answer?"
            ) from None
        if line is None:
            raise ImageError(f"{job.target}: its making ended without a word: was it killed, or is memory short?")
        mark = json.loads(line)
        if "error" in mark:
            text = str(mark["error"]).replace(job.source, shown)
            raise _KINDS.get(mark["kind"], ImageError)(text)
        if mark.get("ok"):
            return
        within = float(mark.get("within", QUIET_S))
        _tell(job, mark)


def _tell(job: Job, mark: dict[str, Any]) -> None:
    if "said" in mark:
        _log.info("%s", mark["said"])
    elif "done" in mark:
        total = f" of {mark['total'] // MIB}" if mark.get("total") else ""
        _log.info("%s: %d%s MiB are here", job.target, mark["done"] // MIB, total)


def _end(process: Popen[bytes]) -> None:
    """Let PROCESS clean up, or end it where it can't."""
    import subprocess

    process.terminate()
    try:
        process.wait(CLEAN_S)
    except subprocess.TimeoutExpired:
        _run.ended(process)


def _listen(stream: IO[bytes], lines: SimpleQueue[bytes | None]) -> None:
    with stream:
        for line in stream:
            lines.put(line)
    lines.put(None)
