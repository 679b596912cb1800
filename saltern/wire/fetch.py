"""Brings blobs from a master's files port: a blocking call for a worker process, over a connection of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from saltern.errors import TemporaryError
from saltern.wire import memory, sockets
from saltern.wire import messages as m
from saltern.wire.keys import KeyPair
from saltern.wire.transfer import BlobReceiver, WantedBlob, received

_SILENT_S = 30.0
_ATTEMPTS = 3
_MOST = 10_000  # blobs that one message asks for


class Fetcher:
    """Fetches from the files port at HOST and PORT of the holder of MASTER_KEY."""

    def __init__(self, keys: KeyPair, master_key: bytes, host: str, port: int) -> None:
        self._keys, self._master_key = keys, master_key
        self._address = sockets.endpoint_address(host, port)

    def fetch(self, blobs: Sequence[WantedBlob], into: Path) -> None:
        """Bring BLOBS into the private folder INTO, each under its name, verified. A connection that is cut is made
        again for what is left; TemporaryError where that does not help."""
        for start in range(0, len(blobs), _MOST):
            self._fetch(BlobReceiver(blobs[start : start + _MOST], into))

    def _fetch(self, receiver: BlobReceiver) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._receive(receiver)
            except TemporaryError:
                if attempt == _ATTEMPTS:
                    raise
                receiver.restart()
                time.sleep(0.2 * attempt)
            if receiver.done:
                return

    def _receive(self, receiver: BlobReceiver) -> None:
        memory.keep_freed()
        context = sockets.new_context()
        try:
            dealer = sockets.client(context, self._keys, self._master_key, max_bytes=m.MAX_FILES_BYTES, high_water=2000)
            dealer.connect(self._address)
            dealer.send(m.encode(m.Want(receiver.remaining(), receiver.window)))
            while not receiver.done:
                if not dealer.poll(int(_SILENT_S * 1000)):
                    raise TemporaryError(f"the master's files port {self._address} does not answer")
                frames = [frame.buffer for frame in dealer.recv_multipart(copy=False)]
                if grant := receiver.feed(*received(frames)):
                    dealer.send(m.encode(m.Credit(grant)))
        finally:
            receiver.abandon()
            context.destroy(linger=0)
