"""`saltern-call` beside a running agent: the function runs in this process, with the trees and the pillar that the
agent asks of its master, and the agent takes its end into the journal, so that the master gets to know of it."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from minion import identity as identities
from minion.connected import AskThrough, Bundled, context
from minion.pipe import Blocking, BundleIs, Done, Mine, NeedBundle, Noted, bounded
from minion.worker import as_json
from saltern.context import Context
from saltern.errors import SalternError
from saltern.runner import FunctionResult, run_function

logger = logging.getLogger(__name__)


class NoAgent(SalternError):
    """No agent takes a call on this node."""


def run(function: str, args: Sequence[Any], kwargs: Mapping[str, Any], ctx: Context) -> FunctionResult:
    """Run FUNCTION as the minion that CTX is of, with what the agent gives instead of the node's own trees and pillar.
    NoAgent where none runs; ConfigError where this node has joined no master."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")  # unless it is set up already
    with _connected(ctx.config.paths.run / "minion.sock", ctx.config.root) as connection:
        pipe = Blocking(connection)
        identity = identities.load(ctx.config)
        bundled = Bundled(ctx.config, identity, b"", b"", 0, partial(_bundle, pipe))
        job = context(ctx.config, identity, ctx.jid, bundled, ctx.progress, AskThrough(pipe), pipe)
        job = replace(job, grains=ctx.grains)
        began = time.perf_counter()
        result = run_function(function, args, kwargs, job)
        if not result.misused:  # else nothing ran
            done = _done(result, (time.perf_counter() - began) * 1000, bundled)
            _tell(pipe, Mine(ctx.jid, function, as_json([*args, kwargs] if kwargs else args), done))
    return result


def _connected(file: Path, root: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(file))
    except PermissionError:
        connection.close()
        raise NoAgent(f"you may not speak to the agent at {file}: run this as root") from None
    except OSError:
        connection.close()
        start = "systemctl start saltern-minion" if root == Path("/") else f"saltern-minion --root {root}"
        raise NoAgent(
            f"the agent is not running: nobody listens on {file}\n"
            f"Start it with: {start}\n"
            "Or use only what is on this node: saltern-call --local"
        ) from None
    return connection


def _bundle(pipe: Blocking, pillarenv: str) -> BundleIs:
    try:
        pipe.send(NeedBundle(pillarenv))
        answer = pipe.receive()
    except OSError:
        answer = None
    return answer if isinstance(answer, BundleIs) else BundleIs(b"", "the agent ended")


def _done(result: FunctionResult, duration_ms: float, bundled: Bundled) -> Done:
    outcome = "done" if result.success else "failed"
    return bounded(
        Done(outcome, result.success, result.retcode, as_json(result.value), duration_ms, used=bundled.used())
    )


def _tell(pipe: Blocking, mine: Mine) -> None:
    """Have the agent note the end. What was done is done, so a failure here is only told."""
    try:
        pipe.send(mine)
        noted = pipe.receive()
    except OSError:
        noted = None
    if not isinstance(noted, Noted):
        logger.warning("the agent ended meanwhile: the master is not told of this run")
    elif noted.problem:
        logger.warning("%s", noted.problem)
