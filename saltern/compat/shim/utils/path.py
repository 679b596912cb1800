"""`salt.utils.path`: programs and paths."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence


def which(exe: str | None = None) -> str | None:
    """The full path of the program EXE, or None."""
    return shutil.which(exe) if exe else None


def which_bin(exes: Sequence[str]) -> str | None:
    """The full path of the first of EXES that is there, or None."""
    return next((found for exe in exes if (found := which(exe))), None)


def join(*parts: str, **_: object) -> str:
    """PARTS as one path; a later one that begins with `/` stays below the first."""
    return os.path.normpath(os.path.join(parts[0], *(part.lstrip("/") for part in parts[1:]))) if parts else ""


def readlink(path: str) -> str:
    """What the link PATH names."""
    return os.readlink(path)


def islink(path: str) -> bool:
    """Whether PATH is a symbolic link."""
    return os.path.islink(path)
