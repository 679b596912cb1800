"""A tap on the line: forwards TCP between minions and their master, keeps what passed, and can hold or cut the line."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable


class Tap:
    """Listens on 127.0.0.2 at PORTS and forwards to the same ports of 127.0.0.1. CUT() cuts what is connected; HOLD()
    lets nothing pass, like a line that went dead, until RELEASE(). KEEP: whether what passed is kept in `seen`."""

    def __init__(self, *ports: int, keep: bool = True) -> None:
        self.seen = bytearray()
        self._keep = keep
        self._open: dict[socket.socket, socket.socket] = {}  # the minion's end: the master's
        self._lock = threading.Lock()
        self._flows = threading.Event()
        self._flows.set()
        self._listeners = []
        for port in ports:
            listener = socket.create_server(("127.0.0.2", port), backlog=1024)
            self._listeners.append(listener)
            threading.Thread(target=self._accept, args=(listener, port), daemon=True).start()

    def cut(self, chosen: Callable[[], bool] = lambda: True) -> int:
        """Cut the connections that are CHOSEN, and what they hold is lost; new ones are forwarded. How many."""
        with self._lock:
            pairs = [pair for pair in sorted(self._open.items(), key=lambda pair: pair[0].fileno()) if chosen()]
        for pair in pairs:
            for end in pair:
                _hang_up(end)
        return len(pairs)

    def hold(self) -> None:
        """Let nothing pass in either direction, also not over new connections."""
        self._flows.clear()

    def release(self) -> None:
        """Let pass again; what was held and not cut comes late."""
        self._flows.set()

    def close(self) -> None:
        """Stop."""
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut()
        self.release()

    def _accept(self, listener: socket.socket, port: int) -> None:
        while True:
            try:
                inner, _ = listener.accept()
            except OSError:
                return
            try:
                outer = socket.create_connection(("127.0.0.1", port))
            except OSError:  # the master is away
                inner.close()
                continue
            with self._lock:
                self._open[inner] = outer
            both = threading.Barrier(2)
            for source, sink in ((inner, outer), (outer, inner)):
                threading.Thread(target=self._forward, args=(inner, source, sink, both), daemon=True).start()

    def _forward(
        self, inner: socket.socket, source: socket.socket, sink: socket.socket, both: threading.Barrier
    ) -> None:
        try:
            while data := source.recv(65536):
                if self._keep:
                    with self._lock:
                        self.seen += data
                self._flows.wait()
                sink.sendall(data)
        except OSError:
            pass
        _hang_up(source)
        _hang_up(sink)
        if both.wait() == 0:  # a descriptor is closed when nobody uses it any more
            with self._lock:
                del self._open[inner]
            source.close()
            sink.close()


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
