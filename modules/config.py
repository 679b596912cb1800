"""Settings as templates ask for them: the minion's own, else grains, else pillar."""

from __future__ import annotations

from typing import Any

from saltern.context import Context
from saltern.marks import reading
from saltern.traverse import DELIMITER, traverse

_MISSING = object()


@reading
def get(ctx: Context, key: str, default: Any = "", delimiter: str = DELIMITER) -> Any:
    """The first of: the minion's option KEY ("id", nested "module_options:a"), a grain, a pillar value; else
    DEFAULT."""
    option, _, rest = key.partition(delimiter)
    if not option.startswith("_") and option in type(ctx.config).__dataclass_fields__:
        found = traverse(getattr(ctx.config, option), rest, _MISSING, delimiter)
        if found is not _MISSING:
            return str(found) if option == "root" else found
    found = traverse(ctx.config.module_options, key, _MISSING, delimiter)
    for data in (ctx.grains, ctx.pillar):
        if found is _MISSING:
            found = traverse(data, key, _MISSING, delimiter)
    return default if found is _MISSING else found


@reading
def option(ctx: Context, key: str, default: Any = "") -> Any:
    """As `config.get`."""
    return get(ctx, key, default)
