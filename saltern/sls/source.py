"""A text that a user wrote, and the way from a position in what was rendered of it back to a line of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from saltern.errors import SourceError
from saltern.sls.low import Place

_WIDTH = 110  # columns of a line that an excerpt shows
_RENDERED_NOTE = "rendered"


class Source:
    """FILE is the path in the tree, TEXT what was written, RENDERED what a template made of it (the same text where
    none ran). LINES says, for each line of RENDERED from 0, the line of TEXT from 0 that it came from; it is asked for
    only when a place is."""

    __slots__ = ("_line_map", "_lines", "_split", "file", "rendered", "text")

    def __init__(
        self, file: str, text: str, rendered: str | None = None, lines: Callable[[], Sequence[int]] | None = None
    ) -> None:
        self.file, self.text = file, text
        self.rendered = text if rendered is None else rendered
        self._lines = lines
        self._line_map: Sequence[int] | None = None
        self._split: tuple[list[str], list[str]] | None = None  # the lines of both, once a place was asked for

    @property
    def was_rendered(self) -> bool:
        """Whether a template made what is read from what was written."""
        return self._lines is not None

    def place(self, line: int, column: int = 0) -> Place:
        """The place of a position in the rendered text (both from 0), in what the user wrote. The column is left out
        where the template made the line."""
        if self._lines is None:
            return Place(self.file, line + 1, column + 1)
        written = self._written(line)
        if self._split is None:
            self._split = (self.text.splitlines(), self.rendered.splitlines())
        texts, rendered = self._split
        same = written < len(texts) and line < len(rendered) and texts[written] == rendered[line]
        return Place(self.file, written + 1, column + 1 if same else None)

    def error(self, message: str, line: int | None = None, column: int | None = None, hint: str = "") -> SourceError:
        """A SourceError at a position in the rendered text (from 0) with an excerpt of what was written and, where a
        template made the line, of what came out."""
        if line is None:
            return SourceError(message, file=self.file, hint=hint or None)
        place = self.place(line, column or 0)
        shown = excerpt(self.text, (place.line or 1) - 1, None if place.column is None else column)
        if self._lines is not None and place.column is None:
            shown += f"\n{_RENDERED_NOTE} line {line + 1}:\n{excerpt(self.rendered, line, column)}"
        return SourceError(
            message,
            file=place.file,
            line=place.line,
            column=place.column if column is not None else None,
            excerpt=shown,
            hint=hint or None,
        )

    def _written(self, line: int) -> int:
        if self._line_map is None:
            self._line_map = self._lines() if self._lines else ()
        if not self._line_map:
            return 0
        return self._line_map[min(line, len(self._line_map) - 1)]


def excerpt(text: str, line: int, column: int | None = None) -> str:
    """LINE of TEXT (from 0) after the one above it, with numbers, and a caret below COLUMN (from 0) where given."""
    lines = text.splitlines()
    if not lines:
        return ""
    line = min(line, len(lines) - 1)
    digits = len(str(line + 1))
    rows = [
        f"{number + 1:>{digits}} | {_printable(lines[number])[:_WIDTH]}".rstrip()
        for number in range(max(0, line - 1), line + 1)
    ]
    if column is not None and column < _WIDTH:
        rows.append(f"{'':>{digits}} | {' ' * column}^")
    return "\n".join(rows)


def _printable(text: str) -> str:
    """TEXT with each character that would move the caret or the terminal as one visible one (a tab as →)."""
    return "".join("→" if c == "\t" else c if c.isprintable() else "�" for c in text)
