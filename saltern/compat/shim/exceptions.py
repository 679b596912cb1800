"""The errors that modules made for Salt raise: here they are Saltern's, so that a user sees one clear line."""

from __future__ import annotations

from typing import Any

from saltern.errors import PermanentError


class SaltException(PermanentError):
    """The root of them."""

    def __init__(self, message: object = "", *_: Any, **__: Any) -> None:
        super().__init__(str(message))
        self.message = str(message)


class CommandExecutionError(SaltException):
    """Something that was run failed. INFO: more about it."""

    def __init__(self, message: object = "", info: Any = None) -> None:
        super().__init__(message)
        self.info = info


class CommandNotFoundError(SaltException):
    """A program is not there."""


class SaltInvocationError(SaltException, TypeError):
    """A function was called with wrong arguments."""


class ArgumentValueError(CommandExecutionError):
    """An argument has a wrong value."""


class TimedProcTimeoutError(SaltException):
    """A program took too long."""


class SaltRenderError(SaltException):
    """A template does not render."""


class MinionError(SaltException):
    """A file of the master is not to be had."""


class LoaderError(SaltException):
    """A module can't be loaded."""
