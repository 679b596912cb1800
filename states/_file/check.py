"""What can be told to be wrong with the arguments of a file state before anything runs, at the line where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from modules._file import owner as file_owner
from modules._file.safe import absolute
from saltern.converge.plan import Plan, Unset
from saltern.converge.state import check
from saltern.errors import PermanentError
from states._file.shared import FileStateError

_MODES = ("mode", "dir_mode", "file_mode")


class WrongArgument(FileStateError):
    """ARGUMENT has a value that it can't have."""

    def __init__(self, message: str, argument: str) -> None:
        super().__init__(message)
        self.argument = argument


def check_arguments(*states: Callable[..., Plan]) -> None:
    """Have the arguments of these states checked: an absolute path, modes of octal digits, a template engine that there
    is."""
    for one in states:
        check(of=one)(_check)


def check_directory(name: str, **arguments: Any) -> None:
    """As for the others; and `clean` and `max_depth` don't go together."""
    _check(name, **arguments)
    if arguments.get("clean") and arguments.get("max_depth") is not None:
        raise WrongArgument("`clean` looks at all that lies below, so it does not go with `max_depth`", "max_depth")


def _check(name: str, **arguments: Any) -> None:
    try:
        absolute(name)
    except PermanentError as error:
        raise WrongArgument(str(error), "name") from None
    for key in _MODES:
        mode = arguments.get(key)
        if mode is not None and not isinstance(mode, Unset) and mode not in ("", "keep"):
            try:
                file_owner.mode(mode)
            except PermanentError as error:
                raise WrongArgument(f"{key}: {error}", key) from None
    engine = arguments.get("template")
    if engine not in (None, "jinja"):
        raise WrongArgument(f"there is no template engine {engine!r}; there is jinja", "template")
    if arguments.get("clean") and absolute(name) == "/":
        raise WrongArgument("'/' is not cleaned", "clean")
