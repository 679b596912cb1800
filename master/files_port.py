"""The files port: blobs for accepted keys, as many bytes at a time as each receiver has room for.

It is a port of its own so that a file never delays a job. Only ciphertext goes through it; a blob is asked for by its
name, so there is no path to leave and no listing to read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from saltern.config import MasterConfig
from saltern.wire import memory, monitor, sockets
from saltern.wire import messages as m
from saltern.wire.endpoint import Endpoint
from saltern.wire.keys import KeyPair, fingerprint
from saltern.wire.transfer import BlobSender, TransferError, cost

logger = logging.getLogger(__name__)

_TURN_BYTES = 2 * 1024 * 1024  # for one receiver before the others have their turn


class FilesPort:
    """Listens for receivers. OPEN_BLOB gives an open handle or raises LookupError; ADMITTED(key) is asked again for
    each message, so that a key which was rejected meanwhile gets nothing more."""

    def __init__(
        self,
        context: Any,
        pair: KeyPair,
        config: MasterConfig,
        open_blob: Callable[[str], int],
        admitted: Callable[[bytes], bool],
    ) -> None:
        memory.keep_freed()
        socket = sockets.server(
            context,
            pair,
            domain="files",
            address=sockets.endpoint_address(config.interface, config.files_port),
            max_bytes=m.MAX_FILES_BYTES,
            high_water=2000,
        )
        self._open_blob, self._admitted = open_blob, admitted
        self._senders: dict[bytes, tuple[BlobSender, int]] = {}  # by route, with the connection's descriptor
        self._ready: dict[bytes, None] = {}  # routes with credit and something to send, in turn
        self._loop = asyncio.get_running_loop()
        self._pumping = False
        self._endpoint = Endpoint(socket, self._on_message)
        self._monitor = monitor.watch(socket, self._on_event)

    def close(self) -> None:
        """Stop serving."""
        self._monitor.close()
        self._endpoint.close()
        for sender, _ in self._senders.values():
            sender.close()

    def _on_message(self, frames: list[Any]) -> None:
        route, payload = frames[0].bytes, frames[-1]
        public, descriptor = sockets.sender(payload)
        try:
            if len(frames) != 2 or not self._admitted(public):
                raise TransferError("this key may not fetch files")
            message = m.files_from_minion(payload.buffer)
            sender, _ = self._senders.setdefault(route, (BlobSender(self._open_blob), descriptor))
            if isinstance(message, m.Want):
                sender.want(message.blobs, message.credit)
            else:
                sender.grant(message.size)
        except (m.BadMessage, TransferError) as error:
            logger.warning("the files connection of %s is cut: %s", fingerprint(public), error)
            self._forget(route)
            sockets.cut(descriptor, sockets.remote(descriptor))
            return
        self._ready[route] = None
        self._schedule()

    def _schedule(self) -> None:
        if not self._pumping:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        for route in list(self._ready):
            self._turn(route)
        if self._ready:
            self._schedule()

    def _turn(self, route: bytes) -> None:
        found = self._senders.get(route)
        if found:
            sent = 0
            for piece in found[0].next_pieces():
                if not self._endpoint.send((route, *piece.frames())):
                    self._forget(route)
                    return
                sent += cost(piece.data)
                if sent >= _TURN_BYTES:
                    return
        self._ready.pop(route, None)

    def _forget(self, route: bytes) -> None:
        self._ready.pop(route, None)
        found = self._senders.pop(route, None)
        if found:
            found[0].close()

    def _on_event(self, event: int, value: int) -> None:
        if event == monitor.DISCONNECTED:
            for route in [r for r, (_, descriptor) in self._senders.items() if descriptor == value]:
                self._forget(route)
