"""What minions say, made harmless for a terminal.

A return, an id of a state or a file's contents may hold escape sequences that retitle, recolour or rewrite what the
administrator sees, or marks that reverse the reading order. They are shown as `\\x1b`, never sent to the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MAX_DEPTH = 100  # levels of a return that are shown; deeper ones are an attack on the reader, or a bug

# C0 without tab and newline, DEL and C1 (ECMA-48); marks of reading order (UAX #9); line and paragraph separators;
# invisible characters, tags; lone surrogates, which no terminal's encoding can carry.
_UNSAFE = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def neutral(text: str) -> str:
    """TEXT with control characters as visible escapes; newlines and tabs stay, `\\r\\n` becomes `\\n`."""
    if text.isprintable() and text.isascii():
        return text
    import re

    return re.sub(_UNSAFE, _visible, text.replace("\r\n", "\n"))


def neutral_line(text: str) -> str:
    """`neutral` for what has to stay on one line: newlines and tabs are escaped too."""
    return neutral(text.replace("\r\n", "\n")).replace("\n", "\\n").replace("\t", "\\t")


def _visible(found: Any) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def clean(value: Any, depth: int = 0) -> Any:
    """VALUE (of JSON's types) with every text and key neutral, and what lies below MAX_DEPTH levels left out."""
    if isinstance(value, str):
        return neutral(value)
    if value is None or isinstance(value, int | float):
        return value
    if depth >= MAX_DEPTH:
        return f"(left out: nested more than {MAX_DEPTH} levels deep)"
    if isinstance(value, Mapping):
        return {neutral_line(_text(key)): clean(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [clean(inner, depth + 1) for inner in value]
    return neutral(str(value))


def bounded(value: Any, depth: int = 0) -> Any:
    """VALUE with JSON's types only (any other as its text), without what lies below MAX_DEPTH levels."""
    if value is None or isinstance(value, str | int | float):
        return value
    if not isinstance(value, Mapping | list | tuple):
        return str(value)
    if depth >= MAX_DEPTH:
        return f"(left out: nested more than {MAX_DEPTH} levels deep)"
    if isinstance(value, Mapping):
        return {_text(key): bounded(inner, depth + 1) for key, inner in value.items()}
    return [bounded(inner, depth + 1) for inner in value]


def _text(key: object) -> str:
    return key if isinstance(key, str) else str(key)
