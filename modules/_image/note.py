"""What is remembered of an image, beside it: what it was made of, so that it need not be read again to be known.

A hidden file in the same directory, `.NAME.saltern`, so that all nodes that share the datastore see it. It counts only
as long as the image has the size and the time of modification that it had then.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from typing import NamedTuple

from modules._file import identity, safe

_MOST_BYTES = 4096


class Note(NamedTuple):
    """What an image was made of: its ORIGINS (digests of the source, or the size and time of a local one) and the
    FORMAT that it has."""

    origins: tuple[str, ...]
    format: str


def file_of(path: str) -> str:
    """Where the note on the image PATH lies."""
    folder, name = os.path.split(path)
    return f"{folder}/.{name[:240]}.saltern"


def find(path: str, status: os.stat_result) -> Note | None:
    """The note on the image PATH that has STATUS now; None where there is none, or none of these contents."""
    try:
        with identity.reading(file_of(path)):
            fd = os.open(file_of(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        found = json.loads(os.read(fd, _MOST_BYTES))
        origins, format = found["origins"], found["format"]
        known = (found["size"], found["mtime_ns"]) == (status.st_size, status.st_mtime_ns)
    except (ValueError, KeyError, TypeError, OSError):
        return None
    finally:
        os.close(fd)
    if not known or not isinstance(origins, list) or format not in ("qcow2", "raw"):
        return None
    return Note(tuple(str(origin) for origin in origins), format)


def write(path: str, note: Note) -> None:
    """Note what the image PATH, as it is now, was made of."""
    status = identity.status(path, follow=False)
    found = {
        "origins": list(note.origins),
        "format": note.format,
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }
    with identity.within(os.path.dirname(path)):
        safe.write(file_of(path), [json.dumps(found).encode() + b"\n"], mode=0o644, follow=False)


def remove(path: str) -> None:
    """Remove the note on the image PATH."""
    with (
        suppress(FileNotFoundError),
        identity.within(os.path.dirname(path)),
        safe.parent_of(file_of(path), follow=False) as (folder, name),
    ):
        os.unlink(name, dir_fd=folder)
