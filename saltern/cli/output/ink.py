"""Colours, where they are wanted."""

from __future__ import annotations

_CODES = {
    "red": "\x1b[0;31m",
    "green": "\x1b[0;32m",
    "yellow": "\x1b[0;33m",
    "cyan": "\x1b[0;36m",
    "bold": "\x1b[1m",
    "faint": "\x1b[2m",
}
_END = "\x1b[0m"


class Ink:
    """Paints a text, or gives it as it is where ON is false."""

    __slots__ = ("on",)

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, colour: str, text: str) -> str:
        """TEXT in COLOUR: red, green, yellow, cyan, bold, faint. An empty text stays empty."""
        return f"{_CODES[colour]}{text}{_END}" if self.on and text else text
