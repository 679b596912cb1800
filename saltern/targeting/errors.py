"""The one error of targeting: a target that can't be read, shown with a caret under the character at fault."""

from __future__ import annotations

from saltern.errors import UsageError

_WIDTH = 76  # columns of the excerpt, so that the caret line fits a terminal


class TargetError(UsageError):
    """A target expression is wrong at a place.

    `problem` says what; `expression` is the whole text; `column` counts its characters from 1, and one past the end
    means that something is missing there; `hint` says what to write instead. `str()` has an excerpt and a caret:

        can't read the target: unknown letter 'X'
          X@foo and web*
          ^
        The letters are G, P, E, L, I, J, S and N.
    """

    lead = "can't read the target"

    def __init__(self, problem: str, expression: str, column: int, hint: str = "") -> None:
        self.problem, self.expression, self.hint = problem, expression, hint
        self.column = min(max(column, 1), len(expression) + 1)
        lines = [f"{self.lead}: {problem}"]
        if expression:
            lines += ["  " + line for line in _excerpt(expression, self.column - 1)]
        if hint:
            lines.append(hint)
        super().__init__("\n".join(lines))

    def inside(self, expression: str, offset: int) -> TargetError:
        """The same error, where the text at fault is the part of EXPRESSION that begins at OFFSET (from 0)."""
        return TargetError(self.problem, expression, offset + self.column, self.hint)


class EndlessTarget(TargetError):
    """The regular expressions of a target take more time than they may: whom it means is not known."""

    lead = "can't tell whom the target means"


def _excerpt(expression: str, at: int) -> tuple[str, str]:
    """The part of EXPRESSION around index AT on one line, and a line with the caret below that character."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in expression)
    start = max(0, at - _WIDTH // 2) if len(shown) > _WIDTH else 0
    end = start + _WIDTH
    before, after = "…" if start else "", "…" if end < len(shown) else ""
    return before + shown[start:end] + after, " " * (at - start + len(before)) + "^"
