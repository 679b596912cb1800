"""A file system that stops answering, as an NFS server that is away does: who asks it sleeps and can't be killed.

It is a FUSE file system that says hello to the kernel (fuse(4), FUSE_INIT), answers for its root directory as long as
it is well, and then no more. A request that was taken and is not answered leaves its process in uninterruptible sleep
until the connection ends.
"""

from __future__ import annotations

import ctypes
import os
import select
import stat
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN = struct.Struct("=IIQQIIII")
_GETATTR, _STATFS, _INIT, _OPENDIR, _READDIR, _RELEASEDIR, _ACCESS = 3, 17, 26, 27, 28, 29, 34
BLOCKS, FREE, BLOCK = 1000, 250, 4096


class Silent:
    """The server. It answers while WELL is set."""

    def __init__(self, target: Path) -> None:
        self.well = threading.Event()
        self.asked = 0
        self._fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        self._stop, self._stopper = os.pipe()
        libc = ctypes.CDLL(None, use_errno=True)
        data = f"fd={self._fd},rootmode=40000,user_id=0,group_id=0".encode()
        assert libc.mount(b"filer:/x", os.fsencode(target), b"fuse", 0, data) == 0, os.strerror(ctypes.get_errno())
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while self._fd in select.select([self._fd, self._stop], [], [])[0]:
            request = os.read(self._fd, 1 << 20)
            _, opcode, unique, *_ = _IN.unpack_from(request)
            if opcode == _INIT:
                self._answer(unique, struct.pack("=IIIIHHIIHHI28x", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, 0))
                continue
            self.asked += 1
            if self.well.is_set():
                self._reply(opcode, unique)

    def _reply(self, opcode: int, unique: int) -> None:
        if opcode == _GETATTR:
            attributes = struct.pack(
                "=QQQQQQIIIIIIIIII", 1, 0, 0, 0, 0, 0, 0, 0, 0, stat.S_IFDIR | 0o755, 2, 0, 0, 0, 0, 0
            )
            self._answer(unique, struct.pack("=QII", 0, 0, 0) + attributes)
        elif opcode == _STATFS:
            self._answer(unique, struct.pack("=QQQQQIIII24x", BLOCKS, FREE, FREE, 10, 10, BLOCK, 255, BLOCK, 0))
        elif opcode == _OPENDIR:
            self._answer(unique, struct.pack("=QII", 0, 0, 0))
        elif opcode in (_READDIR, _RELEASEDIR, _ACCESS):
            self._answer(unique, b"")
        else:
            os.write(self._fd, struct.pack("=IiQ", 16, -38, unique))  # ENOSYS

    def _answer(self, unique: int, body: bytes) -> None:
        os.write(self._fd, struct.pack("=IiQ", 16 + len(body), 0, unique) + body)

    def close(self) -> None:
        """End the connection: whoever waits gets an error."""
        os.write(self._stopper, b"x")
        self._thread.join()
        for fd in (self._fd, self._stop, self._stopper):
            os.close(fd)


@contextmanager
def silent(target: Path, *, well: bool = False) -> Iterator[Silent]:
    """A file system at TARGET that does not answer; with WELL it does until `well` is cleared."""
    target.mkdir(exist_ok=True)
    server = Silent(target)
    if well:
        server.well.set()
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        yield server
    finally:
        server.close()
        libc.umount2(os.fsencode(target), 2)  # MNT_DETACH
