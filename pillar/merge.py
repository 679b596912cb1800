"""How values of several SLS become one pillar (Salt's `pillar_source_merging_strategy: smart` for YAML)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge_into(below: dict[Any, Any], above: Mapping[Any, Any]) -> None:
    """Lay ABOVE over BELOW, in place: mappings are joined at every depth, anything else is replaced. Nothing of ABOVE
    is shared with BELOW afterwards that a later merge could change."""
    for key, value in above.items():
        present = below.get(key)
        if isinstance(present, dict) and isinstance(value, Mapping):
            merge_into(present, value)
        else:
            below[key] = copied(value) if isinstance(value, Mapping) else value


def copied(mapping: Mapping[Any, Any]) -> dict[Any, Any]:
    """A copy of MAPPING and the mappings in it."""
    return {key: copied(value) if isinstance(value, Mapping) else value for key, value in mapping.items()}


def nested(key: str, values: Mapping[Any, Any]) -> dict[Any, Any]:
    """VALUES below KEY: "a:b" gives {a: {b: VALUES}}."""
    for part in reversed(key.split(":")):
        values = {part: values}
    return dict(values)
