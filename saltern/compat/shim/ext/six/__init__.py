"""The names of `six` that older modules use, for Python 3 alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

PY2, PY3 = False, True
string_types = (str,)
integer_types = (int,)
class_types = (type,)
text_type, binary_type = str, bytes


def iteritems(mapping: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """The items of MAPPING."""
    return iter(mapping.items())


def iterkeys(mapping: Mapping[Any, Any]) -> Iterator[Any]:
    """The keys of MAPPING."""
    return iter(mapping.keys())


def itervalues(mapping: Mapping[Any, Any]) -> Iterator[Any]:
    """The values of MAPPING."""
    return iter(mapping.values())
