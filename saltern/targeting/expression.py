"""The compound language: its tree, its parser and its printer.

    expression = and ("or" and)*        `not` binds tighter than `and`, `and` tighter than `or`
    and        = not ("and" not)*
    not        = "not" not | "(" expression ")" | term
    term       = [letter [delimiter] "@"] pattern

Words are parted by blanks. Parentheses may stand close to words: those that a pattern opens itself belong to it
(`E@web(1|2)`), a closing one that it did not open ends the pattern and the group.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

from saltern.errors import nearest
from saltern.targeting.errors import TargetError

LETTERS = {
    "G": "grain",
    "P": "grain_pcre",
    "E": "pcre",
    "L": "list",
    "I": "pillar",
    "J": "pillar_pcre",
    "S": "ipcidr",
    "N": "nodegroup",
}
"""What each letter means, as a form. A word without a letter is a glob."""

DELIMITED = frozenset("GPIJ")
"""The letters that may carry their own delimiter: `G|@key|value`."""

MAX_DEPTH = 100
MAX_LENGTH = 1 << 20

_HEAD = re.compile(r"([A-Za-z0-9])([^\s@()]?)@")
_OPERATORS = ("and", "or", "not")
_LETTERS_HINT = "The letters are " + ", ".join(f"{letter} ({form})" for letter, form in LETTERS.items()) + "."


@dataclass(frozen=True, slots=True)
class Term:
    """One word: LETTER is '' for a glob, DELIMITER is '' for the usual one. `offset` (from 0) is where the pattern
    begins in the expression; it is not part of what a term means."""

    letter: str
    delimiter: str
    pattern: str
    offset: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """What ITEM does not match."""

    item: Node


@dataclass(frozen=True, slots=True)
class And:
    """What all ITEMS match; at least two."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """What any of ITEMS matches; at least two."""

    items: tuple[Node, ...]


Node: TypeAlias = Term | Not | And | Or


def parse(expression: str) -> Node | None:
    """The tree of EXPRESSION, or None where it is blank. TargetError points at the character at fault."""
    if len(expression) > MAX_LENGTH:
        raise TargetError(f"it is longer than {MAX_LENGTH} characters", "", 1)
    return _Parser(expression).whole()


def unparse(node: Node) -> str:
    """The text that `parse` reads as NODE again."""
    match node:
        case Term(letter, delimiter, pattern):
            return f"{letter}{delimiter}@{pattern}" if letter else pattern
        case Not(item):
            return "not " + _grouped(item, And | Or)
        case And(items):
            return " and ".join(_grouped(item, And | Or) for item in items)
        case Or(items):
            return " or ".join(_grouped(item, Or) for item in items)


def _grouped(node: Node, kinds: object) -> str:
    return f"( {unparse(node)} )" if isinstance(node, kinds) else unparse(node)  # type: ignore[arg-type]


class _Parser:
    """A recursive descent over the text; `at` is the index of the next character that is not read yet."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.depth = text, 0, 0

    def whole(self) -> Node | None:
        self.blanks()
        if self.at == len(self.text):
            return None
        node = self.alternatives()
        if self.at < len(self.text):
            if self.text[self.at] == ")":
                raise self.error("this ')' closes nothing", hint="Remove it, or add the '(' that it should close.")
            raise self.error("'and' or 'or' is missing before this word", hint=self.joining_hint())
        return node

    def alternatives(self) -> Node:
        items = [self.conjunction()]
        while self.operator("or"):
            items.append(self.conjunction())
        return items[0] if len(items) == 1 else Or(tuple(items))

    def conjunction(self) -> Node:
        items = [self.operand()]
        while self.operator("and"):
            items.append(self.operand())
        return items[0] if len(items) == 1 else And(tuple(items))

    def operand(self) -> Node:
        self.blanks()
        start = self.at
        if start == len(self.text):
            raise self.error("something to match is missing here")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"more than {MAX_DEPTH} levels of 'not' and parentheses")
        try:
            if self.operator("not"):
                return Not(self.operand())
            if self.text[start] == "(":
                return self.group()
            return self.term()
        finally:
            self.depth -= 1

    def group(self) -> Node:
        opened = self.at
        self.at += 1
        node = self.alternatives()
        if self.text[self.at : self.at + 1] != ")":
            if self.at < len(self.text):
                raise self.error("'and', 'or' or ')' is missing before this word", hint=self.joining_hint())
            raise self.error("this '(' is never closed", opened, "Add a ')' behind what it groups.")
        self.at += 1
        self.blanks()
        return node

    def term(self) -> Term:
        start = self.at
        for name in _OPERATORS:
            if self.is_operator(name):
                raise self.error(f"something to match is missing before {name!r}")
        if self.text[start] == ")":
            raise self.error("something to match is missing before ')'")
        letter, delimiter = self.head()
        offset = self.at
        self.at = end_of_pattern(self.text, offset)
        pattern = self.text[offset : self.at]
        if not pattern:
            raise self.error(f"the pattern after {self.text[start:offset]!r} is missing")
        if not letter and "@" in pattern:
            raise self.error("'@' stands in no minion id", offset + pattern.index("@"), _LETTERS_HINT)
        self.blanks()
        return Term(letter, delimiter, pattern, offset)

    def head(self) -> tuple[str, str]:
        found = _HEAD.match(self.text, self.at)
        if not found:
            return "", ""
        letter, delimiter = found.groups()
        if letter not in LETTERS:
            hint = f"Write {letter.upper()}@: the letters are capitals." if letter.upper() in LETTERS else _LETTERS_HINT
            raise self.error(f"unknown letter {letter!r}", hint=hint)
        if delimiter and letter not in DELIMITED:
            raise self.error(
                f"{letter}@ takes no delimiter", self.at + 1, f"Only {', '.join(sorted(DELIMITED))} have keys to part."
            )
        self.at = found.end()
        return letter, delimiter

    def operator(self, name: str) -> bool:
        """Read the operator NAME, if it is next."""
        self.blanks()
        if not self.is_operator(name):
            return False
        self.at += len(name)
        self.blanks()
        return True

    def is_operator(self, name: str) -> bool:
        end = self.at + len(name)
        return self.text.startswith(name, self.at) and (end == len(self.text) or self.text[end] in "()" + _BLANKS)

    def blanks(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in _BLANKS:
            self.at += 1

    def joining_hint(self) -> str:
        word = self.text[self.at :].split(None, 1)[0]
        if word.lower() in _OPERATORS:
            return f"Write {word.lower()!r}: the operators are in lower case."
        return nearest(word, _OPERATORS).strip() or "A blank inside a pattern is written as '?' (glob) or '.' (PCRE)."

    def error(self, problem: str, at: int | None = None, hint: str = "") -> TargetError:
        return TargetError(problem, self.text, (self.at if at is None else at) + 1, hint)


_BLANKS = " \t\r\n\v\f"
_BLANK = re.compile(r"[ \t\r\n\v\f]")


def end_of_pattern(text: str, start: int) -> int:
    """The index behind the pattern that begins at START: at a blank, the end, or a ')' that it did not open.

    A parenthesis behind a backslash or in a character class is a character like any other.
    """
    blank = _BLANK.search(text, start)
    end = blank.start() if blank else len(text)
    last_close = text.rfind("]", start, end)  # a '[' behind it opens no class
    opened, at = 0, start
    while at < end:
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "[":
            # A ']' that comes first, or first after '!' or '^', is a member of the class and does not end it.
            first = at + 1 + (text[at + 1 : at + 2] in ("!", "^"))
            if last_close > first:
                at = text.index("]", first + 1)
        elif char == "(":
            opened += 1
        elif char == ")":
            if not opened:
                break
            opened -= 1
        at += 1
    return min(at, end)
