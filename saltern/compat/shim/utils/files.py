"""`salt.utils.files`: opening files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any


def fopen(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:
    """FILE, opened as by `open`; a text is UTF-8."""
    if "b" not in mode and len(args) < 2:
        kwargs.setdefault("encoding", "utf-8")
    return open(file, mode, *args, **kwargs)


@contextmanager
def set_umask(mask: int | None) -> Iterator[None]:
    """MASK as the umask of the block; None leaves it."""
    if mask is None:
        yield
        return
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@contextmanager
def fpopen(
    file: Any, *args: Any, uid: int = -1, gid: int = -1, mode: int | None = None, **kwargs: Any
) -> Iterator[Any]:
    """FILE, opened, with this owner and mode."""
    with fopen(file, *args, **kwargs) as opened:
        if uid != -1 or gid != -1:
            os.fchown(opened.fileno(), uid, gid)
        if mode is not None:
            os.fchmod(opened.fileno(), mode)
        yield opened


def safe_rm(path: str) -> None:
    """Remove the file PATH where it can be."""
    with suppress(OSError):
        os.remove(path)
