"""The process that makes bundles: `python -m master.bundle_worker HANDLE`, started and fed by `master.bundles`.

It has no sockets but the one to the master, whose closing ends it. One that renders without an end is ended by its own
alarm, so that it does not outlive its master either.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from contextlib import suppress

from master.bundle_maker import BundleMaker
from master.bundle_messages import (
    LENGTH,
    MAX_BYTES,
    Answer,
    Asked,
    BundleRequest,
    Start,
    config_of,
    framed,
    from_master,
)
from pillar.compiler import explained
from saltern.config import MasterConfig
from saltern.errors import SalternError
from saltern.wire.bundle import encode

logger = logging.getLogger("saltern.master.bundles")

PUBLISH_S = 600.0  # a first publication encrypts everything


def main(handle: int) -> None:
    """Serve the master at the other end of HANDLE until it closes it."""
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the master, which then closes the socket
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    with socket.socket(fileno=handle) as connection:
        start = _receive(connection)
        if not isinstance(start, Start):
            return
        config = config_of(start.config)
        logging.getLogger().setLevel(config.log_level.upper())
        with suppress(ConnectionError):  # the master was ended
            _serve(connection, config, start.render_s)


def _serve(connection: socket.socket, config: MasterConfig, render_s: float) -> None:
    maker = BundleMaker(config)
    failure = ""
    while isinstance(request := _receive(connection), BundleRequest):
        if request.refresh:
            _alarm(PUBLISH_S)
            failure = _refresh(maker)
            _alarm(0)
        for asked in request.minions:
            _alarm(render_s)
            answer = Answer(error=failure) if failure else _answer(maker, asked)
            _alarm(0)
            connection.sendall(_framed(answer, asked.id))


def _alarm(seconds: float) -> None:
    """Let the kernel end this process after SECONDS; 0 takes that back."""
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _refresh(maker: BundleMaker) -> str:
    """Look at everything anew; why that failed, or nothing."""
    try:
        maker.refresh()
    except SalternError as error:
        return f"the state trees can't be published: {error}"
    except OSError as error:  # such as a full disk
        where = f"{error.filename}: " if error.filename else ""
        logger.error("the state trees can't be published: %s%s", where, error.strerror or error)
        return f"the state trees can't be published: {where}{error.strerror or error}"
    except Exception:
        logger.exception("publishing the state trees failed")
        return "the state trees can't be published: an error of Saltern itself, see the master's log"
    return ""


def _answer(maker: BundleMaker, asked: Asked) -> Answer:
    try:
        if not asked.seal_public:
            return Answer(pillar=maker.pillar(asked))
        return Answer(bundle=encode(maker.make(asked)))
    except SalternError as error:
        return Answer(error=explained(asked.id, error))
    except Exception:  # the outermost loop of this process: the other minions get theirs
        logger.exception("the bundle of %s failed", asked.id)
        return Answer(
            error=f"the pillar of {asked.id} can't be rendered: an error of Saltern itself, see the master's log"
        )


def _framed(answer: Answer, minion_id: str) -> bytes:
    try:
        return framed(answer)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return framed(Answer(error=f"the pillar of {minion_id} has a value that can't be sent: {error}"))


def _receive(connection: socket.socket) -> Start | BundleRequest | None:
    """The next message, or None where the master is gone."""
    head = _exactly(connection, LENGTH.size)
    if head is None or (length := LENGTH.unpack(head)[0]) > MAX_BYTES:
        return None
    body = _exactly(connection, length)
    return None if body is None else from_master(body)


def _exactly(connection: socket.socket, count: int) -> bytearray | None:
    data = bytearray(count)
    view = memoryview(data)
    while view:
        got = connection.recv_into(view)
        if not got:
            return None
        view = view[got:]
    return data


if __name__ == "__main__":
    main(int(sys.argv[1]))
