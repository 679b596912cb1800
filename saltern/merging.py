"""How two values become one: the strategies that `slsutil.merge`, `config.get`, `defaults` and the pillar know by
Salt's names."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from saltern.errors import UsageError, nearest

STRATEGIES = ("smart", "recurse", "aggregate", "overwrite", "none")


def checked_strategy(name: object) -> str:
    """NAME if it is a strategy; UsageError otherwise."""
    if not isinstance(name, str) or name not in STRATEGIES:
        raise UsageError(
            f"there is no merging strategy {name!r}.{nearest(str(name), STRATEGIES)} There are {', '.join(STRATEGIES)}."
        )
    return name


def merge(below: Any, above: Any, strategy: str = "smart", *, merge_lists: bool = False) -> Any:
    """ABOVE laid over BELOW, as a value that shares nothing with either.

    recurse (and smart, none): mappings are joined at every depth, anything else is replaced; MERGE_LISTS appends lists.
    aggregate: as recurse, and lists are appended. overwrite: the keys at the top alone are joined.
    """
    checked_strategy(strategy)
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        result = deepcopied(below)
        update(result, above, recursive=strategy != "overwrite", merge_lists=merge_lists or strategy == "aggregate")
        return result
    if (strategy == "aggregate" or merge_lists) and isinstance(below, list) and isinstance(above, list):
        return appended(below, above)
    return deepcopied(above)


def update(
    below: dict[Any, Any], above: Mapping[Any, Any], *, recursive: bool = True, merge_lists: bool = False
) -> None:
    """Lay ABOVE over BELOW in place. Nothing of ABOVE is shared with BELOW afterwards."""
    for key, value in above.items():
        present = below.get(key)
        if recursive and isinstance(present, dict) and isinstance(value, Mapping):
            update(present, value, merge_lists=merge_lists)
        elif recursive and merge_lists and isinstance(present, list) and isinstance(value, list | tuple):
            below[key] = appended(present, value)
        else:
            below[key] = deepcopied(value)


def appended(below: list[Any], above: list[Any] | tuple[Any, ...]) -> list[Any]:
    """The members of BELOW, then those of ABOVE that are not among them."""
    return [deepcopied(value) for value in (*below, *(value for value in above if value not in below))]


def deepcopied(value: Any) -> Any:
    """A copy of VALUE: of the mappings and lists in it, at every depth."""
    if isinstance(value, Mapping):
        return {key: deepcopied(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [deepcopied(inner) for inner in value]
    return deepcopy(value) if isinstance(value, set) else value
