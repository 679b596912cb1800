"""How values of several SLS become one pillar (Salt's `pillar_source_merging_strategy`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from saltern import merging


def merge_into(
    below: dict[Any, Any], above: Mapping[Any, Any], strategy: str = "smart", *, merge_lists: bool = False
) -> None:
    """Lay ABOVE over BELOW, in place, by STRATEGY (see `saltern.merging.merge`). Nothing of ABOVE is shared with BELOW
    afterwards that a later merge could change."""
    merging.update(below, above, recursive=strategy != "overwrite", merge_lists=merge_lists or strategy == "aggregate")


def nested(key: str, values: Mapping[Any, Any]) -> dict[Any, Any]:
    """VALUES below KEY: "a:b" gives {a: {b: VALUES}}."""
    for part in reversed(key.split(":")):
        values = {part: values}
    return dict(values)
