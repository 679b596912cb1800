"""The errors that a user may see. Each says what, where and what to do; none needs a traceback to be understood."""

from __future__ import annotations


class SalternError(Exception):
    """The root of all expected errors. `str()` is what the user reads."""

    exit_code = 1


class UsageError(SalternError):
    """The command line, a target or an argument can't be understood, or nothing matched."""

    exit_code = 2


class ConfigError(SalternError, ValueError):
    """A configuration file or value is wrong; the message names the file and line."""


class PermanentError(SalternError):
    """Trying again will not help."""


class TemporaryError(SalternError):
    """Trying again after `delay_s` seconds may help."""

    def __init__(self, message: str, *, delay_s: float = 1.0) -> None:
        super().__init__(message)
        self.delay_s = delay_s


class SourceError(SalternError, ValueError):
    """Something that a user wrote is wrong at a place: shown as `file:line:column: message`, an excerpt, a hint."""

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
        excerpt: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.message, self.file, self.line, self.column = message, file, line, column
        self.excerpt, self.hint = excerpt, hint
        super().__init__(self._text())

    def _text(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        lines = [f"{place}: {self.message}" if place else self.message]
        if self.excerpt:
            lines += ["  " + text for text in self.excerpt.splitlines()]
        if self.hint:
            lines.append(self.hint)
        return "\n".join(lines)


class NoValue(SourceError):
    """A template needs a value that is not there: a variable, a pillar key, a grain, what only a node can tell."""


def nearest(word: str, known: object) -> str:
    """' Did you mean X?' for the closest of KNOWN (an iterable of names), or '' where none is close."""
    import difflib

    close = difflib.get_close_matches(word, [str(name) for name in known], n=1)  # type: ignore[attr-defined]
    return f" Did you mean {close[0]!r}?" if close else ""
