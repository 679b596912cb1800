"""What templates and conditions ask of paths and files, by Salt's names; each only looks."""

from __future__ import annotations

import os
from typing import Any

from modules._file import owner as file_owner
from modules._file import safe
from saltern.errors import PermanentError
from saltern.marks import reading

_MODES = {"f": os.F_OK, "r": os.R_OK, "w": os.W_OK, "x": os.X_OK}
_FOUND_LIMIT = 100_000


class FileLookupError(PermanentError):
    """A question about files that has no answer."""


@reading
def join(*args: str) -> str:
    """The parts ARGS as one path; an absolute part does not lead out of those before it."""
    first, *others = args or ("",)
    return os.path.join(first, *(part.lstrip("/") for part in others))


@reading
def basename(path: str) -> str:
    """The last part of PATH."""
    return os.path.basename(path)


@reading
def dirname(path: str) -> str:
    """PATH without its last part."""
    return os.path.dirname(path)


@reading
def normpath(path: str) -> str:
    """PATH without `.`, `..` and doubled slashes, by its text alone."""
    return os.path.normpath(path)


@reading
def access(path: str, mode: str) -> bool:
    """Whether Saltern may use PATH: MODE f (it is there), r, w or x."""
    if mode not in _MODES:
        raise FileLookupError(f"access asks for one of {', '.join(_MODES)}, not {mode!r}")
    return os.access(safe.absolute(path), _MODES[mode])


@reading
def path_exists_glob(path: str) -> bool:
    """Whether anything matches the glob PATH."""
    import glob

    return bool(glob.glob(safe.absolute(path)))


@reading
def lstat(path: str) -> dict[str, float]:
    """The status of PATH itself, no link followed: {"st_mode", "st_size", "st_uid", "st_mtime", …}."""
    try:
        found = os.lstat(safe.absolute(path))
    except OSError as error:
        raise FileLookupError(f"{path}: {error.strerror}") from None
    names = ("st_atime", "st_ctime", "st_gid", "st_mode", "st_mtime", "st_nlink", "st_size", "st_uid")
    return {name: getattr(found, name) for name in names}


@reading
def grep(path: str, pattern: str, *opts: str) -> dict[str, Any]:
    """What grep(1) with OPTS finds of PATTERN in the file PATH: {"retcode", "stdout", "stderr"}."""
    from modules import _run

    words = [word for opt in opts for word in opt.split()]
    ran = _run.run(["grep", *words, "--regexp", pattern, "--", safe.absolute(path)], timeout_s=60)
    return {"retcode": ran.code, "stdout": ran.out.rstrip("\n"), "stderr": ran.err.rstrip("\n")}


@reading
def find(path: str, name: str = "", iname: str = "", type: str = "", maxdepth: int | None = None) -> list[str]:
    """PATH and what lies below, sorted: by the globs NAME or INAME (in any case) of the last part, by TYPE (f, d, l),
    down to MAXDEPTH levels."""
    from fnmatch import fnmatchcase

    if unknown := [letter for letter in type if letter not in "fdl"]:
        raise FileLookupError(f"find knows the types f, d and l, not {unknown[0]!r}")
    top = safe.absolute(path)
    found = []
    for entry in _below(top, maxdepth):
        last = os.path.basename(entry)
        fits = (not name or fnmatchcase(last, name)) and (not iname or fnmatchcase(last.lower(), iname.lower()))
        if fits and (not type or _type_of(entry) in type):
            found.append(entry)
    return sorted(found)


@reading
def get_uid(path: str, follow_symlinks: bool = True) -> int:
    """The number of the user that owns PATH."""
    return _status(path, follow_symlinks).st_uid


@reading
def get_gid(path: str, follow_symlinks: bool = True) -> int:
    """The number of the group that owns PATH."""
    return _status(path, follow_symlinks).st_gid


@reading
def user_to_uid(user: str | int) -> int:
    """The number of USER."""
    return file_owner.uid(user)


@reading
def group_to_gid(group: str | int) -> int:
    """The number of GROUP."""
    return file_owner.gid(group)


def _status(path: str, follow: bool) -> os.stat_result:
    try:
        return os.stat(safe.absolute(path), follow_symlinks=follow)
    except OSError as error:
        raise FileLookupError(f"{path}: {error.strerror}") from None


def _type_of(path: str) -> str:
    return "l" if os.path.islink(path) else "d" if os.path.isdir(path) else "f" if os.path.isfile(path) else "?"


def _below(top: str, maxdepth: int | None) -> list[str]:
    """TOP and what lies below it; links are not followed."""
    found, depth_of_top = [top] if os.path.lexists(top) else [], top.rstrip("/").count("/")
    for folder, folders, files in os.walk(top):
        found += (os.path.join(folder, one) for one in (*folders, *files))
        if len(found) > _FOUND_LIMIT:
            raise FileLookupError(f"there are more than {_FOUND_LIMIT} files below {top}; name a folder further down")
        if maxdepth is not None and folder.rstrip("/").count("/") - depth_of_top + 1 >= maxdepth:
            folders.clear()
    return found if maxdepth != 0 else found[:1]
