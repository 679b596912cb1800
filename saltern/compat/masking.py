"""Secrets on their way into Salt-style code, which knows texts only, and out of it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saltern.converge.compare import hidden, secrets_in
from saltern.secret import Secret


class Revealed:
    """The secrets that were shown to some code."""

    def __init__(self) -> None:
        self._texts: set[str] = set()

    def reveal(self, value: Any) -> Any:
        """VALUE with its secrets in clear."""
        found = secrets_in(value)
        if not found:
            return value
        self._texts.update(found)
        return _clear(value)

    def mask(self, value: Any) -> Any:
        """VALUE, which that code gave, with every secret that it had seen hidden."""
        return _masked(value, list(self._texts)) if self._texts else value


def _clear(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, Mapping):
        return {key: _clear(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clear(item) for item in value]
    return value


def _masked(value: Any, secrets: list[str]) -> Any:
    if isinstance(value, str):
        return hidden(value, secrets)
    if isinstance(value, dict):
        return {_masked(key, secrets): _masked(item, secrets) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(item, secrets) for item in value]
    return value
