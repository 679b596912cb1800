"""`salt.utils.data`: looking into nested data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def traverse_dict(data: Any, key: str, default: Any = None, delimiter: str = ":") -> Any:
    """What lies at KEY ("a:b") of nested mappings, or DEFAULT."""
    for part in str(key).split(delimiter):
        if not isinstance(data, Mapping) or part not in data:
            return default
        data = data[part]
    return data


def traverse_dict_and_list(data: Any, key: str, default: Any = None, delimiter: str = ":") -> Any:
    """What lies at KEY ("a:0:b") of nested mappings and lists, or DEFAULT."""
    for part in str(key).split(delimiter):
        if isinstance(data, Mapping) and part in data:
            data = data[part]
        elif isinstance(data, list) and part.lstrip("-").isdigit() and -len(data) <= int(part) < len(data):
            data = data[int(part)]
        else:
            return default
    return data


def is_true(value: Any = None) -> bool:
    """Whether VALUE says yes: a number above 0, or a text "true" or a number above 0."""
    if isinstance(value, str):
        value = value.strip().lower()
        if value == "true":
            return True
        try:
            value = float(value)
        except ValueError:
            return False
    return value > 0 if isinstance(value, int | float) else bool(value)


def is_list(value: Any) -> bool:
    """Whether VALUE is a list."""
    return isinstance(value, list)


def is_dictlist(data: Any) -> bool:
    """Whether DATA is a list of mappings with one key each."""
    return isinstance(data, list) and bool(data) and all(isinstance(one, Mapping) and len(one) == 1 for one in data)


def repack_dictlist(data: Any, **_: Any) -> dict[Any, Any]:
    """A list of one-key mappings (and bare words) as one mapping."""
    packed: dict[Any, Any] = {}
    for one in data if isinstance(data, list) else [data]:
        packed.update(one if isinstance(one, Mapping) else {one: None})
    return packed


def decode(data: Any, *_: Any, **__: Any) -> Any:
    """DATA with its bytes as texts."""
    if isinstance(data, bytes):
        return data.decode("utf-8", "replace")
    if isinstance(data, Mapping):
        return {decode(key): decode(value) for key, value in data.items()}
    return [decode(value) for value in data] if isinstance(data, list) else data


def compare_dicts(old: Any = None, new: Any = None) -> dict[Any, Any]:
    """What differs: {key: {"old": …, "new": …}}, '' where a side has none."""
    old, new = old or {}, new or {}
    return {
        key: {"old": old.get(key, ""), "new": new.get(key, "")}
        for key in [*old, *(key for key in new if key not in old)]
        if key not in old or key not in new or old[key] != new[key]
    }
