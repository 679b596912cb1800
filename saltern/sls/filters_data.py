"""Jinja filters of Salt that work on lists, mappings and truth. Results keep the order of what they are given, so a
template renders to the same text on every run."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from saltern.traverse import traverse


def to_bool(value: Any) -> bool:
    """Salt's idea of truth: yes, 1 and true (in any case), numbers above 0, and what is not empty."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str):
        return value.lower() in ("yes", "1", "true")
    if isinstance(value, int | float):
        return value > 0
    return len(value) > 0 if hasattr(value, "__len__") else False


def to_num(value: Any) -> int | float | Any:
    """VALUE as a number where it is one, else VALUE itself."""
    for kind in (int, float):
        try:
            return kind(value)
        except (TypeError, ValueError):
            continue
    return value


def exactly_n_true(values: Iterable[Any], amount: int = 1) -> bool:
    """Whether exactly AMOUNT of VALUES are true."""
    return sum(1 for value in values if value) == amount


def exactly_one_true(values: Iterable[Any]) -> bool:
    """Whether exactly one of VALUES is true."""
    return exactly_n_true(values, 1)


def sequence(value: Any) -> Any:
    """VALUE if it is a list, tuple, set or mapping, else a list of it."""
    return value if isinstance(value, list | tuple | set | frozenset | Mapping) else [value]


def unique(values: Iterable[Any]) -> list[Any]:
    """VALUES without what was there before."""
    found: list[Any] = []
    seen: set[Any] = set()
    for value in values:
        try:
            known = value in seen
            seen.add(value)
        except TypeError:  # not hashable
            known = value in found
        if not known:
            found.append(value)
    return found


def union(one: Iterable[Any], other: Iterable[Any]) -> list[Any]:
    """What is in ONE or OTHER."""
    return unique([*one, *other])


def intersect(one: Iterable[Any], other: Iterable[Any]) -> list[Any]:
    """What is in both."""
    others = list(other)
    return unique(value for value in one if value in others)


def difference(one: Iterable[Any], other: Iterable[Any]) -> list[Any]:
    """What is in ONE and not in OTHER."""
    others = list(other)
    return unique(value for value in one if value not in others)


def symmetric_difference(one: Iterable[Any], other: Iterable[Any]) -> list[Any]:
    """What is in exactly one of them."""
    ones, others = list(one), list(other)
    return [*difference(ones, others), *difference(others, ones)]


def avg(values: Iterable[Any]) -> float:
    """The mean of VALUES; 0 of none."""
    numbers = list(sequence(values))
    return sum(numbers) / len(numbers) if numbers else 0.0


def flatten(values: Iterable[Any], levels: int | None = None, preserve_nulls: bool = False) -> list[Any]:
    """VALUES with lists inside them (down to LEVELS) written out, None left out."""
    found: list[Any] = []
    for value in values:
        if value is None and not preserve_nulls:
            continue
        if isinstance(value, list | tuple) and (levels is None or levels > 0):
            found += flatten(value, None if levels is None else levels - 1, preserve_nulls)
        else:
            found.append(value)
    return found


def is_list(value: Any) -> bool:
    """Whether VALUE is a list."""
    return isinstance(value, list)


