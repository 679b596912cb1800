"""Making a zip archive."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator, Sequence

from modules._archive.members import ArchiveError
from modules._file import safe


def write_zip(target: str, sources: Sequence[str], cwd: str | None) -> list[str]:
    """Make the zip archive TARGET of SOURCES, paths below CWD or absolute ones; each is named in it as it is written
    here, without a slash in front. The names."""
    names = []
    partial = f"{target}.{os.urandom(8).hex()}"
    try:
        with zipfile.ZipFile(partial, "x", zipfile.ZIP_DEFLATED, strict_timestamps=False) as zipped:
            for source in sources:
                for path, name in _below(_full(source, cwd), source.lstrip("/")):
                    zipped.write(path, name)
                    names.append(name)
        safe.rename(partial, target)
    except OSError as error:
        raise ArchiveError(f"{error.filename or target}: {error.strerror}") from None
    finally:
        if os.path.lexists(partial):
            os.unlink(partial)
    return names


def _full(source: str, cwd: str | None) -> str:
    if source.startswith("/"):
        return safe.absolute(source)
    if cwd is None:
        raise ArchiveError(f"{source!r} is a relative path: say by `cwd` below which folder it lies")
    return safe.absolute(f"{cwd}/{source}")


def _below(path: str, name: str) -> Iterator[tuple[str, str]]:
    """PATH and what lies below it, with their names in the archive."""
    yield path, name.rstrip("/")
    for folder, folders, files in os.walk(path):
        within = os.path.relpath(folder, path)
        for one in sorted([*folders, *files]):
            yield f"{folder}/{one}", os.path.normpath(f"{name}/{within}/{one}")
