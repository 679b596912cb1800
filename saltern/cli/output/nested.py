"""Salt's `nested` layout: keys with their values indented below them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from saltern.cli.output.ink import Ink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

RULE = "----------"


def lines(value: Any, indent: int, ink: Ink, prefix: str = "") -> Iterator[str]:
    """The lines of VALUE (clean: see `safe`), INDENT spaces in; PREFIX stands before its first line."""
    space = " " * indent
    if isinstance(value, Mapping):
        if indent:
            yield space + ink("cyan", RULE)
        for key in sorted(value, key=str):
            yield f"{space}{ink('cyan', f'{prefix}{key}:')}"
            yield from lines(value[key], indent + 4, ink)
    elif isinstance(value, list | tuple):
        for item in value:
            if isinstance(item, Mapping | list | tuple):
                yield space + ink("green", "|_")
                yield from lines(item, indent + 2, ink)
            else:
                yield from lines(item, indent, ink, "- ")
    elif isinstance(value, str):
        yield from _text(value, space, prefix, ink)
    else:
        yield f"{space}{ink('yellow', f'{prefix}{value}')}"


def _text(text: str, space: str, prefix: str, ink: Ink) -> Iterator[str]:
    is_diff = "\n+++ " in text and (text.startswith("--- ") or "\n--- " in text)
    for line in text.splitlines() or [""]:
        colour = _diff_colour(line) if is_diff else "green"
        yield (space + ink(colour, prefix + line)).rstrip(" ")
        prefix = " " * len(prefix)


def _diff_colour(line: str) -> str:
    if line.startswith(("--- ", "+++ ", "@@")):
        return "cyan"
    return {"+": "green", "-": "red"}.get(line[:1], "faint")
