"""What can be wrong with the code of a tree, told with its file and line."""

from __future__ import annotations

import re

from saltern.errors import PermanentError, UsageError

_OF_A_TREE = re.compile(r"_(?:modules|states|grains|utils|runners)/[A-Za-z0-9_]+\.py")


class BrokenModule(UsageError):
    """A file of the tree can't be loaded; nothing of it ran."""


class NotOffered(UsageError):
    """The `__virtual__` of a file says that it is not for this node."""


class CustomFailed(PermanentError):
    """A function of the tree raised what it should not, or returned what it may not."""


def place_of(error: BaseException) -> str:
    """`_modules/web.py:12`, the innermost place of ERROR in the code of a tree; '' where none is part of it."""
    found, traceback = "", error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if _OF_A_TREE.fullmatch(file):
            found = f"{file}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return found


def _tells_itself(error: ModuleNotFoundError) -> bool:
    """Whether the bridge to Salt's modules raised it, with words of its own."""
    return not str(error).startswith("No module named")


def words_of(error: BaseException, file: str) -> str:
    """ERROR, met while FILE of the tree was at work, as one line with its place."""
    if isinstance(error, SyntaxError):
        place = f"{file}:{error.lineno}" if error.lineno else file
        return f"{place}: this is no Python: {error.msg}"
    place = place_of(error) or file
    if isinstance(error, ModuleNotFoundError) and error.name and not _tells_itself(error):
        if error.name.partition(".")[0] == "salt":
            return f"{place}: it imports something of saltern, so it is in Saltern's own form, which has no module salt"
        return f"{place}: needs the Python module {error.name!r}, which is not installed here"
    if isinstance(error, ImportError):
        return f"{place}: {error}"
    return f"{place}: {type(error).__name__}: {error}"
