"""Finds a value in nested grains or pillar by `key:key:pattern`, as the targets of Salt do.

A key may itself contain the delimiter and so may the value, so every way to split the words is tried. The data comes
from a minion: it is compared, never evaluated, and neither its depth nor its size makes this recurse deeper than the
target has words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Test = Callable[[str], bool]
"""Whether a value, as text, is what is wanted."""

MAX_WORDS = 100
_INT_BITS = 4096


def match_nested(
    data: Mapping[str, Any],
    words: list[str],
    test_of: Callable[[str], Test],
    delimiter: str,
    *,
    wildcards: bool = True,
) -> bool:
    """Whether DATA has the value that WORDS (keys, then a pattern) describe.

    - Keys lead from mapping to mapping; a whole number is also an index into a list, and the key of an integer.
    - At a list any member may match: a plain value, or a mapping in which the search goes on.
    - `*` as a key goes into every value of a mapping; as the pattern it says that the keys before it exist (neither
      without WILDCARDS).
    - A mapping matches when the pattern is one of its keys.
    - Plain values are compared as text (True is "True", None is "None"); anything else never matches.

    TEST_OF gives the test for a pattern. WORDS are at most MAX_WORDS long.
    """
    tests: dict[int, Test] = {}

    def test(at: int) -> Test:
        if at not in tests:
            tests[at] = test_of(delimiter.join(words[at:]))
        return tests[at]

    def value(found: Any, at: int) -> bool:
        if isinstance(found, Mapping):
            return mapping(found, at)
        if isinstance(found, list | tuple | set | frozenset):
            return members(found, at)
        return plain(found, at)

    def plain(found: Any, at: int) -> bool:
        if isinstance(found, int) and not isinstance(found, bool) and found.bit_length() > _INT_BITS:
            return False  # Python refuses to write very long numbers
        return isinstance(found, str | int | float | None) and test(at)(str(found))

    def mapping(found: Mapping[Any, Any], at: int) -> bool:
        last = len(words) - 1
        anything = wildcards and words[at] == "*"
        if at == last and (anything or words[at] in found):
            return True
        for end in range(at + 1, len(words)):
            key = delimiter.join(words[at:end])
            if key in found and value(found[key], end):
                return True
            number = _number(key)
            if number is not None and number in found and value(found[number], end):
                return True
        return anything and at < last and any(value(item, at + 1) for item in found.values())

    def members(found: Any, at: int) -> bool:
        for member in found:
            if isinstance(member, Mapping):
                if mapping(member, at):
                    return True
            elif plain(member, at):
                return True
        index = _number(words[at])
        if index is None or at == len(words) - 1 or not isinstance(found, list | tuple):
            return False
        return index < len(found) and value(found[index], at + 1)

    return mapping(data, 0)


def _number(word: str) -> int | None:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 20 else None
