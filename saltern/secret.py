"""A value that must not be seen. It imports nothing, so that every layer can use it."""

from __future__ import annotations

import hmac
from typing import NoReturn

MASK = "**********"


class Secret:
    """A text that never prints: `str`, `repr` and `format` give a mask, pickle and copies to JSON are refused.

    It is no `str` subclass and no dataclass on purpose, since `%s`, `join` and `asdict` would give those away.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself. Call it only where a step acts or where pillar is sealed for a minion."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(_bytes(self._value), _bytes(other._value))

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret can't be pickled")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
