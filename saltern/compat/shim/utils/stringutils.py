"""`salt.utils.stringutils`: texts and bytes."""

from __future__ import annotations

from typing import Any


def to_unicode(s: Any, encoding: str = "utf-8", errors: str = "strict", normalize: bool = False) -> str:
    """S as a text. TypeError where it is neither text nor bytes."""
    return to_str(s, encoding, errors, normalize)


def to_str(s: Any, encoding: str = "utf-8", errors: str = "strict", normalize: bool = False) -> str:
    """S as a text. TypeError where it is neither text nor bytes."""
    if isinstance(s, bytes | bytearray):
        return to_str(bytes(s).decode(encoding or "utf-8", errors), normalize=normalize)
    if not isinstance(s, str):
        raise TypeError(f"expected str, bytes, or bytearray not {type(s)}")
    if normalize:
        import unicodedata

        return unicodedata.normalize("NFC", s)
    return s


def to_bytes(s: Any, encoding: str = "utf-8", errors: str = "strict") -> bytes:
    """S as bytes. TypeError where it is neither text nor bytes."""
    if isinstance(s, bytes | bytearray):
        return bytes(s)
    if not isinstance(s, str):
        raise TypeError(f"expected str, bytes, or bytearray not {type(s)}")
    return s.encode(encoding or "utf-8", errors)


def to_none(text: Any) -> Any:
    """TEXT, or None where it is blank."""
    return text if str(text).strip() not in ("", "None") else None


def to_num(text: Any) -> Any:
    """TEXT as a number, where it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except (TypeError, ValueError):
            pass
    return text


def contains_whitespace(text: str) -> bool:
    """Whether there is a space in TEXT."""
    return any(letter.isspace() for letter in text)
