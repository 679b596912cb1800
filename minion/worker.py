"""The process that functions run in: takes jobs from the agent over a socket, one at a time, until it hangs up."""

from __future__ import annotations

import json
import logging
import socket
import sys
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from minion import identity as identities
from minion.connected import AskThrough, Bundled, context
from minion.identity import Identity
from minion.pipe import Blocking, BundleIs, Done, GrainsAre, NeedBundle, Run, Step, bounded
from minion.schedule.ahead import BRING
from saltern.config import Config, load_minion
from saltern.errors import SalternError

logger = logging.getLogger(__name__)


def main(descriptor: int, root: Path, minion_id: str) -> None:
    """Serve the agent at the other end of DESCRIPTOR."""
    pipe = Blocking(socket.socket(fileno=descriptor))
    config = load_minion(root)
    identity = identities.load(replace(config, id=minion_id))
    config = replace(config, id=identity.id)
    logging.basicConfig(level=config.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    with suppress(ConnectionError):  # the agent was ended; the next one tells that the job was lost
        while (message := pipe.receive()) is not None:
            if isinstance(message, Run):
                pipe.send(_run(pipe, config, identity, message))


def _run(pipe: Blocking, config: Config, identity: Identity, run: Run) -> Done:
    began = time.perf_counter()
    try:
        if not run.function:
            from minion.custom import synced
            from minion.grains import collect

            pipe.send(GrainsAre(as_json(collect(config, synced(config)))))
            result: tuple[str, bool, int, Any, bytes] = ("done", True, 0, True, b"")
        elif run.function == BRING:
            from minion.schedule.bring import bring

            known, runs = json.loads(run.args)
            ask = partial(_bundle, pipe)
            result = ("done", True, 0, bring(config, identity, run.files_port, known, runs, ask, AskThrough(pipe)), b"")
        else:
            result = _call(pipe, config, identity, run)
    except SalternError as error:
        result = ("failed", False, error.exit_code, str(error), b"")
    except BrokenPipeError:  # the agent was ended meanwhile
        raise
    except Exception as error:
        logger.exception("job %s, %s", run.jid, run.function)
        result = ("failed", False, 1, f"bug in {run.function}: {type(error).__name__}: {error}", b"")
    outcome, success, retcode, value, used = result
    return bounded(Done(outcome, success, retcode, as_json(value), (time.perf_counter() - began) * 1000, used=used))


def _call(pipe: Blocking, config: Config, identity: Identity, run: Run) -> tuple[str, bool, int, Any, bytes]:
    from saltern.runner import run_function

    bundled = Bundled(config, identity, run.bundle, run.jid.encode(), run.files_port, partial(_bundle, pipe))

    def progress(step: int, total: int, state_id: str) -> None:
        pipe.send(Step(step, total, state_id))

    ctx = context(config, identity, run.jid, bundled, progress, AskThrough(pipe), pipe)
    result = run_function(run.function, json.loads(run.args), json.loads(run.kwargs), ctx)
    outcome = "done" if result.success else "refused" if result.misused else "failed"
    used = bundled.used() if run.function.startswith("state.") else b""
    return outcome, result.success, result.retcode, result.value, used


def _bundle(pipe: Blocking, pillarenv: str) -> BundleIs:
    """Ask the agent for trees and pillar."""
    pipe.send(NeedBundle(pillarenv))
    answer = pipe.receive()
    return answer if isinstance(answer, BundleIs) else BundleIs(b"", "the agent ended")


def as_json(value: Any) -> bytes:
    """VALUE as one JSON document without line breaks, whatever a function returned."""
    try:
        return msgspec.json.encode(value, enc_hook=str)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return msgspec.json.encode(_plain(value, 0))


def _plain(value: Any, depth: int) -> Any:
    """VALUE in JSON's own types: bytes that are no UTF-8 replaced, odd keys as text, too deep ones cut."""
    if depth > 100:
        return "..."
    if isinstance(value, dict):
        return {str(_plain(str(key), 0)): _plain(entry, depth + 1) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(entry, depth + 1) for entry in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, bool | int | float) or value is None:
        return value if not isinstance(value, int) or -(2**63) <= value < 2**63 else str(value)
    return str(value).encode("utf-8", "replace").decode()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
