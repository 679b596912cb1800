"""Texts that stand for secrets while a template is only text.

A secret that a template writes out becomes a stand-in, a word that no parser changes; where the text has become data or
the contents of a file, the secret takes its place again. A text of which it is a part becomes a secret as a whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from saltern.closed import NotHere
from saltern.secret import Secret


class SecretKey(ValueError):
    """A secret was written as the key of a mapping."""


class StandIns:
    """The secrets of one job and the words that stand for them; nobody can guess those."""

    def __init__(self) -> None:
        self._prefix = f"saltern-secret-{os.urandom(8).hex()}-"
        self._pattern = re.compile(rf"{self._prefix}(\d+)-")
        self._secrets: list[Secret] = []
        self.document = False  # whether what is rendered now will be parsed, as an SLS is

    @contextmanager
    def parsing(self, document: bool) -> Iterator[None]:
        """While it holds, what is rendered will be parsed (DOCUMENT), or is the text of a file."""
        outer, self.document = self.document, document
        try:
            yield
        finally:
            self.document = outer

    def of(self, secret: Secret) -> str:
        """The word for SECRET."""
        self._secrets.append(secret)
        return f"{self._prefix}{len(self._secrets) - 1}-"

    def within(self, text: str) -> bool:
        """Whether one of the words is in TEXT."""
        return bool(self._secrets) and self._prefix in text

    def opened(self, text: str) -> str:
        """TEXT with the secrets in place of their words."""
        return self._pattern.sub(lambda found: self._secrets[int(found[1])].reveal(), text)

    def hide(self, text: str) -> str | Secret:
        """TEXT, or a secret where one of the words is in it."""
        made: str | Secret = secretly(lambda: self.opened(text)) if self.within(text) else text
        return made

    def hidden(self, value: Any) -> Any:
        """VALUE, or a secret where it is a text with one of the words in it."""
        return self.hide(value) if isinstance(value, str) else value

    def put_back(self, data: Any) -> Any:
        """DATA with secrets for the texts that hold words; mappings and lists are changed in place. SecretKey where one
        is in a key."""
        if not self._secrets:
            return data
        return self._put_back(data, set())

    def _put_back(self, data: Any, seen: set[int]) -> Any:
        if isinstance(data, str):
            return self.hide(data)
        if not isinstance(data, dict | list) or id(data) in seen:
            return data
        seen.add(id(data))
        for key, value in list(data.items() if isinstance(data, dict) else enumerate(data)):
            if isinstance(key, str) and self.within(key):
                raise SecretKey("a secret can't be a key, nor the id of a state")
            data[key] = self._put_back(value, seen)
        return data

    def shown(self, value: Any) -> Any:
        """VALUE with words in place of the secrets in it."""
        return _each(value, lambda leaf: self.of(leaf) if isinstance(leaf, Secret) else leaf)

    def revealed(self, value: Any) -> Any:
        """VALUE with its secrets, and those that words stand for, as plain texts. Only for what is hidden again."""
        return _each(value, self._revealed)

    def _revealed(self, leaf: Any) -> Any:
        if isinstance(leaf, Secret):
            return leaf.reveal()
        return self.opened(leaf) if isinstance(leaf, str) and self.within(leaf) else leaf

    def among(self, values: Iterable[Any]) -> bool:
        """Whether one of VALUES is a secret or holds a word."""
        return any(isinstance(value, Secret) or (isinstance(value, str) and self.within(value)) for value in values)

    def below(self, values: Iterable[Any]) -> bool:
        """Whether a secret or a word is anywhere in the mappings and lists of VALUES."""
        waiting = [value for value in values if isinstance(value, dict | list | tuple)]
        seen: set[int] = set()
        while waiting:
            value = waiting.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            members = list(value.values() if isinstance(value, dict) else value)
            if self.among(members):
                return True
            waiting += [member for member in members if isinstance(member, dict | list | tuple)]
        return False


def secretly(make: Callable[[], Any]) -> Any:
    """What MAKE makes of secrets, with its texts hidden. Where it wants the text of a closed one, it is that one: so
    only a state that uses it fails."""
    try:
        return _hidden(make())
    except NotHere as error:
        return error.secret


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return Secret(value)
    return [_hidden(member) for member in value] if isinstance(value, list | tuple) else value


def _each(value: Any, change: Any) -> Any:
    """A copy of VALUE with each of its leaves changed by CHANGE."""
    if isinstance(value, dict):
        return {key: _each(member, change) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_each(member, change) for member in value)
    return change(value)
