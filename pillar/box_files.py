"""The sealed values that are written in a pillar tree: where they are, with which key, and the same sealed anew."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from saltern.errors import PermanentError
from saltern.wire.sealed_value import MARK, PATTERN, NotOpened, key_name

MAX_BYTES = 4 << 20  # of a file that is looked at


class Written(NamedTuple):
    """A sealed value in LINE (from 1) of FILE for MINIONS; KEY names its key, '' where the box is damaged."""

    file: str
    line: int
    minions: str
    key: str


def written(files: Iterable[str]) -> list[Written]:
    """Every sealed value of FILES, in order. PermanentError names the first file that can't be read."""
    found = []
    for file in files:
        text = _text(file)
        for box in PATTERN.finditer(text):
            try:
                key = key_name(box["box"])
            except NotOpened:
                key = ""
            found.append(Written(file, text.count("\n", 0, box.start()) + 1, box["minions"], key))
    return found


def reseal(files: Iterable[str], current: str, anew: Callable[[str, str], str]) -> list[Written]:
    """Seal all values of FILES whose key is not CURRENT by ANEW, given the minions and the box; what they were.

    A file is replaced as a whole, with its mode and owner, after all of its values were opened. PermanentError.
    """
    done: list[Written] = []

    def renewed(found: re.Match[str]) -> str:
        return found[0] if key_name(found["box"]) == current else anew(found["minions"], found["box"])

    for file in files:
        stale = [one for one in written([file]) if one.key != current]
        if stale:
            _replace(Path(file), PATTERN.sub(renewed, _text(file)))
            done += stale
    return done


def _text(file: str) -> str:
    try:
        with open(file, "rb") as stream:
            data = stream.read(MAX_BYTES)
    except OSError as error:
        raise PermanentError(f"{file}: {error.strerror}") from None
    if MARK.encode() not in data:
        return ""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise PermanentError(f"{file}: not UTF-8 at byte {error.start}") from None


def _replace(file: Path, text: str) -> None:
    """Put TEXT into FILE at once, with the mode and the owner that it has."""
    new = file.with_name(f".{file.name}.{os.urandom(8).hex()}")
    try:
        status = file.stat()
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode())
            os.fchown(handle, status.st_uid, status.st_gid)
            os.fchmod(handle, status.st_mode & 0o7777)
            os.fsync(handle)
        os.replace(new, file)
    except OSError as error:
        new.unlink(missing_ok=True)
        raise PermanentError(f"{file} can't be written: {error.strerror}") from None
