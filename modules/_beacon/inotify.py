"""inotify(7) through the C library: the kernel tells which files changed, so nobody has to look."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator

from saltern.errors import PermanentError

# <sys/inotify.h>
MASKS = {
    "access": 0x1,
    "modify": 0x2,
    "attrib": 0x4,
    "close_write": 0x8,
    "close_nowrite": 0x10,
    "open": 0x20,
    "moved_from": 0x40,
    "moved_to": 0x80,
    "create": 0x100,
    "delete": 0x200,
    "delete_self": 0x400,
    "move_self": 0x800,
}
_OVERFLOW, _IGNORED = 0x4000, 0x8000
_EVENT = struct.Struct("iIII")
DEFAULT = ("create", "delete", "modify")


class InotifyError(PermanentError):
    """A path can't be watched; the message says which and why."""


class Inotify:
    """Watches paths; `fileno` is readable when something happened."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._handle = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._handle < 0:
            raise InotifyError(f"inotify can't be used: {os.strerror(ctypes.get_errno())}")
        self._paths: dict[int, str] = {}

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return int(self._handle)

    def watch(self, path: str, masks: tuple[str, ...] = DEFAULT) -> None:
        """Watch PATH, a file or a folder, for MASKS. InotifyError."""
        mask = 0
        for name in masks:
            mask |= MASKS[name]
        number = self._libc.inotify_add_watch(self._handle, os.fsencode(path), mask)
        if number < 0:
            raise InotifyError(f"{path} can't be watched: {os.strerror(ctypes.get_errno())}")
        self._paths[number] = path

    def read(self) -> Iterator[tuple[str, str]]:
        """What happened: (path, change). The change `overflow` says that there was more than the kernel kept; `gone`
        that a path is not watched any more, since it is gone."""
        try:
            data = os.read(self._handle, 65536)
        except BlockingIOError:
            return
        for number, mask, name in parsed(data):
            if mask & _OVERFLOW:
                yield "", "overflow"
                continue
            folder = self._paths.get(number)
            if folder is None:
                continue
            if mask & _IGNORED:
                yield self._paths.pop(number), "gone"
                continue
            path = os.path.join(folder, name) if name else folder
            yield from ((path, change) for change, bit in MASKS.items() if mask & bit)

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self._handle)


def parsed(data: bytes) -> Iterator[tuple[int, int, str]]:
    """The events in DATA, as the kernel gives them: (watch, mask, name)."""
    position = 0
    while position + _EVENT.size <= len(data):
        number, mask, _cookie, length = _EVENT.unpack_from(data, position)
        position += _EVENT.size
        name = data[position : position + length].split(b"\0", 1)[0]
        position += length
        yield number, mask, os.fsdecode(name)
