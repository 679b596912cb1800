"""What this node remembers of the disks that it made: that they are its own, of which image, and whether they last.

One small file a disk in `<var>/minion/disks`. A disk is known by its path and its inode together: what somebody else
put in its place later is not ours.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256

from modules._file import identity, safe

_MOST_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A disk at PATH with the INODE that it had when it was made. IMAGE: the path of what it was made from, and
    IMAGE_SIZE and IMAGE_MTIME_NS of that file then; PERSISTENT: it is not deleted with its guest."""

    path: str
    inode: int
    format: str
    persistent: bool
    image: str | None = None
    image_size: int = 0
    image_mtime_ns: int = 0


def _file(folder: str, path: str) -> str:
    return os.path.join(folder, sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:32] + ".json")


def find(folder: str, path: str) -> Note | None:
    """The note on the disk that is at PATH now; None where there is none, or none of this very file."""
    note = _read(_file(folder, path))
    if note is None or note.path != path:
        return None
    try:
        return note if identity.status(path).st_ino == note.inode else None
    except OSError:
        return None


def everything(folder: str) -> tuple[Note, ...]:
    """All notes, by path; those too whose disk is gone (`find` tells), since no disk is looked at here: its server may
    be away."""
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return ()
    notes = [_read(os.path.join(folder, name)) for name in names if name.endswith(".json")]
    return tuple(sorted((note for note in notes if note), key=lambda note: note.path))


def put(folder: str, note: Note) -> None:
    """Remember NOTE, in the place of an older one of the same path."""
    safe.make_folders(folder, mode=0o700)
    safe.write(_file(folder, note.path), [json.dumps(asdict(note)).encode()], mode=0o600)


def drop(folder: str, path: str) -> None:
    """Forget the disk at PATH."""
    with suppress(FileNotFoundError):
        os.unlink(_file(folder, path))


def _read(file: str) -> Note | None:
    """The note in FILE; one that is damaged is none, so its disk is nobody's and is never deleted."""
    try:
        with open(file, "rb") as stream:
            found = json.loads(stream.read(_MOST_BYTES))
        return Note(**found)
    except (OSError, ValueError, TypeError):
        return None
