"""Several errors at once: whoever wrote a tree sees all that is wrong with it in one go, not one per attempt."""

from __future__ import annotations

from collections.abc import Sequence

from saltern.errors import SourceError

_SHOWN = 12  # about one screen


class SourceErrors(SourceError):
    """More than one thing is wrong. `errors` holds them in the order in which they were found; `str()` shows the first
    ones on one screen. File, line and column are those of the first."""

    def __init__(self, errors: Sequence[SourceError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(first.message, file=first.file, line=first.line, column=first.column)

    def _text(self) -> str:
        shown = [str(error) for error in self.errors[:_SHOWN]]
        left = len(self.errors) - len(shown)
        more = [f"… and {left} more"] if left else []
        return "\n".join([f"{len(self.errors)} errors:", *shown, *more])


class Problems:
    """Collects errors while going on, so that independent ones are reported together."""

    def __init__(self) -> None:
        self.found: list[SourceError] = []
        self._seen: set[str] = set()

    def add(self, error: SourceError) -> None:
        """Note ERROR (once), or each of the errors that it holds."""
        for one in error.errors if isinstance(error, SourceErrors) else (error,):
            if str(one) not in self._seen:
                self._seen.add(str(one))
                self.found.append(one)

    def check(self) -> None:
        """Raise what was found: the one SourceError, or SourceErrors for several. Nothing where all is well."""
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise SourceErrors(_by_line(self.found))


def _by_line(errors: Sequence[SourceError]) -> list[SourceError]:
    """ERRORS by file, in the order in which the files came up, and by line within one."""
    files = {file: number for number, file in reversed(list(enumerate(error.file for error in errors)))}
    return sorted(errors, key=lambda error: (files[error.file], error.line or 0))