def is_iter(value: Any) -> bool:
    """Whether VALUE is a list, tuple, set or mapping: something to loop over that is no text."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes)


def is_sorted(values: Iterable[Any]) -> bool:
    """Whether VALUES are in order."""
    found = list(values)
    return found == sorted(found)


def compare_lists(old: Sequence[Any], new: Sequence[Any]) -> dict[str, Any]:
    """What only one of them has, as {"old": [...], "new": [...]}."""
    gone, added = difference(old, new), difference(new, old)
    return {**({"new": added} if added else {}), **({"old": gone} if gone else {})}


def compare_dicts(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> dict[Any, Any]:
    """Each key whose value differs, as {key: {"old": ..., "new": ...}}; "" where there is none."""
    return {
        key: {"old": old.get(key, ""), "new": new.get(key, "")}
        for key in [*new, *(key for key in old if key not in new)]
        if key not in old or key not in new or old[key] != new[key]
    }


def substring_in_list(text: str, values: Iterable[str]) -> bool:
    """Whether TEXT is part of one of VALUES."""
    return any(text in value for value in values)


def check_whitelist_blacklist(
    value: Any, whitelist: Iterable[Any] | None = None, blacklist: Iterable[Any] | None = None
) -> bool:
    """Whether a glob of WHITELIST (empty: all) matches VALUE and none of BLACKLIST does."""
    from fnmatch import fnmatchcase

    allowed, refused = [str(glob) for glob in whitelist or ()], [str(glob) for glob in blacklist or ()]
    return not any(fnmatchcase(str(value), glob) for glob in refused) and (
        not allowed or any(fnmatchcase(str(value), glob) for glob in allowed)
    )


def json_query(value: Any, expression: str) -> Any:
    """What the JMESPath EXPRESSION finds in VALUE. The package jmespath has to be there, as for Salt."""
    import importlib

    try:
        jmespath: Any = importlib.import_module("jmespath")
    except ImportError:
        from jinja2.exceptions import FilterArgumentError

        raise FilterArgumentError("json_query needs the Python package jmespath: install python3-jmespath") from None
    return jmespath.search(expression, value)


def method_call(value: Any, name: str, *args: Any, **kwargs: Any) -> Any:
    """The method NAME of VALUE, called; names that begin with an underscore are refused."""
    if name.startswith("_") or name in ("format", "format_map"):
        raise ValueError(f"the method {name!r} can't be called from a template")
    return getattr(value, name)(*args, **kwargs)


def random_sample(values: Sequence[Any], size: int, seed: Any = None) -> list[Any]:
    """SIZE of VALUES by lot; the same ones for the same SEED."""
    import random

    return random.Random(seed).sample(list(values), size)  # noqa: S311 - nothing secret


def random_shuffle(values: Sequence[Any], seed: Any = None) -> list[Any]:
    """VALUES in another order; the same one for the same SEED."""
    return random_sample(values, len(values), seed)


def set_dict_key_value(data: dict[Any, Any], keys: str, value: Any, delimiter: str = ":") -> dict[Any, Any]:
    """DATA with VALUE at the path KEYS, in place."""
    inner, last = _way(data, keys, delimiter)
    inner[last] = value
    return data


def update_dict_key_value(data: dict[Any, Any], keys: str, value: Any, delimiter: str = ":") -> dict[Any, Any]:
    """DATA with the mapping at the path KEYS updated by VALUE, in place."""
    inner, last = _way(data, keys, delimiter)
    inner.setdefault(last, {}).update(value)
    return data


def append_dict_key_value(data: dict[Any, Any], keys: str, value: Any, delimiter: str = ":") -> dict[Any, Any]:
    """DATA with VALUE appended to the list at the path KEYS, in place."""
    inner, last = _way(data, keys, delimiter)
    inner.setdefault(last, []).append(value)
    return data


def extend_dict_key_value(data: dict[Any, Any], keys: str, value: Any, delimiter: str = ":") -> dict[Any, Any]:
    """DATA with each of VALUE appended to the list at the path KEYS, in place."""
    inner, last = _way(data, keys, delimiter)
    inner.setdefault(last, []).extend(value)
    return data


def _way(data: dict[Any, Any], keys: str, delimiter: str) -> tuple[dict[Any, Any], str]:
    *above, last = keys.split(delimiter)
    for key in above:
        data = data.setdefault(key, {})
        if not isinstance(data, dict):
            raise TypeError(f"{key!r} of {keys!r} is no mapping")
    return data, last


def _listed(function: Any) -> Any:
    return lambda *args, **kwargs: [list(item) for item in function(*args, **kwargs)]


FILTERS = {
    "traverse": traverse,
    "combinations": _listed(itertools.combinations),
    "combinations_with_replacement": _listed(itertools.combinations_with_replacement),
    "permutations": _listed(itertools.permutations),
    "product": _listed(itertools.product),
    "zip": _listed(lambda *values: zip(*values, strict=False)),
    "zip_longest": _listed(itertools.zip_longest),
    "compress": lambda *args: list(itertools.compress(*args)),
    **{
        function.__name__: function
        for function in (
            *(to_bool, to_num, exactly_n_true, exactly_one_true, sequence, unique, union, intersect, difference),
            *(symmetric_difference, avg, flatten, is_list, is_iter, is_sorted, compare_lists, compare_dicts),
            *(substring_in_list, check_whitelist_blacklist, json_query, method_call, random_sample, random_shuffle),
            *(set_dict_key_value, update_dict_key_value, append_dict_key_value, extend_dict_key_value),
        )
    },
}
