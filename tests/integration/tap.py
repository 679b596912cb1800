"""A tap on the line: forwards TCP between a minion and its master and keeps every byte that passed."""

from __future__ import annotations

import socket
import threading


class Tap:
    """Listens on 127.0.0.2 at PORTS and forwards to the same ports of 127.0.0.1. CUT() cuts all that is connected."""

    def __init__(self, *ports: int) -> None:
        self.seen = bytearray()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listeners = []
        for port in ports:
            listener = socket.create_server(("127.0.0.2", port))
            self._listeners.append(listener)
            threading.Thread(target=self._accept, args=(listener, port), daemon=True).start()

    def cut(self) -> None:
        """Cut every connection; new ones are forwarded again."""
        with self._lock:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def close(self) -> None:
        """Stop."""
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut()

    def _accept(self, listener: socket.socket, port: int) -> None:
        while True:
            try:
                inner, _ = listener.accept()
                outer = socket.create_connection(("127.0.0.1", port))
            except OSError:
                return
            with self._lock:
                self._open |= {inner, outer}
            for source, sink in ((inner, outer), (outer, inner)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                with self._lock:
                    self.seen += data
                sink.sendall(data)
        except OSError:
            pass
        finally:
            with self._lock:
                self._open -= {source, sink}
            for end in (source, sink):
                end.close()
